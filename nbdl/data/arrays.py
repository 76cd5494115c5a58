"""Preprocessing of arrays that are numbers already, such as images: a shape for each row and one scale."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.table import Table, numbers
from nbdl.data.table_rows import read_table_rows
from nbdl.data.target import TargetEncoding
from nbdl.errors import DataError


@dataclass(frozen=True, eq=False)
class ArrayScaling:
    """x = scale · rows, as float32 `(rows, *shape)`; targets as `target` says.

    Rows may come flattened or without axes of size one, as long as they hold the same number of values.

    >>> from nbdl.data.target import label_encoding
    >>> ArrayScaling((2, 2, 1), 0.5, label_encoding("ab")).transform(np.ones((3, 4), dtype=np.uint8)).shape
    (3, 2, 2, 1)
    """

    shape: tuple[int, ...]
    scale: float
    target: TargetEncoding

    def transform(self, rows: Table | NDArray[Any]) -> NDArray[np.float32]:
        """Scale and shape new rows, from an array or a table with a column for each value.

        Raises `DataError` when they hold another number of values each, or values that are missing or no numbers.
        """
        rows = self._values(rows) if isinstance(rows, Table) else np.asarray(rows)
        if rows.dtype.kind not in "fiub":
            raise DataError(f"rows have dtype {rows.dtype}; numbers are needed, {self.shape} a row.")
        values = math.prod(rows.shape[1:])
        if rows.ndim < 2 or values != math.prod(self.shape):
            raise DataError(f"rows of shape {rows.shape[1:]} hold {values} values each; this data set has rows of "
                            f"shape {self.shape}, {math.prod(self.shape)} values.")
        return (rows.reshape(len(rows), *self.shape) * np.float32(self.scale)).astype(np.float32, copy=False)

    def inverse(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return rows in the units of the file, such as pixels from 0 to 255."""
        return (x / np.float32(self.scale)).astype(np.float32, copy=False)

    def _values(self, table: Table) -> NDArray[np.float64]:
        names = [name for name in table.names if name not in self.target.names]
        values = np.stack([numbers(table, name) for name in names], axis=1)
        if np.isnan(values).any():
            row, column = np.argwhere(np.isnan(values))[0]
            raise DataError(f"{table.path}, line {table.lines[row]}: the value of {names[column]!r} is missing; "
                            "every value of an image is needed.")
        return values

    def targets(self, rows: Table | NDArray[Any]) -> NDArray[Any] | None:
        """Return encoded targets, or None when there is no target column."""
        known = isinstance(rows, Table) and set(self.target.names) <= set(rows.names)
        return self.target.encode(rows) if isinstance(rows, Table) and known else None

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return x and y of a CSV, NPZ or NPY file. Raises `DataError` when its rows don't fit."""
        return read_table_rows(path, self, self.target.names, with_targets=with_targets)

    def inverse_target(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return predictions in the units of the file."""
        return self.target.inverse(y)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values and arrays, for `from_state`."""
        target, arrays = self.target.to_state()
        return {"kind": "array", "shape": list(self.shape), "scale": self.scale, "target": target}, arrays

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "ArrayScaling":
        """Make again what `to_state` described."""
        return cls(tuple(values["shape"]), float(values["scale"]), TargetEncoding.from_state(values["target"], arrays))
