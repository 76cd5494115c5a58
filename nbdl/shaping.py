"""Functions that give elements other places: other shapes, other orders, several tensors in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbdl.creation import arange, asarray
from nbdl.elementwise import where
from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import (
    Axis,
    Batch,
    Shape,
    Size,
    broadcast,
    has_batch,
    normalize_axes,
    one_axis,
    product,
    show_shape,
    sizes_of,
)
from nbdl.tensor import Tensor, TensorLike, node_of

_wrap = Tensor.wrap


def reshape(x: TensorLike, shape: Sequence[Any]) -> Tensor:
    """The same elements in another shape; one size may be -1."""
    return _wrap(ops.reshape(node_of(x), tuple(shape)))


def permute_dims(x: TensorLike, axes: Sequence[int] | None = None) -> Tensor:
    """Permute the axes; in the reverse order if none is given."""
    return _wrap(ops.transpose(node_of(x), axes))


def matrix_transpose(x: TensorLike) -> Tensor:
    """Swap the last two axes."""
    node = node_of(x)
    if len(node.shape) < 2:
        raise ShapeError(f"a matrix has two axes, and {show_shape(node.shape)} has {len(node.shape)}")
    return _wrap(ops.swap_last(node))


def moveaxis(x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Move axes to other places; the others keep their order. Raises `ShapeError` if they aren't as many."""
    node = node_of(x)
    rank = len(node.shape)
    old, new = ([one_axis(axis, rank) for axis in np.atleast_1d(each)] for each in (source, destination))
    if len(old) != len(new):
        raise ShapeError(f"moveaxis takes as many sources as destinations, not {source} and {destination}")
    order = [axis for axis in range(rank) if axis not in old]
    for to, axis in sorted(zip(new, old, strict=True)):
        order.insert(to, axis)
    return _wrap(ops.transpose(node, order))


def expand_dims(x: TensorLike, axis: int) -> Tensor:
    """Insert an axis of size 1."""
    node = node_of(x)
    place = one_axis(axis, len(node.shape) + 1)
    return _wrap(ops.reshape(node, (*node.shape[:place], 1, *node.shape[place:])))


def squeeze(x: TensorLike, axis: Axis = None) -> Tensor:
    """Remove axes of size 1. Raises `ShapeError` if a named axis is longer."""
    node = node_of(x)
    axes = (
        [each for each, size in enumerate(node.shape) if size == 1]
        if axis is None
        else normalize_axes(axis, len(node.shape))
    )
    if any(node.shape[each] != 1 for each in axes):
        raise ShapeError(f"can't squeeze axis {axis} of {show_shape(node.shape)}: its size isn't 1")
    return _wrap(ops.reshape(node, tuple(size for each, size in enumerate(node.shape) if each not in axes)))


def broadcast_to(x: TensorLike, shape: Sequence[Size]) -> Tensor:
    """Repeat along axes of size 1 and new leading axes."""
    return _wrap(ops.broadcast_to(node_of(x), tuple(shape)))


def broadcast_arrays(*tensors: TensorLike) -> list[Tensor]:
    """All in the shape that they have together."""
    nodes = [node_of(each) for each in tensors]
    shape = broadcast(*[each.shape for each in nodes]) if nodes else ()
    return [_wrap(ops.broadcast_to(each, shape)) for each in nodes]


def concat(tensors: Sequence[TensorLike], axis: int | None = 0) -> Tensor:
    """Join along an existing axis; or all elements in a row, if it is None."""
    if not len(tensors):
        raise ShapeError("there are no tensors to join")
    if axis is None:
        return concat([reshape(each, (-1,)) for each in tensors])
    nodes = ops.promote(*[node_of(each) for each in tensors])
    return _wrap(ops.concatenate(nodes, one_axis(axis, len(nodes[0].shape))))


