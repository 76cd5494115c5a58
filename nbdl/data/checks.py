"""What the arrays of a data set must be: checked once, before training, in words that say which row is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.windows import elements
from nbdl.errors import DataError

Array = NDArray[Any]
Inputs = Array | tuple[Array, Array]
"""x of a data set: an array `(rows, ...)`, or `(values, lengths)` where the rows have lengths of their own."""

TOKENS = np.dtype(np.int32)
NOTHING = -1
"""The class number of a position of a sequence at which there is nothing to predict, such as padding."""


def checked_inputs(x: Inputs, features: Sequence[str], tokens: int | None, where: str) -> Inputs:
    """Return x as programs read it: numbers as float32 (uint8 stays), tokens as int32, lengths as int64.

    Raises `DataError` for what `checked_features`, `checked_tokens` and `checked_lengths` refuse.
    """
    values, lengths = x if isinstance(x, tuple) else (x, None)
    values = checked_features(values, features, where) if tokens is None else checked_tokens(values, tokens, where)
    return values if lengths is None else (values, checked_lengths(values, lengths, where))


def checked_features(x: Array, features: Sequence[str], where: str) -> Array:
    """Return x as float32 (uint8 stays), `(rows, ...)`; windows that overlap in memory stay as they are.

    Raises `DataError` if it holds no numbers or values that are not finite; `features` names columns in messages.
    """
    if x.dtype != np.uint8:
        if x.dtype.kind not in "fiub":
            raise DataError(f"{where}: x has dtype {x.dtype}; it has to hold numbers. Text columns are encoded when "
                            "the data are read from a CSV file (nbdl.data.load).")
        with np.errstate(over="ignore"):  # what overflows becomes infinite and is reported below
            x = np.asarray(x, dtype=np.float32)
        _refuse_non_finite(x, features, where)
    if features and x.ndim == 2 and len(features) != x.shape[1]:
        raise DataError(f"{where}: {len(features)} feature names for {x.shape[1]} columns.")
    return x


def checked_tokens(x: Array, tokens: int, where: str) -> Array:
    """Return x as int32 `(rows, time)`.

    Raises `DataError` if it holds anything but numbers from 0 to `tokens` - 1, or has other axes.
    """
    if x.dtype.kind not in "iu" or x.ndim != 2:
        raise DataError(f"{where}: x has dtype {x.dtype} and shape {x.shape}; tokens are whole numbers of shape "
                        "(rows, time).")
    low, high = _extremes(x)
    if low < 0 or high >= tokens:
        row, place = np.argwhere((x < 0) | (x >= tokens))[0]
        raise DataError(f"{where}: token {x[row, place]} in row {row + 1} at position {place + 1} is outside the "
                        f"vocabulary of {tokens}, whose numbers go from 0 to {tokens - 1}.")
    return np.asarray(x, dtype=TOKENS)


def checked_lengths(values: Array, lengths: Array, where: str) -> Array:
    """Return lengths as int64 `(rows,)`.

    Raises `DataError` unless each is from 1 to the size of the time axis, with zeros behind it.
    """
    if values.ndim < 2 or lengths.shape != values.shape[:1] or lengths.dtype.kind not in "iu":
        raise DataError(f"{where}: the lengths have dtype {lengths.dtype} and shape {lengths.shape}; there has to be "
                        f"a whole number for each of the {len(values)} sequences.")
    time = values.shape[1]
    wrong = np.flatnonzero((lengths < 1) | (lengths > time))
    if wrong.size:
        raise DataError(f"{where}: row {wrong[0] + 1} has the length {lengths[wrong[0]]}; lengths go from 1 to {time}, "
                        "the size of the time axis.")
    behind = np.arange(time) >= lengths[:, None]
    padded = (values.reshape(*values.shape[:2], -1) != 0).any(axis=2)
    rows = np.flatnonzero((padded & behind).any(axis=1))
    if rows.size:
        raise DataError(f"{where}: row {rows[0] + 1} has values behind its length of {lengths[rows[0]]}; rows are "
                        "padded with zeros.")
    return lengths.astype(np.int64)


def _extremes(rows: Array) -> tuple[Any, Any]:
    numbers = elements(rows)
    return numbers.min(), numbers.max()


def _refuse_non_finite(values: Array, names: Sequence[str], where: str) -> None:
    # The extremes say whether anything is wrong without an array of flags as large as the data.
    if np.isfinite(_extremes(values)).all():
        return
    bad = ~np.isfinite(values.reshape(len(values), -1))
    row = int(np.flatnonzero(bad.any(axis=1))[0])
    column = int(np.flatnonzero(bad[row])[0])
    name = repr(names[column]) if column < len(names) else f"column {column + 1}"
    kind = "NaN" if np.isnan(values.reshape(len(values), -1)[row, column]) else "infinite"
    raise DataError(f"{where}: {name} is {kind} in row {row + 1}; {int(bad[:, column].sum())} rows of that column and "
                    f"{int(bad.any(axis=0).sum())} columns are not finite in float32. Fill in or remove these rows; "
                    "in a CSV file, an empty cell is filled with the median of its column.")


def class_names(classes: Sequence[str] | None, labels: Array) -> tuple[str, ...]:
    """Return names as given, or the numbers up to the largest label. Raises `DataError` for less than two."""
    if classes is None:
        # Labels that are no numbers, or not finite, are refused later.
        largest = int(labels.max()) if labels.dtype.kind in "fiub" and np.isfinite(labels.max()) else 1
        classes = [str(number) for number in range(max(largest, 1) + 1)]
    if len(classes) < 2:
        raise DataError(f"there is one class only ({', '.join(map(str, classes))}); telling classes apart needs two.")
    return tuple(str(name) for name in classes)


def checked_labels(y: Array, classes: Sequence[str], where: str) -> Array:
    """Return class numbers as int64 `(rows,)`. Raises `DataError` for anything but numbers of classes."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{where}: labels have shape {y.shape}; they need one class number a row, shape ({len(y)},). "
                        "One-hot labels become numbers with y.argmax(axis=1).")
    if y.dtype.kind not in "fiub" or not np.array_equal(np.trunc(y), y):
        raise DataError(f"{where}: labels have dtype {y.dtype} and are not whole numbers; a classification needs class "
                        "numbers from 0. For values to predict use task='regression' (on the command line "
                        "--set data.task=regression).")
    wrong = np.flatnonzero((y < 0) | (y >= len(classes)))
    if wrong.size:
        raise DataError(f"{where}: label {y[wrong[0]]:g} in row {wrong[0] + 1} is outside the range 0 to "
                        f"{len(classes) - 1} of the {len(classes)} classes ({wrong.size} rows are).")
    return y.astype(np.int64)


