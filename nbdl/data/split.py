"""Cutting rows into training, validation and test parts, the same way every time for the same seed."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbdl.data.checks import Inputs
from nbdl.data.dataset import Split
from nbdl.errors import DataError


class Parts(NamedTuple):
    """Row numbers (or splits) of the three parts; an empty part is an empty array (or None)."""

    train: Any
    validation: Any
    test: Any


def split_rows(rows: int, *, test_fraction: float = 0.2, validation_fraction: float = 0.0, seed: int = 0,
               labels: NDArray[np.int64] | None = None) -> Parts:
    """Return the row numbers of the three parts, in random order.

    With `labels` (shape `(rows,)`) every part gets each class in about its overall share: rows are put in random
    order, the r-th of the n rows of a class gets the key (r + 1/2) / n, and the parts are cut from the rows sorted by
    key. A class with a single row goes to the training part as long as the other two together are below one half.

    Raises `DataError` when a fraction is out of range or no training row would be left.

    >>> [len(part) for part in split_rows(10, test_fraction=0.2, validation_fraction=0.1)]
    [7, 1, 2]
    """
    if not (0 <= test_fraction < 1 and 0 <= validation_fraction < 1 and test_fraction + validation_fraction < 1):
        raise DataError(f"test_fraction={test_fraction} and validation_fraction={validation_fraction} leave nothing "
                        "to train on; both are at least 0 and together below 1.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(rows)
    if labels is not None:
        order = order[np.argsort(_stratified_keys(np.asarray(labels)[order]), kind="stable")]
    tests, validations = (_part_size(rows, fraction) for fraction in (test_fraction, validation_fraction))
    if tests + validations >= rows:
        raise DataError(f"{rows} rows can't be cut into training, validation and test parts; "
                        "more rows are needed, or test_fraction=0.")
    test, validation, train = np.split(order, [tests, tests + validations])
    # Sorted by key, the rows of a part no longer come in random order, and a caller may cut off its tail.
    return Parts(rng.permutation(train), rng.permutation(validation), rng.permutation(test))


def split_by_seed(x: Inputs, y: NDArray[Any], *, test_fraction: float = 0.2, validation_fraction: float = 0.0,
                  seed: int = 0) -> Parts:
    """Cut arrays into three `Split`s (None for an empty part); integer `y` of shape `(rows,)` is stratified.

    >>> parts = split_by_seed(np.zeros((10, 3)), np.arange(10) % 2)
    >>> len(parts.train), parts.validation, parts.test.y.tolist().count(1)
    (8, None, 1)
    """
    everything = Split(x, y)
    labels = everything.y if everything.y.ndim == 1 and everything.y.dtype.kind in "iub" else None
    parts = split_rows(len(everything), test_fraction=test_fraction, validation_fraction=validation_fraction,
                       seed=seed, labels=labels)
    return Parts(*(everything.take(part) if len(part) else None for part in parts))


def _part_size(rows: int, fraction: float) -> int:
    """Rounded, but never nothing when something was asked for."""
    return max(1, round(rows * fraction)) if fraction else 0


def _stratified_keys(labels: NDArray[Any]) -> NDArray[np.float64]:
    """(rank among the rows of its class + 1/2) / (rows of its class), for each row."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(classes, kind="stable")
    starts = np.cumsum(counts) - counts
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[by_class] = np.arange(len(labels)) - np.repeat(starts, counts)
    return (ranks + 0.5) / counts[classes]
