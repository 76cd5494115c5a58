"""From an NPZ file to a data set."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.arrays import ArrayScaling
from nbdl.data.checks import checked_features
from nbdl.data.dataset import Dataset, Split
from nbdl.data.files import find_file
from nbdl.data.npz_file import read_npz
from nbdl.data.split import Parts
from nbdl.data.table import Table, number_names, target_table
from nbdl.data.table_dataset import TaskOption, find_target_classes, split_table, table_dataset
from nbdl.data.target import fit_target
from nbdl.errors import DataError

PARTS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
PIXELS = 255

Pair = tuple[NDArray[Any], NDArray[Any]]


def load_npz(
    path: Path,
    *,
    target: str | None = None,
    task: TaskOption = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    data_dir: Path | None = None,
    seed: int = 0,
) -> Dataset:
    """Make a data set of an NPZ file with arrays `x`, `y`, or `x_train`, `y_train`, `x_test`, `y_test` (and `x_val`).

    A two-dimensional x is standardised column by column; images and other arrays keep their shape, uint8 becoming
    float32 in [0, 1]. y may hold labels (numbers or text) or values, `(rows,)` or `(rows, targets)`.

    Args:
        path: the file, also looked for below `data_dir` and `NBDL_DATA`.
        target: the array to predict, if it isn't called y.
        task: classification or regression; found out if not given.
        test_fraction: share of the rows for testing, if the file has no test arrays.
        validation_fraction: share of the rows for validation, if the file has no validation arrays.
        data_dir: folder to look for files in.
        seed: which rows go where.

    Raises:
        DataError: no such array, NaN among the numbers, rows that don't match, ...
    """
    found = find_file(path, data_dir)
    pairs = find_pairs(read_npz(found), found, target)
    options: dict[str, Any] = {"task": task, "test_fraction": test_fraction,
                               "validation_fraction": validation_fraction, "seed": seed}
    for part, (x, y) in pairs.items():
        _check_pair(x, y, f"{found} ({part})")
    name = found.stem
    if pairs["train"][0].ndim == 2:
        tables = {part: _joined(x, y, found) for part, (x, y) in pairs.items()}
        targets = tables["train"].names[pairs["train"][0].shape[1]:]
        return table_dataset(name, tables["train"], targets, validation=tables.get("validation"),
                             test=tables.get("test"), **options)
    return _array_dataset(name, pairs, found, **options)


def find_pairs(arrays: dict[str, NDArray[Any]], path: Path, target: str | None = None) -> dict[str, Pair]:
    """Return (x, y) for each part that the file has; x and y without a suffix are the training part.

    Raises `DataError`, listing the arrays, when there is no pair to train on.
    """
    lower = {name.lower(): name for name in arrays}
    if target is not None:
        return {"train": (_only_other(arrays, target, path), arrays[target])}
    pairs = {}
    for part, suffixes in PARTS.items():
        endings = [f"_{suffix}" for suffix in suffixes] + ([""] if part == "train" else [])
        for ending in endings:
            if part not in pairs and f"x{ending}" in lower and f"y{ending}" in lower:
                pairs[part] = arrays[lower[f"x{ending}"]], arrays[lower[f"y{ending}"]]
    if "train" not in pairs:
        raise DataError(f"{path} has {_listing(arrays)}; x and y, or x_train and y_train (with x_test and y_test) are "
                        "looked for. Say target=NAME (on the command line --target NAME) if y has another name.")
    return pairs


def _only_other(arrays: dict[str, NDArray[Any]], target: str, path: Path) -> NDArray[Any]:
    if target not in arrays:
        raise DataError(f"{path} has no array {target!r}; it has {_listing(arrays)}.")
    others = [name for name in arrays if name != target]
    features = [name for name in others if name.lower() == "x"] or others
    if len(features) != 1:
        raise DataError(f"{path}: which array holds the features? It has {_listing(arrays)}; call it x.")
    return arrays[features[0]]


def _listing(arrays: dict[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items())


def _check_pair(x: NDArray[Any], y: NDArray[Any], where: str) -> None:
    """Arrays have no word for "missing": a NaN in them is refused, where an empty cell of a CSV file is filled."""
    if y.ndim == 0 or y.ndim > 2:
        raise DataError(f"{where}: y has shape {y.shape}; (rows,) or (rows, targets) can be predicted.")
    if y.dtype.kind not in "fiubU":
        raise DataError(f"{where}: y has dtype {y.dtype}; numbers or text can be labels.")
    checked_features(Split(x, y).values, (), where)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.argwhere(~np.isfinite(y))[0][0])
        raise DataError(f"{where}: y is {y[row]} in row {row + 1}; every row needs a target.")


def _joined(x: NDArray[Any], y: NDArray[Any], path: Path) -> Table:
    targets = target_table(y, str(path))
    return Table(str(path), (*number_names(x.shape[1]), *targets.names), (*x.T, *targets.columns), targets.lines,
                 header=False)


def _array_dataset(name: str, pairs: dict[str, Pair], path: Path, *, task: TaskOption, test_fraction: float,
                   validation_fraction: float, seed: int) -> Dataset:
    """Images and the like: shape kept, one scale, the target encoded as in a table."""
    x, y = pairs["train"]
    table = target_table(y, str(path))
    classes = find_target_classes(table, table.names, task)
    rows = Table(table.path, (*table.names, "row"), (*table.columns, np.arange(len(x))), table.lines)
    parts = split_table(rows, table.names, classes, 0.0 if "test" in pairs else test_fraction,
                        0.0 if "validation" in pairs else validation_fraction, seed)
    encoding = fit_target(parts.train, table.names, classes)
    scaling = ArrayScaling(x.shape[1:], 1 / PIXELS if x.dtype == np.uint8 else 1.0, encoding)
    splits = {part: Split(scaling.transform(x[rows.column("row")]), encoding.encode(rows))
              for part, rows in zip(Parts._fields, parts, strict=True) if rows}
    splits |= {part: Split(scaling.transform(x), encoding.encode(target_table(y, str(path))))
               for part, (x, y) in pairs.items() if part != "train"}
    return Dataset(name, encoding.task, splits["train"], splits.get("validation"), splits.get("test"),
                   classes=classes, preprocessing=scaling)
