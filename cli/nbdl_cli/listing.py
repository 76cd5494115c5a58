"""`nbdl models`, `nbdl losses`, ...: what there is of each kind."""

import typer

from nbdl.hookspecs import KINDS
from nbdl_cli.output import JsonFlag, default_text, examples, print_json, print_table, registered_as_data

app = typer.Typer()

LISTED = (
    *("models", "losses", "optimizers", "datasets", "activations", "layers"),
    *("metrics", "schedules", "initializers", "callbacks", "exporters"),
)


def _add_command(kind: str) -> None:
    singular = KINDS[kind].singular

    def command(json: JsonFlag = False) -> None:
        list_kind(kind, json)

    plural = f"{singular}s" if not singular.endswith("ss") else f"{singular}es"
    command.__doc__ = f"List the {plural} that there are, with their options."
    app.command(kind, epilog=examples(f"nbdl {kind}", f"nbdl {kind} --json", f"nbdl show {kind}:NAME"))(command)


for _kind in LISTED:
    _add_command(_kind)


def list_kind(kind: str, json: bool) -> None:
    """Print everything of a kind."""
    from nbdl import plugins

    everything = plugins.all(kind)
    if json:
        print_json([registered_as_data(registered) for registered in everything])
        return
    if not everything:
        typer.echo(f"There are no {kind}. `nbdl plugins` lists the plugins and what is wrong with them.")
        return
    rows = []
    # `names` goes through the same things in the same order, and tells those of one name apart.
    for name, registered in zip(plugins.names(kind), everything, strict=True):
        options = " ".join(
            option.name if option.required else f"{option.name}={default_text(option.default)}"
            for option in registered.options
        )
        rows.append((name, registered.package, options, registered.summary))
    print_table(("name", "package", "options", ""), rows)
