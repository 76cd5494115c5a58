"""`nbdl bench`: nbdl beside its peers, in one run."""

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
        "nbdl bench --against all --out results.json --plot results.png",
        "nbdl bench w6 w10 --measure start,memory,scaling --against torch --rounds 3",
        "nbdl bench w3 --device cuda --against torch,torch_compile,jax,cupy",
        "nbdl bench w5 w6 w10 --batch-size 1024 --against torch",
    )
)
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[BENCHMARK]...", help="Which; all of the built-in ones if left out.")
    ] = None,
    measure: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="Training steps; or kernels, inference, start, memory, eager, scaling, growth, fit, whole, several of "
            "them, or all.",
        ),
    ] = "steps",
    against: Annotated[
        str, typer.Option(metavar="PEERS", help="Frameworks to compare with, such as torch,jax,keras,sklearn; or all.")
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Turns that everybody gets.")] = DEFAULT_ROUNDS,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where nbdl and its peers train.")] = "cpu",
    batch_size: Annotated[
        int, typer.Option(min=0, help="Rows of a training step; as many as each benchmark says, if 0.")
    ] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures there as JSON.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what is measured: .png, .svg or .pdf, a file for each measurement."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Measure training steps, predictions, start, memory and more, alone or against other frameworks.

    Ends with 1 if frameworks that should come to the same result don't.
    """
    from nbdl.cards import choose_device
    from nbdl_cli.benchmark_report import about, draw, print_report, write
    from nbdl_cli.benchmarks import check_drawn, chosen, measured, measurements, peers_of
    from nbdl_cli.figures import check_picture_file

    wanted = measurements(measure)
    if plot is not None:
        check_picture_file(plot, "--plot")
        check_drawn(wanted)
    benchmarks = chosen(names or [], choose_device(device), batch_size)
    peers = peers_of(against, benchmarks)
    results, left_out = measured(benchmarks, wanted, peers, rounds, told=bool(names))
    data = {**about(rounds), "results": results, "left_out": left_out}
    if out is not None:
        write(out, data)
    if plot is not None:
        draw(plot, data)
    if json:
        print_json(data)
    else:
        print_report(data)
    different = [f"{name} ({kind})" for kind, each in results.items() for name in each if not each[name]["agrees"]]
    if different:
        typer.echo(f"not everybody comes to the same result: {', '.join(different)}", err=True)
        raise typer.Exit(1)
