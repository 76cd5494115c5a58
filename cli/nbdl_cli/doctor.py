"""`nbdl doctor`: is everything there that nbdl needs, and what does this machine have?"""

from typing import Any

import typer

from nbdl_cli.output import JsonFlag, examples, print_json

app = typer.Typer()


@app.command(epilog=examples("nbdl doctor", "nbdl doctor --json"))
def doctor(json: JsonFlag = False) -> None:
    """Check the installation: versions, processor, compiler, cache, plugins, CUDA. Ends with 1 if nbdl can't work."""
    from nbdl_cli.checks import examine

    found = examine()
    if json:
        print_json(found)
    else:
        _print(found)
    if not found["ok"]:
        raise typer.Exit(1)


def _print(found: dict[str, Any]) -> None:
    processor, cache, cuda = found["processor"], found["cache"], found["cuda"]
    _line("python", f"{found['versions']['python']} ({found['executable']})")
    for package, version in found["versions"].items():
        if package != "python":
            _line(package, version or "not installed")
    _line("processor", processor["name"])
    _line("vectors", f"{processor['vector_bits']} bits ({', '.join(processor['features']) or 'no known features'})")
    _line("cores", str(processor["cores"]))
    _line("threads", ", ".join(f"{k}={v}" for k, v in found["threads"].items()) or "no variable limits them")
    _line("compiler", found["compiler"])
    _line("cache", cache["problem"] or f"{cache['folder']}, {cache['files']} files, {cache['size']}")
    _line("cuda", cuda["verdict"])
    if cuda["driver"] is not None:
        _line("", f"driver for CUDA {cuda['driver']}, compiler for CUDA {cuda['toolkit'] or 'of the system'}")
    for card in cuda["cards"]:
        _line("", f"{card['name']}, {card['memory_gib']:.0f} GiB, compute capability {card['capability']}")
    broken = [each for each in found["plugins"] if each["problems"]]
    working = len(found["plugins"]) - len(broken)
    _line("plugins", f"{working} in order" + (f", {len(broken)} with problems:" if broken else ""))
    for each in broken:
        _line("", f"{each['module']} ({each['package']}): {each['problems'][0]}")
    typer.echo("\nEverything nbdl needs is there." if found["ok"] else "\n" + "\n".join(found["problems"]))


def _line(name: str, text: str) -> None:
    typer.echo(f"{name:<14}{text}")
