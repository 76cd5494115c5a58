"""New rows for a network that is trained: preprocessing made again from its state, and applied to a file."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nbdl.data.arrays import ArrayScaling
from nbdl.data.csv_file import read_csv
from nbdl.data.dataset import Preprocessing
from nbdl.data.npz_dataset import target_table
from nbdl.data.npz_file import read_npz
from nbdl.data.preprocessing import TablePreprocessing
from nbdl.data.table import Table
from nbdl.errors import DataError

KINDS: dict[str, type[TablePreprocessing] | type[ArrayScaling]] = {"table": TablePreprocessing, "array": ArrayScaling}


def preprocessing_from_state(values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Preprocessing:
    """Make the preprocessing again that `to_state` described. Raises `DataError` for a state that is damaged."""
    try:
        return KINDS[values["kind"]].from_state(values, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the saved preprocessing can't be read: {type(error).__name__} {error}. Train again, or "
                        "restore the run's folder.") from error


def read_rows(
    path: Path | str, preprocessing: Preprocessing, *, with_targets: bool = True
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return features of the rows in a CSV or NPZ file, and their encoded targets, or None if it has none.

    Args:
        path: the file.
        preprocessing: what was fitted to the training rows.
        with_targets: whether targets are wanted; if not, they may be absent or wrong.

    Raises `DataError` when the file doesn't have what the training data had.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return _read_arrays(path, preprocessing, with_targets)
    known = preprocessing.columns if isinstance(preprocessing, TablePreprocessing) else preprocessing.target.names
    table = read_csv(path, known_names=known)
    return preprocessing.transform(table), preprocessing.targets(table) if with_targets else None


def _read_arrays(
    path: Path, preprocessing: Preprocessing, with_targets: bool
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    arrays = {name.lower(): array for name, array in read_npz(path).items()}
    ending = next((ending for ending in ("_test", "") if f"x{ending}" in arrays), None)
    if ending is None:
        raise DataError(f"{path} has {', '.join(arrays)}; new rows are looked for in x or x_test.")
    y = arrays.get(f"y{ending}")
    if y is None or not with_targets:
        return preprocessing.transform(arrays[f"x{ending}"]), None
    found = target_table(y, path)
    if len(found.names) != len(preprocessing.target.names):
        raise DataError(f"{path}: y has {len(found.names)} columns, the training data had "
                        f"{len(preprocessing.target.names)}.")
    renamed = Table(str(path), preprocessing.target.names, found.columns, found.lines)
    return preprocessing.transform(arrays[f"x{ending}"]), preprocessing.target.encode(renamed)
