"""Data that a network can be trained on: arrays, their names, and checks that catch bad data before training starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nbdl.data.table import Table
from nbdl.data.target import TargetEncoding, Task
from nbdl.errors import DataError

Array = NDArray[Any]
SPLITS = ("train", "validation", "test")


class Preprocessing(Protocol):
    """What was fitted to the training rows and has to be applied to new ones.

    `nbdl.data.preprocessing.TablePreprocessing` and `nbdl.data.arrays.ArrayScaling` are the two that exist.
    """

    @property
    def target(self) -> TargetEncoding:
        """How labels or values became y, with `mean` and `scale` `(targets,)`."""

    def transform(self, rows: Table | Array) -> NDArray[np.float32]:
        """Turn raw rows into what the network takes: `(rows, ...)`."""

    def targets(self, rows: Table | Array) -> Array | None:
        """Turn the target columns of raw rows into y; None if there are none."""

    def inverse_target(self, y: Array) -> Array:
        """Turn predictions of a regression back into the units of the file."""

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values (for TOML or JSON) and arrays (for safetensors) that make it again."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows with their targets: `x` is `(rows, ...)`, `y` is `(rows,)` class numbers or `(rows, targets)` values.

    Raises `DataError` for row counts that differ and for no rows at all.

    >>> len(Split(np.zeros((3, 2)), np.zeros(3, dtype=np.int64)))
    3
    """

    x: Array
    y: Array

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        if x.ndim < 2:
            raise DataError(f"x has shape {x.shape}; it needs a row axis and at least one more: x.reshape(-1, 1) "
                            "turns a single feature into a column.")
        if y.ndim == 0 or len(x) != len(y):
            raise DataError(f"x has {len(x)} rows and y has {len(y) if y.ndim else 'none'}; "
                            "each row of x needs one target.")
        if x.size == 0:
            raise DataError(f"x is empty (shape {x.shape}); there has to be at least one row and one feature.")

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test rows of one problem, checked when it is made.

    - `x` becomes float32 `(rows, ...)` (uint8 stays), the same shape of row in all splits, no NaN and no infinity.
    - `y` becomes int64 class numbers `(rows,)` for `"classification"`, float32 `(rows, targets)` for `"regression"`.
    - `features`: names of the columns of a two-dimensional `x`, or empty. `classes`: names by class number.
    - `preprocessing`: what was fitted to the training rows, or None if rows are used as they are.
    - `notes`: what a person should know, such as columns left out.

    Raises `DataError` when anything of this does not hold.

    >>> data = Dataset("xor", "classification", Split([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]))
    >>> data.outputs, data.train.x.dtype.name
    (2, 'float32')
    """

    name: str
    task: Task
    train: Split
    validation: Split | None = None
    test: Split | None = None
    features: Sequence[str] = ()
    classes: Sequence[str] | None = None
    preprocessing: Preprocessing | None = None
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.task not in ("classification", "regression"):
            raise DataError(f"task is {self.task!r}; it can be 'classification' or 'regression'.")
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "notes", tuple(self.notes))
        if self.task == "classification":
            object.__setattr__(self, "classes", _class_names(self.classes, self.train.y))
        for part, split in self.splits().items():
            where = f"{self.name} ({part})"
            x = checked_features(split.x, self.features, where)
            y = _checked_labels(split.y, self.classes, where) if self.classes else _checked_values(split.y, where)
            object.__setattr__(self, part, Split(x, y))  # the training part comes first
            if x.shape[1:] != self.train.x.shape[1:]:
                raise DataError(f"{where}: a row has shape {x.shape[1:]}, but the training rows have "
                                f"{self.train.x.shape[1:]}; all splits need the same features.")
            if y.shape[1:] != self.train.y.shape[1:]:
                raise DataError(f"{where}: there are {y.shape[1]} targets a row, but {self.outputs} in the training "
                                "rows.")

    @property
    def outputs(self) -> int:
        """How many numbers a network has to predict for a row: classes, or target columns."""
        return len(self.classes) if self.classes else self.train.y.shape[1]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row of x."""
        return tuple(self.train.x.shape[1:])

    def splits(self) -> dict[str, Split]:
        """Return the splits that exist, by name, training first."""
        parts = {part: getattr(self, part) for part in SPLITS}
        return {part: split for part, split in parts.items() if split is not None}

    def inverse_target(self, y: Array) -> Array:
        """Turn targets or predictions of a regression back into original units (unchanged if never scaled)."""
        return y if self.preprocessing is None else self.preprocessing.inverse_target(y)

    def describe(self) -> dict[str, Any]:
        """Return what a person asks first, as plain values for TOML, JSON or a table."""
        facts: dict[str, Any] = {
            "name": self.name,
            "task": self.task,
            "rows": {part: len(split) for part, split in self.splits().items()},
            "input_shape": list(self.input_shape),
            "dtype": self.train.x.dtype.name,
            "outputs": self.outputs,
            "features": list(self.features),
            "notes": list(self.notes),
        }
        if self.classes:
            counts = np.bincount(self.train.y, minlength=self.outputs)
            facts["classes"] = list(self.classes)
            facts["train_rows_per_class"] = [int(count) for count in counts]
        return facts


