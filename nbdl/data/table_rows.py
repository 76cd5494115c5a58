"""New rows in a table or an array: CSV, NPZ and NPY files, for preprocessing that was fitted to such."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nbdl.data.csv_file import read_csv
from nbdl.data.npz_file import read_npz
from nbdl.data.table import Table, target_table
from nbdl.data.target import TargetEncoding
from nbdl.errors import DataError

Array = NDArray[Any]


class OfTables(Protocol):
    """Preprocessing of rows that are a table or an array of numbers."""

    @property
    def target(self) -> TargetEncoding:
        """How labels or values became y."""

    def transform(self, rows: Table | Array) -> Array:
        """Turn raw rows into what the network takes: `(rows, ...)`."""

    def targets(self, rows: Table | Array) -> Array | None:
        """Turn the target columns of raw rows into y; None if there are none."""


def read_table_rows(
    path: Path, preprocessing: OfTables, known_names: Sequence[str], *, with_targets: bool
) -> tuple[Array, Array | None]:
    """Return x of the rows in a file, and y if targets are wanted and there are any.

    Raises `DataError` when the file doesn't have what the training data had.
    """
    ending = path.suffix.lower()
    if ending == ".npz":
        return _read_arrays(path, preprocessing, with_targets)
    if ending == ".npy":
        return preprocessing.transform(_read_npy(path)), None
    table = read_csv(path, known_names=known_names)
    return preprocessing.transform(table), preprocessing.targets(table) if with_targets else None


def _read_arrays(path: Path, preprocessing: OfTables, with_targets: bool) -> tuple[Array, Array | None]:
    arrays = {name.lower(): array for name, array in read_npz(path).items()}
    ending = next((ending for ending in ("_test", "") if f"x{ending}" in arrays), None)
    if ending is None:
        raise DataError(f"{path} has {', '.join(arrays)}; new rows are looked for in x or x_test.")
    y = arrays.get(f"y{ending}")
    if y is None or not with_targets:
        return preprocessing.transform(arrays[f"x{ending}"]), None
    found = target_table(y, str(path))
    if len(found.names) != len(preprocessing.target.names):
        raise DataError(f"{path}: y has {len(found.names)} columns, the training data had "
                        f"{len(preprocessing.target.names)}.")
    renamed = Table(str(path), preprocessing.target.names, found.columns, found.lines)
    return preprocessing.transform(arrays[f"x{ending}"]), preprocessing.target.encode(renamed)


def _read_npy(path: Path) -> Array:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} can't be read as an NPY file: {error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds several arrays; name it .npz")
    return array
