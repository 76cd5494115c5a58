"""Preprocessing of arrays that are numbers already, such as images: a shape for each row and one scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.errors import DataError


@dataclass(frozen=True)
class ArrayScaling:
    """x = scale · rows, as float32 `(rows, *shape)`; targets stay as they are.

    Rows may come flattened or without axes of size one, as long as they hold the same number of values.

    >>> ArrayScaling((2, 2, 1), 0.5).transform(np.ones((3, 4), dtype=np.uint8)).shape
    (3, 2, 2, 1)
    """

    shape: tuple[int, ...]
    scale: float = 1.0

    def transform(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Scale and shape new rows. Raises `DataError` when they hold another number of values each."""
        rows = np.asarray(rows)
        if rows.dtype.kind not in "fiub":
            raise DataError(f"rows have dtype {rows.dtype}; numbers are needed, {self.shape} a row.")
        values = math.prod(rows.shape[1:])
        if rows.ndim < 2 or values != math.prod(self.shape):
            raise DataError(f"rows of shape {rows.shape[1:]} hold {values} values each; this data set has rows of "
                            f"shape {self.shape}, {math.prod(self.shape)} values.")
        return (rows.reshape(len(rows), *self.shape) * np.float32(self.scale)).astype(np.float32, copy=False)

    def inverse_target(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return y: targets were not scaled."""
        return y

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values and (no) arrays, for `from_state`."""
        return {"kind": "array", "shape": list(self.shape), "scale": self.scale}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "ArrayScaling":
        """Make again what `to_state` described."""
        shape: Sequence[int] = values["shape"]
        return cls(tuple(int(size) for size in shape), float(values["scale"]))
