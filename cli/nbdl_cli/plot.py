"""`nbdl plot RUN ...`: learning curves, and what the network gets right and wrong."""

from pathlib import Path
from typing import Annotated

import typer

from nbdl_cli.output import examples

app = typer.Typer()


@app.command(
    epilog=examples("nbdl plot runs/mlp-digits-1", "nbdl plot runs/mlp-digits-1 runs/mlp-digits-2 --out comparison.png")
)
def plot(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the learning curves go: .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Draw learning curves; of a single run also its confusion matrix, or predicted against true values."""
    from nbdl_cli.figures import check_picture_file, draw_curves
    from nbdl_cli.training import shown

    if out is not None:
        check_picture_file(out)
    for path in draw_run(runs[0]) if len(runs) == 1 and out is None else [draw_curves(runs, out)]:
        typer.echo(shown(path))


def draw_run(run: Path) -> list[Path]:
    """Draw everything there is to draw about a run into its folder, and return the files.

    The learning curves need its numbers only; the picture of its predictions needs weights and data, and is left out,
    with a word about why, where they are absent.
    """
    from nbdl.errors import NbdlError
    from nbdl_cli.figures import draw_curves, draw_predictions

    paths = [draw_curves([run], None)]
    try:
        paths.append(draw_predictions(run))
    except NbdlError as error:
        typer.echo(f"No picture of the predictions: {error}", err=True)
    return paths
