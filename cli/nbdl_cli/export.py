"""`nbdl export RUN`: what a run has trained, as a file for others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbdl_cli.evaluate import BestFlag, RunArgument
from nbdl_cli.output import JsonFlag, examples, print_json

if TYPE_CHECKING:
    import numpy as np

    from nbdl_cli.network import OpenRun

app = typer.Typer()


@app.command(
    epilog=examples(
        "nbdl export runs/mlp-iris-1 --to npz --out iris.npz",
        "nbdl export runs/mlp-iris-1 --to network --out iris.nbdl --best",
        "nbdl show exporter:npz",
    )
)
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option(metavar="NAME", help="An exporter: `npz`, `network`, or one of a plugin.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the exporter.")
    ] = None,
    best: BestFlag = False,
    json: JsonFlag = False,
) -> None:
    """Write what a run has trained to a file, by one of the exporters that plugins offer."""
    from nbdl import plugins
    from nbdl.errors import DataError
    from nbdl.tensor_files import writing
    from nbdl_cli.network import open_run

    if out.is_dir():
        raise DataError(f"--out {out} is a folder; name a file")
    exporter = plugins.lookup("exporters", to).make(**dict(map(_assignment, option or ())))
    opened = open_run(run, best=best)
    with writing(out):
        exporter(Trained(opened), out)
    if json:
        print_json({"run": str(run), "to": to, "file": str(out), "weights": opened.weights})
    else:
        typer.echo(f"Wrote {out}")


def _assignment(text: str) -> "tuple[str, str]":
    from nbdl.errors import OptionError
    from nbdl.options import Text

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise OptionError(f"--set {text} can't be read; write --set OPTION=VALUE")
    return name.strip(), Text(value.strip())


class Trained:
    """A run that is over, as exporters are given it.

    Attributes:
        net: the network, with the weights that were asked for.
        folder: the run's `RunFolder`.
    """

    def __init__(self, opened: "OpenRun"):
        self.net, self.folder = opened.net, opened.folder

    def weights(self) -> "dict[str, np.ndarray]":
        """Copies of all parameters and state, by name."""
        return self.net.state_dict()
