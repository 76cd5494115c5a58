"""Shapes whose batch axis may be symbolic.

A size is an `int`, or `Batch(k)`: k times the number of rows of the batch, unknown until the program runs. One
compiled program therefore serves every batch size, the last short batch, and a worker's shard of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

from nbdl.errors import ShapeError


@dataclass(frozen=True)
class Batch:
    """The size `multiple * n`, n being the number of rows of the batch.

    >>> Batch(2) * 3
    Batch(multiple=6)
    """

    multiple: int = 1

    def __mul__(self, other: int) -> Batch:
        return Batch(self.multiple * other)

    __rmul__ = __mul__

    def __str__(self) -> str:
        return "n" if self.multiple == 1 else f"{self.multiple}n"


Size = int | Batch
Axis = int | Sequence[int] | None
"""Which axes of a tensor; None means all."""
Shape = tuple[Size, ...]


def show_shape(shape: Shape) -> str:
    """Print a shape as a tuple, with `n` for the batch axis.

    >>> show_shape((Batch(), 64))
    '(n, 64)'
    """
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def product(shape: Shape) -> Size:
    """Return the number of elements: an int, or a multiple of the batch.

    >>> product((Batch(), 8, 8))
    Batch(multiple=64)
    """
    number, symbolic = 1, None
    for size in shape:
        if not isinstance(size, Batch):
            number *= size
        elif symbolic is None:
            symbolic = size
        else:
            raise ShapeError(f"the shape {show_shape(shape)} has the batch axis twice; only one axis may depend on it")
    return number if symbolic is None else symbolic * number


def has_batch(shape: Shape) -> bool:
    """Say whether an axis of `shape` depends on the batch."""
    for size in shape:  # noqa: SIM110 - any(...) makes a generator: this is asked for every node of every step
        if isinstance(size, Batch):
            return True
    return False


def broadcast(*shapes: Shape) -> Shape:
    """Return the shape that NumPy's broadcasting gives.

    Raises `ShapeError` if two sizes differ and neither is 1.

    >>> broadcast((Batch(), 64), (64,))
    (Batch(multiple=1), 64)
    """
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    rank = max(map(len, shapes))
    result: list[Size] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, start=rank - len(shape)):
            if result[axis] == 1:
                result[axis] = size
            elif size not in (1, result[axis]):
                raise ShapeError(
                    "the shapes " + " and ".join(map(show_shape, shapes)) + f" can't be broadcast together: {size} "
                    f"against {result[axis]} on axis {axis - rank}"
                )
    return tuple(result)


def concrete(shape: Shape, rows: int) -> tuple[int, ...]:
    """Replace the symbolic batch by `rows`."""
    return tuple(size.multiple * rows if isinstance(size, Batch) else size for size in shape)


def sizes_of(shape: int | Sequence[Any]) -> Shape:
    """Sizes, or a single one, as a shape; NumPy's whole numbers become Python's.

    Raises `ShapeError` for a size that is negative or no whole number.

    >>> sizes_of(3), sizes_of([2, Batch()])
    ((3,), (2, Batch(multiple=1)))
    """
    given = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    try:
        sizes = tuple(size if isinstance(size, Batch) else index(size) for size in given)
    except TypeError:
        raise ShapeError(f"a shape is made of whole numbers, not {shape!r}") from None
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise ShapeError(f"a size can't be negative, as in {shape!r}")
    return sizes


def one_axis(axis: Any, rank: int) -> int:
    """The number of the one axis that an argument names. Raises `ShapeError` if it names several, or none."""
    axes = normalize_axes(axis, rank)
    if axis is None or len(axes) != 1:
        raise ShapeError(f"this takes one axis, not {axis}")
    return axes[0]


def normalize_axes(axes: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Turn an axis argument (None: all, negative: from the end) into sorted axis numbers.

    Raises `ShapeError` if an axis doesn't exist or comes twice.
    """
    if axes is None:
        return tuple(range(rank))
    try:
        given = tuple(map(index, axes)) if isinstance(axes, Iterable) else (index(axes),)
    except TypeError:
        raise ShapeError(f"an axis is a whole number, not {axes!r}") from None
    result = sorted(axis + rank if axis < 0 else axis for axis in given)
    if any(not 0 <= axis < rank for axis in result):
        raise ShapeError(f"axis {axes} lies outside a tensor with {rank} axes")
    if len(set(result)) != len(result):
        raise ShapeError(f"axis {axes} names one axis twice")
    return tuple(result)