def checked_sequences(y: Array, classes: Sequence[str], where: str) -> Array:
    """Return a class number for each position as int64 `(rows, time)`; `NOTHING` where there is none to predict.

    Raises `DataError` for other shapes and numbers, and for a row without anything to predict.
    """
    if y.ndim != 2 or y.dtype.kind not in "iu":
        raise DataError(f"{where}: targets have dtype {y.dtype} and shape {y.shape}; sequences need whole numbers of "
                        "shape (rows, time).")
    low, high = _extremes(y)
    if low < NOTHING or high >= len(classes):
        row, place = np.argwhere((y < NOTHING) | (y >= len(classes)))[0]
        raise DataError(f"{where}: class {y[row, place]} in row {row + 1} at position {place + 1} is outside the range "
                        f"0 to {len(classes) - 1} of the {len(classes)} classes; {NOTHING} means nothing to predict.")
    if low == NOTHING:
        empty = np.flatnonzero((y == NOTHING).all(axis=1))
        if empty.size:
            raise DataError(f"{where}: row {empty[0] + 1} has nothing to predict at any position.")
    return np.asarray(y, dtype=np.int64)


def checked_values(y: Array, where: str) -> Array:
    """Return targets of a regression as float32 `(rows, targets)`. Raises `DataError` if they aren't finite numbers."""
    if y.dtype.kind not in "fiub" or y.ndim > 2:
        raise DataError(f"{where}: targets have dtype {y.dtype} and shape {y.shape}; a regression needs numbers of "
                        "shape (rows,) or (rows, targets).")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float32)
    _refuse_non_finite(values, [f"target {number + 1}" for number in range(values.shape[1])], where)
    return values


def check_share(option: str, share: float, *, least: float | None = None) -> None:
    """Raise `DataError` unless an option is a share between 0 and 1, or as little as `least`."""
    if not 0 < share < 1 and share != least:
        given = "above 0" if least is None else f"of at least {least:g}"
        raise DataError(f"{option} is a share {given} and below 1, not {share}.")
