"""New rows for a trained network: a CSV, NPZ or NPY file through the preprocessing of its run."""

from pathlib import Path
from typing import Any

import numpy as np

from nbdl.data import Split, read_rows
from nbdl.errors import DataError
from nbdl_cli.run_data import DataFacts


def read_new_rows(path: Path, facts: DataFacts) -> np.ndarray[Any, Any]:
    """Return the rows of a file as the network takes them; a target column, if there is one, is left aside.

    Raises:
        DataError: other columns or another shape than the training data had, text among numbers, no rows.
    """
    if path.suffix.lower() == ".npy":
        x = facts.preprocessing.transform(_read_npy(path))
    else:
        x = read_rows(path, facts.preprocessing, with_targets=False)[0]
    if len(x) == 0:
        raise DataError(f"{path} has no rows.")
    if not np.isfinite(x).all():
        row = int(np.argwhere(~np.isfinite(x.reshape(len(x), -1)))[0][0])
        raise DataError(f"{path}: row {row + 1} has a value that is NaN or infinite; fill it in or leave the row out.")
    facts.check_rows(Split(x, np.zeros(len(x))), str(path))
    return x.astype(facts.dtype, copy=False)


def _read_npy(path: Path) -> np.ndarray[Any, Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} can't be read as an NPY file: {error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds several arrays; name it .npz")
    return array
