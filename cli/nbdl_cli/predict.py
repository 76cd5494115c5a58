"""`nbdl predict RUN FILE`: what a trained network says about new rows."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nbdl_cli.evaluate import BestFlag, DataDir, DeviceOption, RunArgument
from nbdl_cli.output import JsonFlag, examples, print_answer

app = typer.Typer()


@app.command(
    epilog=examples(
        "nbdl predict runs/mlp-iris-1 flowers.csv",
        "nbdl predict runs/mlp-houses-1 houses.csv --out prices.csv",
        "nbdl predict runs/mlp-mnist-1 images.npy --best --json",
        "nbdl predict runs/lstm-JapaneseVowels-1 speakers.ts",
        "nbdl predict runs/seq2seq-addition-1 sums.txt",
    )
)
def predict(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows: a file like that of the training data.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of to the screen.")] = None,
    data_dir: DataDir = None,
    best: BestFlag = False,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
) -> None:
    """Predict a class with probabilities, numbers, or text, for each row of a file; as CSV, or JSON with --json.

    Of a series it gives the forecast behind each window, the last of which nobody knows yet.
    """
    from nbdl.data.files import find_rows
    from nbdl.errors import DataError
    from nbdl_cli.answers import answer
    from nbdl_cli.network import open_run

    if out is not None and out.is_dir():
        raise DataError(f"--out {out} is a folder; name a file")
    columns = answer(open_run(run, best=best), find_rows(file, data_dir), device)
    text = _as_json(columns) if json else _as_csv(columns)
    if out is not None:
        write_text(out, text)
        rows = len(next(iter(columns.values())))
        typer.echo(f"Wrote {rows:,} predictions to {out}", err=True)
    else:
        print_answer(text)


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
    return value if isinstance(value, int) else str(value) if isinstance(value, str) else float(str(value))


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all. Raises `RunError` if that fails."""
    from nbdl.atomic import atomic_write
    from nbdl.tensor_files import writing

    with writing(path), atomic_write(path) as file:
        file.write(text.encode())
