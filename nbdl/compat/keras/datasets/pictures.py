"""Pictures of nbdl's data sets as Keras hands them over: uint8, without an axis for the channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.data import load
from nbdl.data.arrays import ArrayScaling

Part = tuple[np.ndarray, np.ndarray]


def load_parts(name: str) -> tuple[Part, Part]:
    """((x_train, y_train), (x_test, y_test)) with x `(rows, height, width)` and y `(rows,)`, all uint8.

    Files are found as for `nbdl.data.load`: in the folder that NBDL_DATA names, or downloaded.
    """
    data = load(name)
    assert data.test is not None  # these data sets come with one
    assert isinstance(data.preprocessing, ArrayScaling)
    scale = data.preprocessing.scale
    return _part(data.train, scale), _part(data.test, scale)


def _part(split: Any, scale: float) -> Part:
    return np.rint(split.x[..., 0] / np.float32(scale)).astype(np.uint8), split.y.astype(np.uint8)
