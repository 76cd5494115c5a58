"""Data that a network can be trained on: arrays, their names, and checks that catch bad data before training starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from nbdl.data.checks import (
    Array,
    Inputs,
    checked_inputs,
    checked_labels,
    checked_sequences,
    checked_values,
    class_names,
)
from nbdl.data.target import TargetEncoding
from nbdl.errors import DataError

Task = Literal["classification", "regression", "sequence"]
TASKS = ("classification", "regression", "sequence")
SPLITS = ("train", "validation", "test")


class Preprocessing(Protocol):
    """What was fitted to the training rows and has to be applied to new ones.

    There is one for each kind of data; `nbdl.data.rows.KINDS` lists them.
    """

    @property
    def target(self) -> TargetEncoding:
        """How labels or values became y, with `mean` and `scale` `(targets,)`; tokens are labels."""

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[Inputs, Array | None]:
        """Turn the rows of a file into what the network takes, and their targets, if they are wanted, into y."""

    def inverse_target(self, y: Array) -> Array:
        """Turn predictions of a regression back into the units of the file."""

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values (for TOML or JSON) and arrays (for safetensors) that make it again."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows with their targets.

    `x` is `(rows, ...)`, or a tuple `(values, lengths)` where rows are padded to one length; `y` is `(rows,)` class
    numbers, `(rows, targets)` values, or `(rows, time)` class numbers of the positions of a sequence.

    Raises `DataError` for row counts that differ and for no rows at all.

    >>> split = Split((np.zeros((3, 7, 2)), np.array([7, 4, 1])), np.zeros(3, dtype=np.int64))
    >>> len(split), split.values.shape, split.take([2, 0]).lengths.tolist()
    (3, (3, 7, 2), [1, 7])
    """

    x: Inputs
    y: Array

    def __post_init__(self) -> None:
        values, y = np.asarray(self.values), np.asarray(self.y)
        object.__setattr__(self, "x", values if self.lengths is None else (values, np.asarray(self.lengths)))
        object.__setattr__(self, "y", y)
        if values.ndim < 2:
            raise DataError(f"x has shape {values.shape}; it needs a row axis and at least one more: x.reshape(-1, 1) "
                            "turns a single feature into a column.")
        if y.ndim == 0 or len(values) != len(y):
            raise DataError(f"x has {len(values)} rows and y has {len(y) if y.ndim else 'none'}; "
                            "each row of x needs one target.")
        if values.size == 0:
            raise DataError(f"x is empty (shape {values.shape}); there has to be at least one row and one feature.")

    @property
    def values(self) -> Array:
        """x without the lengths of its rows."""
        return self.x[0] if isinstance(self.x, tuple) else self.x

    @property
    def lengths(self) -> Array | None:
        """How long each row is, `(rows,)`; None where all are as long as the array."""
        return self.x[1] if isinstance(self.x, tuple) else None

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All arrays that make it up."""
        return (*(self.x if isinstance(self.x, tuple) else (self.x,)), self.y)

    def take(self, rows: Any) -> "Split":
        """Return the rows with these numbers, in that order."""
        x = (self.x[0][rows], self.x[1][rows]) if isinstance(self.x, tuple) else self.x[rows]
        return Split(x, self.y[rows])

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test rows of one problem, checked when it is made.

    - `x` becomes float32 `(rows, ...)` (uint8 stays), the same shape of row in all splits, no NaN and no infinity; with
      `tokens`, the size of a vocabulary, int32 `(rows, time)`. Rows of different lengths are padded with zeros, and x
      is a tuple of them and their int64 lengths.
    - `y` becomes int64 class numbers `(rows,)` for `"classification"`, float32 `(rows, targets)` for `"regression"`,
      int64 class numbers `(rows, time)` for `"sequence"`, in which -1 says that there is nothing to predict.
    - `features`: names of the columns of a two-dimensional `x`, or of channels, or empty. `classes`: names by class
      number.
    - `preprocessing`: what was fitted to the training rows, or None if rows are used as they are.
    - `notes`: what a person should know, such as columns left out.
    - `epoch_rows`: how many training rows make an epoch, drawn anew for each; None takes all. For windows that overlap:
      there are as many as the text is long, and an epoch of all of them would read it many times.
    - `times`: of forecasts, when each target is, by part: `(rows, targets)` moments (datetime64), or numbers of rows.

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
    tokens: int | None = None
    epoch_rows: int | None = None
    times: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise DataError(f"task is {self.task!r}; it can be {', '.join(map(repr, TASKS[:-1]))} or {TASKS[-1]!r}.")
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "notes", tuple(self.notes))
        if self.task != "regression":
            object.__setattr__(self, "classes", class_names(self.classes, self.train.y))
        for part, split in self.splits().items():
            where = f"{self.name} ({part})"
            checked = Split(checked_inputs(split.x, self.features, self.tokens, where), self._targets(split.y, where))
            object.__setattr__(self, part, checked)  # the training part comes first
            if checked.values.shape[1:] != self.train.values.shape[1:]:
                raise DataError(f"{where}: a row has shape {checked.values.shape[1:]}, but the training rows have "
                                f"{self.train.values.shape[1:]}; all splits need the same features.")
            if (checked.lengths is None) != (self.train.lengths is None):
                raise DataError(f"{where}: all splits have lengths of rows, or none has.")
            if checked.y.shape[1:] != self.train.y.shape[1:]:
                raise DataError(f"{where}: there are {checked.y.shape[1]} targets a row, but {self.train.y.shape[1]} "
                                "in the training rows.")
        if self.epoch_rows is not None and self.epoch_rows < 1:
            raise DataError(f"an epoch of {self.name} has {self.epoch_rows} rows; it needs at least one.")

    def _targets(self, y: Array, where: str) -> Array:
        if self.classes is None:
            return checked_values(y, where)
        check = checked_sequences if self.task == "sequence" else checked_labels
        return check(y, self.classes, where)

    @property
    def outputs(self) -> int:
        """How many numbers a network has to predict for a row (or a position): classes, or target columns."""
        return len(self.classes) if self.classes else self.train.y.shape[1]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row of x."""
        return tuple(self.train.values.shape[1:])

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
            "dtype": self.train.values.dtype.name,
            "outputs": self.outputs,
            "features": list(self.features),
            "notes": list(self.notes),
        }
        if self.tokens is not None:
            facts["tokens"] = self.tokens
        if self.train.lengths is not None:
            facts["lengths"] = [int(self.train.lengths.min()), int(self.train.lengths.max())]
        if self.classes:
            facts["classes"] = list(self.classes)
        if self.task == "classification":
            counts = np.bincount(self.train.y, minlength=self.outputs)
            facts["train_rows_per_class"] = [int(count) for count in counts]
        return facts

