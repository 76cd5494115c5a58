"""Arrays as training takes them: rows first, checked, in a dtype that the program reads directly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from nbdl.errors import DataError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch as BatchSize
from nbdl.tensor import Tensor, as_array


@dataclass(frozen=True)
class Feed:
    """The rows that a program reads: inputs, and, if there are any, targets and weights of rows."""

    inputs: tuple[np.ndarray, ...]
    target: np.ndarray | None = None
    weight: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.inputs[0])

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by the names that programs know them by."""
        names = ["x"] if len(self.inputs) == 1 else [f"x{number}" for number in range(1, len(self.inputs) + 1)]
        named = dict(zip(names, self.inputs, strict=True))
        named |= {} if self.target is None else {"y": self.target}
        return named | ({} if self.weight is None else {"weight": self.weight})

    def leaves(self) -> dict[str, Node]:
        """A leaf with the batch axis for each array, by name."""
        return {
            name: ops.leaf((BatchSize(), *array.shape[1:]), array.dtype, name=name)
            for name, array in self.arrays().items()
        }

    def twins(self) -> dict[str, str]:
        """Arrays that are also another one, as the targets of an autoencoder are its inputs, and that other one."""
        found: dict[str, str] = {}
        seen: list[tuple[str, np.ndarray]] = []
        for name, array in self.arrays().items():
            same = [other for other, earlier in seen if earlier.__array_interface__ == array.__array_interface__]
            if same:
                found[name] = same[0]
            seen.append((name, array))
        return found

    def split(self, share: float) -> tuple[Feed, Feed]:
        """Cut off the last `share` of the rows. Raises `DataError` if one of the parts would be empty."""
        kept = self.rows - int(round(self.rows * share, 6))  # rounded first: 100 * 0.29 is a little less than 29
        if not 0 < kept < self.rows:
            raise DataError(
                f"a validation_split of {share} leaves {kept} of {self.rows} rows for training; it must leave some on "
                f"both sides"
            )
        return self._rows(slice(0, kept)), self._rows(slice(kept, None))

    def _rows(self, rows: slice) -> Feed:
        def cut(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[rows]

        return Feed(tuple(array[rows] for array in self.inputs), cut(self.target), cut(self.weight))

    def weighted(self, sample_weight: Any) -> Feed:
        """Give every row a weight. Raises `DataError` if they don't fit the rows."""
        if sample_weight is None:
            return self
        weight = _as_rows(sample_weight, "sample_weight").astype(np.float32)
        if weight.shape != (self.rows,):
            raise DataError(
                f"sample_weight needs one number for each of the {self.rows} rows, not the shape {weight.shape}"
            )
        _check_finite("sample_weight", weight)
        return replace(self, weight=np.ascontiguousarray(weight))

    def weighted_by_class(self, class_weight: Mapping[int, float] | None) -> Feed:
        """Multiply the weight of every row by that of its class. Raises `DataError` if the targets are no classes."""
        if class_weight is None:
            return self
        weight = self._class_weights(class_weight)
        return replace(self, weight=weight if self.weight is None else self.weight * weight)

    def _class_weights(self, class_weight: Mapping[int, float]) -> np.ndarray:
        if not isinstance(class_weight, Mapping):
            raise DataError(
                f"class_weight goes from class numbers to weights, such as {{0: 1.0, 1: 2.5}}, not {class_weight!r}"
            )
        numbers = self._class_numbers()
        table = np.ones(int(numbers.max(initial=0)) + 1, np.float32)
        for number, value in class_weight.items():
            if not isinstance(number, int | np.integer) or not isinstance(value, Real) or not np.isfinite(value):
                raise DataError(
                    f"class_weight goes from class numbers to finite weights, not from {number!r} to {value!r}"
                )
            if 0 <= number < len(table):  # a class that has no rows needs no weight
                table[number] = value
        return table[numbers]

    def _class_numbers(self) -> np.ndarray:
        """The targets as integers `(rows,)`: a column will do, and so will booleans, as for losses."""
        target = self.target
        if target is not None and target.dtype.kind in "iub" and target.shape in ((self.rows,), (self.rows, 1)):
            numbers = target.reshape(self.rows).astype(np.int64)
            if numbers.min(initial=0) >= 0:
                return numbers
        raise DataError("class_weight needs targets that are class numbers from 0, one for each row")


def make_feed(x: Any, y: Any = None, sample_weight: Any = None) -> Feed:
    """Check arrays and turn them into a feed.

    Args:
        x: an array `(rows, ...)`, or a tuple of arrays for a network with several inputs.
        y: targets: `(rows,)` or `(rows, ...)`; integers stay integers, other numbers become float32.
        sample_weight: a number for each row.

    Raises:
        DataError: there are no rows, the numbers of rows differ, a floating-point input is NaN or infinite, or weights
            that don't fit the rows.
    """
    inputs = tuple(_as_rows(each, "x") for each in (x if isinstance(x, tuple) else (x,)))
    if not inputs:
        raise DataError("x has no arrays: it is an empty tuple")
    same = y is x and not isinstance(x, tuple)
    target = None if y is None else inputs[0] if same else _as_rows(y, "y")
    for name, array in [("x", each) for each in inputs] + ([] if target is None or same else [("y", target)]):
        if len(array) != len(inputs[0]):
            is_list = isinstance(x, list) and all(hasattr(each, "shape") for each in x)
            hint = "; the arrays of several inputs are given as a tuple, not as a list" if is_list else ""
            raise DataError(
                f"x has {len(inputs[0])} rows, but {name} has {len(array)}; each row of x needs one of {name}{hint}"
            )
        _check_finite(name, array)
    if len(inputs[0]) == 0:
        raise DataError("x has no rows: it is empty")
    return Feed(inputs, target).weighted(sample_weight)


def _as_rows(data: Any, name: str) -> np.ndarray:
    try:
        array = data.numpy() if isinstance(data, Tensor) else np.asarray(data)
    except ValueError as error:
        raise DataError(f"{name} can't be made an array: {error}; all its rows need one length") from None
    if array.ndim == 0:
        raise ShapeError(f"{name} needs rows: an array of at least one axis, not a single number")
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{name} holds {array.dtype}, not numbers; encode text as numbers first (nbdl train does it for CSV files)"
        )
    if array.dtype.kind == "f" and array.dtype != np.float32:
        array = array.astype(np.float32)
    return as_array(array)