def _class_names(classes: Sequence[str] | None, labels: Array) -> tuple[str, ...]:
    """Names as given, or the numbers up to the largest label."""
    if classes is None:
        # Labels that are no numbers, or not finite, are refused later.
        largest = int(labels.max()) if labels.dtype.kind in "fiub" and np.isfinite(labels.max()) else 1
        classes = [str(number) for number in range(max(largest, 1) + 1)]
    if len(classes) < 2:
        raise DataError(f"there is one class only ({', '.join(map(str, classes))}); telling classes apart needs two.")
    return tuple(str(name) for name in classes)


def checked_features(x: Array, features: Sequence[str], where: str) -> Array:
    """Return x as float32 (uint8 stays), `(rows, ...)`.

    Raises `DataError` if it holds no numbers or values that are not finite; `features` names columns in messages.
    """
    if x.dtype != np.uint8:
        if x.dtype.kind not in "fiub":
            raise DataError(f"{where}: x has dtype {x.dtype}; it has to hold numbers. Text columns are encoded when "
                            "the data are read from a CSV file (nbdl.data.load).")
        with np.errstate(over="ignore"):  # what overflows becomes infinite and is reported below
            x = np.ascontiguousarray(x, dtype=np.float32)
        _refuse_non_finite(x, features, where)
    if features and x.ndim == 2 and len(features) != x.shape[1]:
        raise DataError(f"{where}: {len(features)} feature names for {x.shape[1]} columns.")
    return x


def _refuse_non_finite(values: Array, names: Sequence[str], where: str) -> None:
    # The extremes say whether anything is wrong without an array of flags as large as the data.
    if np.isfinite(values.min()) and np.isfinite(values.max()):
        return
    bad = ~np.isfinite(values.reshape(len(values), -1))
    row = int(np.flatnonzero(bad.any(axis=1))[0])
    column = int(np.flatnonzero(bad[row])[0])
    name = repr(names[column]) if column < len(names) else f"column {column + 1}"
    kind = "NaN" if np.isnan(values.reshape(len(values), -1)[row, column]) else "infinite"
    raise DataError(f"{where}: {name} is {kind} in row {row + 1}; {int(bad[:, column].sum())} rows of that column and "
                    f"{int(bad.any(axis=0).sum())} columns are not finite in float32. Fill in or remove these rows; "
                    "in a CSV file, an empty cell is filled with the median of its column.")


def _checked_labels(y: Array, classes: Sequence[str], where: str) -> Array:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{where}: labels have shape {y.shape}; they need one class number a row, shape ({len(y)},). "
                        "One-hot labels become numbers with y.argmax(axis=1).")
    if y.dtype.kind not in "fiub" or not np.array_equal(np.trunc(y), y):
        raise DataError(f"{where}: labels have dtype {y.dtype} and are not whole numbers; a classification needs class "
                        "numbers from 0. For values to predict use task='regression'.")
    wrong = np.flatnonzero((y < 0) | (y >= len(classes)))
    if wrong.size:
        raise DataError(f"{where}: label {y[wrong[0]]:g} in row {wrong[0] + 1} is outside the range 0 to "
                        f"{len(classes) - 1} of the {len(classes)} classes ({wrong.size} rows are).")
    return y.astype(np.int64)


def _checked_values(y: Array, where: str) -> Array:
    if y.dtype.kind not in "fiub" or y.ndim > 2:
        raise DataError(f"{where}: targets have dtype {y.dtype} and shape {y.shape}; a regression needs numbers of "
                        "shape (rows,) or (rows, targets).")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float32)
    _refuse_non_finite(values, [f"target {number + 1}" for number in range(values.shape[1])], where)
    return values
