"""From a CSV file to a data set."""

from collections.abc import Sequence
from pathlib import Path

from nbdl.data.csv_file import read_csv
from nbdl.data.dataset import Dataset
from nbdl.data.files import find_file
from nbdl.data.table import Table
from nbdl.data.table_dataset import TaskOption, table_dataset
from nbdl.errors import DataError


def load_csv(
    path: Path,
    *,
    target: str | None = None,
    test_file: Path | None = None,
    task: TaskOption = None,
    header: bool | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    data_dir: Path | None = None,
    seed: int = 0,
) -> Dataset:
    """Make a data set of a CSV file: `.csv` or `.csv.gz`, with or without a header, separated by `,`, `;` or tabs.

    Columns of numbers are standardised, missing values filled with the median; categories are one-hot encoded.
    Columns that can't help (one value only, another text in each row, a row counter) are left out and noted, as are
    rows without a target. A regression target is standardised; `Dataset.inverse_target` turns it back.

    Args:
        path: the file, also looked for below `data_dir` and `NBDL_DATA`.
        target: the column to predict: its name, or its number from 1 (-1 is the last); several, separated by commas,
            for a regression with several outputs.
        test_file: a file with the test rows; without it, `test_fraction` of the rows are for testing.
        task: classification or regression; found out if not given.
        header: whether the first row holds the names of the columns; found out if not given.
        drop: columns to leave out.
        categorical: columns to take as categories even if they hold numbers.
        test_fraction: share of the rows for testing.
        validation_fraction: share of the rows for validation.
        data_dir: folder to look for files in.
        seed: which rows go where.

    Raises:
        DataError: no such file or column, a text among numbers, one class only, a row of another length, ...
    """
    table = read_csv(find_file(path, data_dir), header=header)
    test = None
    if test_file:
        known_names = table.names if table.header else ()
        test = read_csv(find_file(test_file, data_dir), header=header, known_names=known_names)
    return table_dataset(Path(path).name.split(".")[0], table, find_targets(table, target), test=test, task=task,
                         drop=drop, categorical=categorical, test_fraction=test_fraction,
                         validation_fraction=validation_fraction, seed=seed)


def find_targets(table: Table, target: str | None) -> tuple[str, ...]:
    """Return the names of the target columns. Raises `DataError` when there is none, listing what there is."""
    if target is None or not str(target).strip():
        raise DataError(f"{table.path}: which column is to be predicted? Say target=NAME (on the "
                        f"command line --target NAME); it has {', '.join(table.names)}.")
    wanted = [str(target)] if str(target) in table.names else [part.strip() for part in str(target).split(",")]
    return tuple(dict.fromkeys(_find_column(table, name) for name in wanted))


def _find_column(table: Table, name: str) -> str:
    if name not in table.names and name.lstrip("-").isdecimal():
        number = int(name)
        if number == 0 or abs(number) > len(table.names):
            raise DataError(f"{table.path} has no column number {number}; columns are counted from 1 to "
                            f"{len(table.names)}, or from -1 for the last.")
        return table.names[number - 1 if number > 0 else number]
    if name not in table.names and not table.header:
        raise DataError(f"{table.path} has no column {name!r} because it has no header; say its number, 1 to "
                        f"{len(table.names)}, or header=True (on the command line --set data.header=true) if the first "
                        "row holds names.")
    table.column(name)
    return name
