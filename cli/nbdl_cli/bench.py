"""`nbdl bench`: training steps of nbdl beside its peers', in one run."""

from pathlib import Path
from typing import Annotated

import typer

from nbdl_cli.output import JsonFlag, examples, print_json

app = typer.Typer()

DEFAULT_ROUNDS = 9


@app.command(
    epilog=examples(
        "nbdl bench w3",
        "nbdl bench w1 w3 w8 --against torch,jax --rounds 5",
        "nbdl bench --against torch,jax,keras,sklearn --out results.json --plot results.png",
    )
)
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[BENCHMARK]...", help="Which; all of the built-in ones if left out.")
    ] = None,
    against: Annotated[
        str, typer.Option(metavar="PEERS", help="Frameworks to compare with, such as torch,jax,keras,sklearn.")
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Turns that everybody gets.")] = DEFAULT_ROUNDS,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures there as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the ratios: .png, .svg or .pdf.")] = None,
    json: JsonFlag = False,
) -> None:
    """Measure the time of a training step, alone or against other frameworks, and its share of the machine's limit."""
    from nbdl_cli.benchmark_report import as_data, draw, print_report
    from nbdl_cli.benchmarks import chosen, machine, measure, peers_of
    from nbdl_cli.figures import check_picture_file

    if plot is not None:
        check_picture_file(plot)
    benchmarks = chosen(names or [])
    peers = peers_of(against, benchmarks)
    limits = machine(benchmarks)
    comparisons = [measure(each, peers, rounds) for each in benchmarks]
    data = as_data(comparisons, limits, rounds)
    if out is not None:
        from nbdl_cli.benchmark_report import write

        write(out, data)
    if plot is not None:
        draw(plot, data)
    if json:
        print_json(data)
    else:
        print_report(data)
