"""`nbdl show NAME`: everything about one thing that a plugin offers."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from nbdl.hookspecs import KINDS
from nbdl.plugins import Registered
from nbdl_cli.output import JsonFlag, default_text, examples, print_json, print_table, registered_as_data

app = typer.Typer()


@app.command(
    epilog=examples(
        "nbdl show mlp", "nbdl show optimizer:adam", "nbdl show losses:mse --json", "nbdl show my-package:my_loss"
    )
)
def show(
    name: Annotated[str, typer.Argument(help="A name; kind:name or package:name if there are several.")],
    json: JsonFlag = False,
) -> None:
    """Show a model, loss, optimizer, ...: its options with types, defaults and meaning, its text, its package."""
    found = find(name)
    if json:
        print_json([registered_as_data(registered) | {"doc": registered.factory.__doc__ or ""} for registered in found])
        return
    for number, registered in enumerate(found):
        if number:
            typer.echo("\n" + "-" * 40)
        _print(registered)


def find(name: str) -> list[Registered]:
    """Return what has a name, in all kinds, or in one kind (`kind:name`), or of one package (`package:name`).

    Raises:
        UnknownNameError: there is nothing; near names are suggested.
    """
    from nbdl import plugins
    from nbdl.errors import UnknownNameError, suggest

    prefix, _, rest = name.partition(":")
    kind = _kind(prefix) if rest else None
    wanted = rest if kind else name
    package, _, bare = wanted.rpartition(":")
    offered = [registered for each in ([kind] if kind else KINDS) for registered in plugins.all(each)]
    found = [each for each in offered if each.name == bare and (not package or each.comes_from(package))]
    if not found:
        known = [registered.name for registered in offered]
        what = KINDS[kind].singular if kind else "model, loss, optimizer, ..."
        raise UnknownNameError(f"there is no {what} {wanted!r}; {suggest(bare, known)}")
    return found


def _kind(word: str) -> str | None:
    """Return the kind that a word means: `losses`, `loss`."""
    return next((kind for kind, about in KINDS.items() if word.lower() in (kind, about.singular)), None)


def _print(registered: Registered) -> None:
    from nbdl.docstrings import prose
    from nbdl.hookspecs import training_of

    origin = f"{registered.package} {registered.version}".strip()
    typer.echo(f"{registered.name}: {KINDS[registered.kind].singular} from {origin} ({registered.module})\n")
    text = prose(registered.factory.__doc__ or "")
    if text:
        typer.echo(text + "\n")
    if not len(registered.options):
        typer.echo("It has no options.")
        _print_training(training_of(registered.factory))
        return
    rows = [
        (option.name, option.type_text, "required" if option.required else default_text(option.default), option.doc)
        for option in registered.options
    ]
    print_table(("option", "type", "default", ""), rows)
    _print_training(training_of(registered.factory))


def _print_training(groups: Mapping[str, Any]) -> None:
    """Say what a model is trained with if nobody says otherwise, as one would write it in a configuration."""
    if groups:
        from tomli_w import dumps

        from nbdl.train.runfolder import plain

        typer.echo(f"\nTrained by default with:\n\n{dumps(plain(groups)).strip()}")
