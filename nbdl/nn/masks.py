"""Masks: tensors of booleans, True where there is something, or where something may be seen."""

from __future__ import annotations

import numpy as np

from nbdl import functions
from nbdl.errors import DtypeError, ShapeError
from nbdl.ir.shapes import Shape, Size, show_shape
from nbdl.tensor import Tensor, TensorLike

POSITIONS = np.dtype(np.int32)  # as wide as float32: compared and chosen in one go


def length_mask(lengths: TensorLike, time: int) -> Tensor:
    """Which positions of padded rows are there: `mask[i, t] = t < lengths[i]`, lengths `(n,)`, mask `(n, time)`.

    Raises:
        ShapeError: lengths that aren't one number for each row.
        DtypeError: lengths that aren't whole numbers.

    >>> length_mask([1, 3], 3).numpy().astype(int)
    array([[1, 0, 0],
           [1, 1, 1]])
    """
    tensor = functions.asarray(lengths)
    if tensor.ndim != 1:
        raise ShapeError(f"lengths are one number for each row, (n,), not {show_shape(tensor.shape)}")
    if tensor.dtype.kind not in "iu":
        raise DtypeError(f"lengths are whole numbers, not {tensor.dtype}")
    return functions.arange(time, dtype=POSITIONS) < functions.expand_dims(tensor.astype(POSITIONS), 1)


def causal_mask(queries: Size, keys: Size | None = None) -> Tensor:
    """What may be seen by those who know no future: `mask[i, j] = j <= i`, of shape `(queries, keys)`.

    >>> causal_mask(3).numpy().astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [1, 1, 1]])
    """
    columns = functions.arange(queries if keys is None else keys, dtype=POSITIONS)
    return columns <= functions.expand_dims(functions.arange(queries, dtype=POSITIONS), 1)


def attention_mask(mask: TensorLike, scores: Shape) -> Tensor:
    """Bring a mask to scores `(n, heads, queries, keys)`.

    It is `(n, keys)`, the keys that are there; `(n, queries, keys)`, pairs that may see each other; or has four axes.
    Sizes of 1 stand for all.

    Raises:
        DtypeError: a mask that isn't of booleans.
        ShapeError: a mask that doesn't fit.
    """
    given = functions.asarray(mask)
    if given.dtype.kind != "b":
        raise DtypeError(f"a mask is of booleans, True where there is something, not of {given.dtype}")
    n, _, queries, keys = scores
    tensor = given
    if given.ndim == 2:
        tensor = functions.reshape(given, (given.shape[0], 1, 1, given.shape[1]))
    elif given.ndim == 3:
        tensor = functions.expand_dims(given, 1)
    if tensor.ndim != 4 or any(size not in (1, whole) for size, whole in zip(tensor.shape, scores, strict=True)):
        raise ShapeError(
            f"the mask has the shape {show_shape(given.shape)}; here it must be {show_shape((n, keys))} for the keys "
            f"of each row, or {show_shape((n, queries, keys))} for pairs of queries and keys"
        )
    return tensor
