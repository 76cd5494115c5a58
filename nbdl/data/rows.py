"""New rows for a network that is trained: preprocessing made again from its state, and applied to a file."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nbdl.data.arrays import ArrayScaling
from nbdl.data.checks import Array, Inputs
from nbdl.data.dataset import Preprocessing
from nbdl.data.images import ImageScaling
from nbdl.data.lines import LineTokens
from nbdl.data.pairs import PairTokens
from nbdl.data.preprocessing import TablePreprocessing
from nbdl.data.sequences import SequenceScaling
from nbdl.data.series import SeriesWindows
from nbdl.data.text import TextWindows
from nbdl.errors import DataError

KINDS: dict[str, Any] = {
    "table": TablePreprocessing,
    "array": ArrayScaling,
    "images": ImageScaling,
    "lines": LineTokens,
    "pairs": PairTokens,
    "sequences": SequenceScaling,
    "series": SeriesWindows,
    "text": TextWindows,
}


def preprocessing_from_state(values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Preprocessing:
    """Make the preprocessing again that `to_state` described. Raises `DataError` for a state that is damaged."""
    try:
        made: Preprocessing = KINDS[values["kind"]].from_state(values, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the saved preprocessing can't be read: {type(error).__name__} {error}. Train again, or "
                        "restore the run's folder.") from error
    return made


def read_rows(
    path: Path | str, preprocessing: Preprocessing, *, with_targets: bool = True
) -> tuple[Inputs, Array | None]:
    """Return x of the rows in a file, and their encoded targets, or None if it has none.

    Args:
        path: a file of the kind that the training data came from: CSV, NPZ or NPY for tables and arrays, `.ts`, a text,
            a folder of images, ...
        preprocessing: what was fitted to the training rows.
        with_targets: whether targets are wanted; if not, they may be absent or wrong.

    Raises `DataError` when the file doesn't have what the training data had.
    """
    return preprocessing.read(Path(path), with_targets=with_targets)
