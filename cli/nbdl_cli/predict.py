"""`nbdl predict RUN FILE`: what a trained network says about new rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbdl_cli.evaluate import BestFlag, DataDir, RunArgument
from nbdl_cli.output import JsonFlag, examples

if TYPE_CHECKING:
    import numpy as np

    from nbdl_cli.network import OpenRun

app = typer.Typer()


@app.command(
    epilog=examples(
        "nbdl predict runs/mlp-iris-1 flowers.csv",
        "nbdl predict runs/mlp-houses-1 houses.csv --out prices.csv",
        "nbdl predict runs/mlp-mnist-1 images.npy --best --json",
    )
)
def predict(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows: a CSV, NPZ or NPY file, without or with target.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of to the screen.")] = None,
    data_dir: DataDir = None,
    best: BestFlag = False,
    json: JsonFlag = False,
) -> None:
    """Predict a class with probabilities, or numbers, for each row of a file; as CSV, or JSON with --json."""
    from nbdl.data.files import find_file
    from nbdl.errors import DataError
    from nbdl_cli.network import open_run
    from nbdl_cli.rows import read_new_rows

    if out is not None and out.is_dir():
        raise DataError(f"--out {out} is a folder; name a file")
    opened = open_run(run, best=best)
    x = read_new_rows(find_file(file, data_dir), opened.facts)
    columns = prediction_columns(opened, opened.net.predict(x))
    text = _as_json(columns) if json else _as_csv(columns)
    if out is not None:
        _write(out, text)
        typer.echo(f"Wrote {len(x):,} predictions to {out}", err=True)
    else:
        typer.echo(text, nl=False)


def prediction_columns(opened: "OpenRun", predicted: "np.ndarray") -> dict[str, list[Any]]:
    """Return the columns of the answer: `prediction` and a column a class, or a column a target in original units."""
    import numpy as np

    facts = opened.facts
    flat = predicted.reshape(len(predicted), -1)
    if facts.classes is None:
        values = facts.preprocessing.inverse_target(flat)
        return dict(zip(facts.preprocessing.target.names, np.asarray(values, np.float32).T, strict=True))
    what, shares = class_shares(opened, flat)
    names = np.asarray(facts.classes)
    columns = {"prediction": list(names[shares.argmax(axis=1)])}
    return columns | {f"{what} {name}": share for name, share in zip(facts.classes, shares.T, strict=True)}


def class_shares(opened: "OpenRun", predicted: "np.ndarray") -> tuple[str, "np.ndarray"]:
    """Return what a network's outputs mean, `probability` or `score`, and a column for each class.

    Outputs are probabilities if the network ends in softmax, and become some if it was trained with a cross-entropy,
    which works from logits; others are scores, of which the largest decides.
    """
    import numpy as np

    if ends_in_probabilities(opened):
        return "probability", predicted
    if "crossentropy" not in str(opened.config["loss"]["name"]):
        return "score", predicted
    powers = np.exp(predicted - predicted.max(axis=1, keepdims=True))
    return "probability", powers / powers.sum(axis=1, keepdims=True)


def ends_in_probabilities(opened: "OpenRun") -> bool:
    """Whether the network's last operation is a softmax or a sigmoid."""
    from nbdl.tensor import Tensor

    net = opened.net.eval()
    return net(Tensor(opened.facts.sample().x)).logits is not None


def _as_csv(columns: dict[str, list[Any]]) -> str:
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    # `str` of a float32 is the shortest text that gives the same float32 again.
    writer.writerows([str(value) for value in row] for row in zip(*columns.values(), strict=True))
    return stream.getvalue()


def _as_json(columns: dict[str, list[Any]]) -> str:
    import json

    rows = [dict(zip(columns, map(_plain, row), strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps(rows, indent=2) + "\n"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else float(str(value))


def _write(path: Path, text: str) -> None:
    from nbdl.atomic import atomic_write
    from nbdl.tensor_files import writing

    with writing(path), atomic_write(path) as file:
        file.write(text.encode())