def _check_finite(name: str, array: np.ndarray) -> None:
    if array.dtype.kind != "f" or np.isfinite(array.sum(dtype=np.float64)):
        return
    wrong = ~np.isfinite(array)
    if wrong.any():
        place = tuple(int(each) for each in np.argwhere(wrong)[0])
        raise DataError(
            f"{name} has {int(wrong.sum())} values that are NaN or infinite, the first at {place}; "
            "remove or replace them"
        )


@dataclass(frozen=True)
class Batch:
    """What a traced step sees: tensors with the batch axis."""

    inputs: tuple[Tensor, ...]
    target: Tensor | None = None
    weight: Tensor | None = None

    @property
    def x(self) -> Tensor:
        """The (first) input."""
        return self.inputs[0]

    @property
    def y(self) -> Tensor:
        """The target. Raises `DataError` if there is none."""
        if self.target is None:
            raise DataError("this step needs targets: give y to fit or evaluate")
        return self.target


def batch_of(leaves: Mapping[str, Node]) -> Batch:
    """The batch made of a feed's leaves."""
    tensors: dict[str, Tensor] = {name: Tensor.wrap(node) for name, node in leaves.items()}
    target, weight = tensors.pop("y", None), tensors.pop("weight", None)
    return Batch(tuple(tensors.values()), target, weight)


