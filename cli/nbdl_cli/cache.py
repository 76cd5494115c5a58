"""`nbdl cache`: the folder with compiled programs: where it is, how large, how to fill it and how to empty it."""

import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from nbdl.paths import cache_dir, clear_cache
from nbdl_cli.output import JsonFlag, examples, print_json, print_table

app = typer.Typer()
group = typer.Typer()
app.add_typer(group, name="cache")
EXAMPLES = examples("nbdl cache", "nbdl cache info --json", "nbdl cache warm", "nbdl cache clear")


class Scalar(StrEnum):
    """The types of numbers that kernels are compiled for."""

    float32 = "float32"
    float64 = "float64"


@group.callback(invoke_without_command=True, epilog=EXAMPLES)
def cache(ctx: typer.Context, json: JsonFlag = False) -> None:
    """Show, fill or empty the cache of compiled programs. NBDL_CACHE_DIR says where it is."""
    if ctx.invoked_subcommand is None:
        info(json)


@group.command(epilog=EXAMPLES)
def info(json: JsonFlag = False) -> None:
    """Show the cache's folder, its files and their size."""
    folder = cache_dir()
    sizes = cache_sizes()
    total = {"files": sum(files for files, _ in sizes.values()), "bytes": sum(size for _, size in sizes.values())}
    if json:
        parts = {name: {"files": files, "bytes": size} for name, (files, size) in sizes.items()}
        print_json({"folder": str(folder), **total, "parts": parts})
        return
    typer.echo(f"{folder}: {total['files']} files, {size_text(total['bytes'])}")
    if sizes:
        rows = [(name, str(files), size_text(size)) for name, (files, size) in sizes.items()]
        print_table(("part", "files", "size"), rows)


@group.command(epilog=EXAMPLES)
def warm(
    dtype: Annotated[list[Scalar] | None, typer.Option(help="Numbers to compile for; may be given twice.")] = None,
    json: JsonFlag = False,
) -> None:
    """Compile the kernels that most programs call, say for the image of a container: the first training starts sooner.

    What belongs to a network is compiled when it is first trained.
    """
    from nbdl.kernels.cpu.warm import compile_library, library

    begin, scalars = time.perf_counter(), [each.value for each in dtype or [Scalar.float32]]
    count = sum(len(library(scalar)) for scalar in scalars)
    with typer.progressbar(length=count, label="Compiling", file=sys.stderr) as bar:
        compile_library(scalars, report=lambda name: bar.update(1))
    seconds = time.perf_counter() - begin
    if json:
        print_json({"folder": str(cache_dir()), "kernels": count, "seconds": round(seconds, 3)})
    else:
        typer.echo(f"{count} kernels in {cache_dir()}, after {seconds:.1f} s.")


@group.command(epilog=EXAMPLES)
def clear(json: JsonFlag = False) -> None:
    """Empty the cache. What is needed is compiled again."""
    before = sum(size for _, size in cache_sizes().values())
    clear_cache()
    if json:
        print_json({"folder": str(cache_dir()), "bytes": before})
    else:
        typer.echo(f"Emptied {cache_dir()}: {size_text(before)} freed.")


def cache_sizes() -> dict[str, tuple[int, int]]:
    """Return the number of files and their bytes for each entry of the cache's folder."""
    sizes = {}
    for entry in sorted(cache_dir().iterdir()):
        files = [file for file in ([entry] if entry.is_file() else entry.rglob("*")) if file.is_file()]
        sizes[entry.name] = (len(files), sum(file.stat().st_size for file in files))
    return sizes


def size_text(size: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
