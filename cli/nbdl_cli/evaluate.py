"""`nbdl evaluate RUN`: loss and metrics of a trained network on rows it was not trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbdl_cli.output import JsonFlag, examples, print_json

if TYPE_CHECKING:
    from nbdl.data import Split
    from nbdl_cli.network import OpenRun

app = typer.Typer()

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
BestFlag = Annotated[bool, typer.Option("--best", help="Use the best weights instead of the last ones.")]
DeviceOption = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to work it out.")]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Where data files are looked for.")]


@app.command(
    epilog=examples(
        "nbdl evaluate runs/mlp-digits-1",
        "nbdl evaluate runs/mlp-digits-1 --json",
        "nbdl evaluate runs/mlp-houses-1 --data new-houses.csv --best",
        "nbdl evaluate runs/cnn-mnist-1 --device cuda",
    )
)
def evaluate(
    run: RunArgument,
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Other rows: a file with the target, or a data set's test rows."),
    ] = None,
    data_dir: DataDir = None,
    best: BestFlag = False,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
) -> None:
    """Measure loss and metrics on the run's test rows; if it has none on its validation rows, or on other data."""
    from nbdl.errors import OptionError
    from nbdl.train.compiling import is_measured
    from nbdl_cli.network import measure, open_run
    from nbdl_cli.report import numbers_text
    from nbdl_cli.run_data import as_json

    opened = open_run(run, best=best)
    if not is_measured(opened.net):
        name = opened.config["model"]["name"]
        raise OptionError(f"{run}: the model {name!r} has neither a loss nor a test_step, so it can't be measured")
    part, rows, changed = rows_to_measure(opened, data, data_dir)
    logs = measure(opened.net, rows, opened.facts.preprocessing, opened.config["train"].get("workers", 1), device)
    if json:
        about = {"part": part, "rows": len(rows), "data_changed": changed, "weights": opened.weights, "run": str(run)}
        print_json({**as_json(logs), **about})
        return
    typer.echo(f"On {len(rows):,} rows ({part}): {numbers_text(logs)}.")
    for name, value in logs.items():
        if getattr(value, "ndim", 0):
            typer.echo(f"{name}:\n{value}")


def rows_to_measure(opened: "OpenRun", data: str | None, data_dir: Path | None) -> tuple[str, "Split", bool]:
    """Return what rows to evaluate on, the rows, and whether they are the run's own and have changed since.

    Raises:
        DataError: a file without the target or with other columns; data without rows that training hasn't seen.
    """
    from nbdl.data import file_reader, load, read_rows
    from nbdl.data.files import find_rows
    from nbdl.errors import DataError
    from nbdl_cli.rows import checked_rows
    from nbdl_cli.run_data import held_out_rows, load_data

    if data is None:
        config: dict[str, Any] = opened.config
        if data_dir is not None:
            config = config | {"data": config["data"] | {"data_dir": data_dir}}
        dataset = load_data(config)
        return *held_out_rows(dataset, config), opened.facts.tell_of_changes(dataset, opened.folder.path)
    if file_reader(data) is None:
        dataset = load(data, data_dir=data_dir, seed=opened.config["train"]["seed"])
        if dataset.task != opened.facts.task or dataset.outputs != opened.facts.outputs:
            raise DataError(
                f"{data} is a {dataset.task} with {dataset.outputs} outputs; the network was trained on a "
                f"{opened.facts.task} with {opened.facts.outputs}"
            )
        part, rows = held_out_rows(dataset, opened.config)
        opened.facts.check_rows(rows, f"{part} rows of {data}")
        return f"{part} rows of {data}", rows, False
    x, y = read_rows(find_rows(data, data_dir), opened.facts.preprocessing)
    if y is None:
        names = ", ".join(opened.facts.preprocessing.target.names)
        raise DataError(f"{data} has no target ({names}) to compare with; `nbdl predict` needs none")
    return data, checked_rows(x, y, opened.facts, data), False