def stack(tensors: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join along a new axis."""
    return concat([expand_dims(each, axis) for each in tensors], axis)


def unstack(x: TensorLike, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of a tensor along an axis, without that axis."""
    size = known_size(asarray(x), axis)
    return tuple(squeeze(each, axis) for each in split(x, size, axis)) if size else ()


def split(x: TensorLike, parts: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """So many parts of one size along an axis; or parts that end where the next index says, as NumPy's.

    Raises `ShapeError` if the axis doesn't divide by their number, or is the batch axis of a program.

    >>> import nbdl
    >>> [each.tolist() for each in nbdl.split([1, 2, 3, 4], [1, 3])]
    [[1], [2, 3], [4]]
    """
    node = node_of(x)
    place = one_axis(axis, len(node.shape))
    size = known_size(asarray(x), axis)
    if isinstance(parts, int | np.integer):
        if parts < 1 or size % parts:
            raise ShapeError(f"{size} elements along axis {axis} can't be split into {parts} parts of one size")
        parts = [size // int(parts) * each for each in range(1, int(parts))]
    ends = [slice(0, each).indices(size)[1] for each in parts]
    pieces = zip([0, *ends], [*ends, size], strict=True)
    return tuple(_wrap(ops.slice_axis(node, place, start, max(0, end - start))) for start, end in pieces)


def known_size(x: Tensor, axis: int) -> int:
    """The size of an axis that must not be the batch axis of a program: `ShapeError`."""
    size = x.shape[one_axis(axis, x.ndim)]
    if isinstance(size, Batch):
        raise ShapeError("this can't go along the batch axis: a program must work for every batch size")
    return size


def flip(x: TensorLike, axis: Axis = None) -> Tensor:
    """Elements along axes in the reverse order. Raises `ShapeError` for the batch axis of a program."""
    node = node_of(x)
    for each in normalize_axes(axis, len(node.shape)):
        size = known_size(_wrap(node), each)
        node = ops.slice_axis(node, each, size - 1, size, -1) if size > 1 else node
    return _wrap(node)


def roll(x: TensorLike, shift: int | Sequence[int], axis: Axis = None) -> Tensor:
    """Elements moved on along axes, those that leave the end come in at the beginning; without an axis, all in a row.

    Raises `ShapeError` for the batch axis of a program, or if there are not as many shifts as axes.
    """
    given = asarray(x)
    if axis is None:
        return reshape(roll(reshape(given, (-1,)), shift, 0), given.shape)
    axes, shifts = np.atleast_1d(axis).tolist(), np.atleast_1d(shift).tolist()
    if len(axes) != len(shifts) and 1 not in (len(axes), len(shifts)):
        raise ShapeError(f"there are {len(shifts)} shifts for {len(axes)} axes")
    for place, by in np.broadcast(axes, shifts):
        size = known_size(given, place)
        if size and by % size:
            given = concat(split(given, [size - by % size], place)[::-1], place)
    return given


def repeat(x: TensorLike, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
    """Each element so many times in succession along an axis; without an axis, all in a row.

    `repeats` may hold a number for each element; `ShapeError` if they aren't as many.
    """
    given = asarray(x)
    if axis is None:
        return repeat(reshape(given, (-1,)), repeats, 0)
    place = one_axis(axis, given.ndim)
    times = sizes_of(repeats)
    if len(times) != 1:
        size = known_size(given, place)
        if len(times) != size:
            raise ShapeError(f"{size} elements along axis {axis} are repeated by as many numbers, not {len(times)}")
        return take(given, np.repeat(np.arange(size), np.asarray(times, np.int64)), place)
    before, along, after = given.shape[:place], given.shape[place], given.shape[place + 1 :]
    wide = broadcast_to(reshape(given, (*before, along, 1, *after)), (*before, along, *times, *after))
    return reshape(wide, (*before, product((along, *times)), *after))


def tile(x: TensorLike, repetitions: int | Sequence[int]) -> Tensor:
    """The whole tensor so many times along each axis, the last number being for the last axis."""
    node = node_of(x)
    times = sizes_of(repetitions)
    rank = max(len(times), len(node.shape))
    shape: Shape = (*[1] * (rank - len(node.shape)), *node.shape)
    times = (*[1] * (rank - len(times)), *times)
    thin = ops.reshape(node, tuple(size for each in shape for size in (1, each)))
    wide = ops.broadcast_to(thin, tuple(size for pair in zip(times, shape, strict=True) for size in pair))
    return _wrap(ops.reshape(wide, tuple(map(product, zip(times, shape, strict=True)))))


def take(x: TensorLike, indices: TensorLike, axis: int = 0) -> Tensor:
    """The elements along an axis that indices name: the axis gives way to the axes of the indices.

    In compiled code an element that isn't there is NaN (0 if whole).
    """
    given, chosen = asarray(x), asarray(indices)
    place = one_axis(axis, given.ndim)
    taken = _wrap(ops.gather(moveaxis(given, place, 0).node, chosen.node))
    return moveaxis(taken, list(range(chosen.ndim)), list(range(place, place + chosen.ndim)))


def take_along_axis(x: TensorLike, indices: TensorLike, axis: int = -1) -> Tensor:
    """For each index the element of its own row along an axis: y[i, j] = x[i, indices[i, j]].

    The other axes of both are equal, or broadcast. In compiled code an element that isn't there is NaN (0 if whole, or
    if another axis is the batch axis).

    Raises `ShapeError` if one has more axes than the other.
    """
    given, chosen = asarray(x), asarray(indices)
    if given.ndim != chosen.ndim:
        raise ShapeError(f"take_along_axis of {show_shape(given.shape)} takes as many axes, not {chosen.ndim}")
    place = one_axis(axis, given.ndim)
    shape = list(broadcast(*[(*each.shape[:place], 1, *each.shape[place + 1 :]) for each in (given, chosen)]))
    shape[place] = given.shape[place]
    if has_batch(tuple(shape)):
        return _picked(moveaxis(given, place, -1), moveaxis(chosen, place, -1), place)
    flat = asarray(0)
    for each, size in enumerate(shape):
        along: list[Size] = [1] * len(shape)
        along[each] = size
        flat = flat * size + (chosen if each == place else reshape(arange(size), along))
    flat = where((chosen < 0) | (chosen >= shape[place]), -1, flat)  # or it would be an element of another row
    return _wrap(ops.gather(ops.reshape(ops.broadcast_to(given.node, tuple(shape)), (-1,)), flat.node))


def _picked(x: Tensor, indices: Tensor, place: int) -> Tensor:
    """Elements of the last axis as sums of which all but one term is 0: rows stay with their worker."""
    is_chosen = expand_dims(indices, -1) == arange(x.shape[-1])
    terms = ops.where(is_chosen.node, expand_dims(x, -2).node, 0)
    return moveaxis(squeeze(_wrap(ops.reduce_sum(terms, (len(terms.shape) - 1,))), -1), -1, place)


__all__ = [
    "broadcast_arrays", "broadcast_to", "concat", "expand_dims", "flip", "matrix_transpose", "moveaxis",
    "permute_dims", "repeat", "reshape", "roll", "split", "squeeze", "stack", "take", "take_along_axis", "tile",
    "unstack",
]  # fmt: skip
