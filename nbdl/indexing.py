"""`tensor[...]`: what NumPy's basic indexing, and indexing by one integer tensor, mean in primitives."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, show_shape


def index(x: Node, key: Any) -> Node:
    """Return `x[key]` for integers, slices, `...`, None, or one integer tensor (rows of the first axis).

    Raises `ShapeError` for anything else, or an index out of range.
    """
    if not isinstance(key, tuple):
        rows = _as_indices(key)
        if rows is not None:
            return ops.gather(x, rows)
        key = (key,)
    shape_axes = _expand_ellipsis(x, key)
    shape: list[Any] = []
    axis = 0
    for part in shape_axes:
        if part is None:
            shape.append(1)
            continue
        size = x.shape[axis]
        if isinstance(part, slice):
            x = _take_slice(x, axis, part)
            shape.append(x.shape[axis])
        elif isinstance(part, int | np.integer) and not isinstance(part, bool):
            if isinstance(size, Batch):
                raise ShapeError("one row of the batch can't be picked: a program must work for every batch size")
            if not -size <= part < size:
                raise ShapeError(f"index {part} is out of range for axis {axis} of {show_shape(x.shape)}")
            x = ops.slice_axis(x, axis, int(part) % size, 1)
        else:
            raise ShapeError(f"can't index with {part!r}: use integers, slices, ..., None, or one integer tensor")
        axis += 1
    return ops.reshape(x, tuple(shape))


def _as_indices(key: Any) -> Node | None:
    node = getattr(key, "node", None)
    if isinstance(node, Node):
        return node
    if isinstance(key, list | np.ndarray):
        array = np.asarray(key)
        whole = array.dtype.kind == "i" or not array.size  # an empty list has no dtype of its own
        return ops.value(array.astype(np.int64) if whole else array)
    return None


def _expand_ellipsis(x: Node, key: tuple[Any, ...]) -> list[Any]:
    used = sum(part is not None and part is not Ellipsis for part in key)
    missing = len(x.shape) - used
    if missing < 0:
        raise ShapeError(f"{used} indices are too many for {show_shape(x.shape)}")
    parts = list(key)
    places = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(places) > 1:
        raise ShapeError("only one ... can stand in an index")
    place = places[0] if places else len(parts)
    return parts[:place] + [slice(None)] * missing + parts[place + 1 :]


def _take_slice(x: Node, axis: int, part: slice) -> Node:
    size = x.shape[axis]
    if isinstance(size, Batch):
        if part != slice(None):
            raise ShapeError("the batch axis can't be sliced: a program must work for every batch size")
        return x
    if part.step == 0:
        raise ShapeError("a slice can't have the step 0")
    start, stop, step = part.indices(size)
    return ops.slice_axis(x, axis, start, len(range(start, stop, step)), step)
