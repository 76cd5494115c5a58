"""New rows for a trained network: a file (or a folder of images) through the preprocessing of its run."""

from pathlib import Path
from typing import Any

import numpy as np

from nbdl.data import Split, read_rows
from nbdl.data.checks import Inputs
from nbdl.errors import DataError
from nbdl_cli.run_data import DataFacts


def read_new_rows(path: Path, facts: DataFacts) -> Split:
    """Return the rows of a file as the network takes them; a target, if there is one, is left aside (y is zeros).

    Raises:
        DataError: other columns or another shape than the training data had, text among numbers, no rows.
    """
    x, _ = read_rows(path, facts.preprocessing, with_targets=False)
    return checked_rows(x, None, facts, str(path))


def checked_rows(x: Inputs, y: np.ndarray[Any, Any] | None, facts: DataFacts, where: str) -> Split:
    """Return rows in the dtype that the network was trained on; y is zeros if there is none.

    Raises:
        DataError: no rows, values that aren't finite, or rows of another shape.
    """
    values = x[0] if isinstance(x, tuple) else x
    if len(values) == 0:
        raise DataError(f"{where} has no rows.")
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values.reshape(len(values), -1)))[0][0])
        raise DataError(f"{where}: row {row + 1} has a value that is NaN or infinite; fill it in or leave the row out.")
    values = values.astype(facts.dtype, copy=False)
    split = Split((values, x[1]) if isinstance(x, tuple) else values, np.zeros(len(values)) if y is None else y)
    facts.check_rows(split, where)
    return split
