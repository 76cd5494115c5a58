"""`nbdl plugins`: the plugins with their state; `nbdl plugins new`: the start of one's own."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nbdl.plugins import PluginReport, report
from nbdl_cli.output import JsonFlag, examples, print_json, print_table

app = typer.Typer()
group = typer.Typer(no_args_is_help=False)
app.add_typer(group, name="plugins")


@group.callback(
    invoke_without_command=True,
    epilog=examples("nbdl plugins", "nbdl plugins --verbose", "nbdl plugins --json", "nbdl plugins new my-plugin"),
)
def plugins(
    ctx: typer.Context,
    json: JsonFlag = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the tracebacks of what failed.")] = False,
) -> None:
    """List the plugins: where each comes from, what it offers, and what is wrong with it."""
    if ctx.invoked_subcommand is not None:
        return
    if ctx.parent is not None:
        # What is wrong with a plugin's commands comes to light when they are added.
        ctx.parent.command.list_commands(ctx.parent)  # type: ignore[attr-defined]
    reports = report()
    if json:
        print_json([asdict(each) for each in reports])
        return
    print_table(
        ("plugin", "package", "version", "state", "offers"),
        [(each.module, each.package, each.version, each.state, offers_text(each)) for each in reports],
    )
    _print_problems(reports, verbose)


def offers_text(each: PluginReport) -> str:
    """Return what a plugin offers in a line: `losses: huber, mse; commands`."""
    parts = [f"{kind}: {', '.join(names)}" for kind, names in each.offers.items()]
    others = [hook.removeprefix("nbdl_") for hook in each.hooks if hook.removeprefix("nbdl_") not in each.offers]
    return "; ".join(parts + others)


def _print_problems(reports: list[PluginReport], verbose: bool) -> None:
    for each in reports:
        for problem in each.problems:
            typer.echo(f"\n{each.module} ({each.package} {each.version}): {problem.cause}".replace(" )", ")"))
            if verbose and problem.traceback:
                typer.echo(problem.traceback.rstrip())
    if not verbose and any(problem.traceback for each in reports for problem in each.problems):
        typer.echo("\n`nbdl plugins --verbose` shows the tracebacks.")


@group.command(epilog=examples("nbdl plugins new my-plugin", "nbdl plugins new my-plugin --dir ~/projects"))
def new(
    name: Annotated[str, typer.Argument(help="The package's name, for example my-plugin.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where the package's folder is made.")] = Path("."),
    json: JsonFlag = False,
) -> None:
    """Write the start of a plugin: an installable package with a loss, an optimizer, a model, a data set and tests."""
    from nbdl_cli.new_plugin import write_plugin

    made = write_plugin(name, folder)
    if json:
        files = sorted(str(file.relative_to(made)) for file in made.rglob("*") if file.is_file())
        print_json({"folder": str(made), "files": files})
        return
    typer.echo(
        f"Wrote {made}. Next:\n"
        f'  pip install -e "{made}[test]"\n'
        f'  pytest "{made}"\n'
        f"  nbdl plugins"
    )
