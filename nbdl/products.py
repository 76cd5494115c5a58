"""Products of tensors: of matrices, of vectors, over an axis of each."""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from nbdl.creation import arange, asarray
from nbdl.elementwise import where
from nbdl.errors import OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch, Shape, Size, one_axis, show_shape
from nbdl.reductions import sum
from nbdl.shaping import expand_dims, permute_dims, reshape, squeeze
from nbdl.tensor import Tensor, TensorLike, node_of


def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """Matrix product, as NumPy's: vectors are taken as a row (first) or a column (second), leading axes broadcast."""
    left, right = node_of(x), node_of(y)
    if not left.shape or not right.shape:
        raise ShapeError("matmul takes tensors with at least one axis; use * for scalars")
    result_shape = left.shape[:-1] + (right.shape[:-2] + right.shape[-1:] if len(right.shape) > 1 else ())
    if len(left.shape) == 1:
        left = ops.reshape(left, (1, *left.shape))
    if len(right.shape) == 1:
        right = ops.reshape(right, (*right.shape, 1))
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"matmul of {show_shape(node_of(x).shape)} and {show_shape(node_of(y).shape)}: {left.shape[-1]} against "
            f"{right.shape[-2]}"
        )
    if len(right.shape) == 2:  # all leading axes of the first are rows
        flat = ops.reshape(left, (_rows(left.shape), left.shape[-1]))
        return Tensor.wrap(ops.reshape(ops.matmul(flat, right), result_shape))
    leading = ops.broadcast(left.shape[:-2], right.shape[:-2])
    left = ops.broadcast_to(left, leading + left.shape[-2:])
    right = ops.broadcast_to(right, leading + right.shape[-2:])
    product = ops.matmul(left, right)
    axes = [axis for axis, vector in ((-2, node_of(x)), (-1, node_of(y))) if len(vector.shape) == 1]
    return squeeze(Tensor.wrap(product), axes) if axes else Tensor.wrap(product)


def _rows(shape: Shape) -> Size:
    return ops.product(shape[:-1])


def tensordot(x: TensorLike, y: TensorLike, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """Sum of products over the last `axes` axes of `x` and the first of `y`; or over axes of each, `([...], [...])`.

    The result has the other axes of `x`, and then those of `y`. Raises `ShapeError` for axes that don't go together.
    """
    left, right = asarray(x), asarray(y)
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(left.ndim, right.ndim):
            raise ShapeError(f"{show_shape(left.shape)} and {show_shape(right.shape)} have no {axes} axes to sum over")
        axes = (range(left.ndim - axes, left.ndim), range(axes))
    ours, theirs = (
        [one_axis(axis, each.ndim) for axis in np.atleast_1d(own)]
        for own, each in zip(axes, (left, right), strict=True)
    )
    sizes = [[each.shape[axis] for axis in own] for own, each in ((ours, left), (theirs, right))]
    if sizes[0] != sizes[1] or len({*ours}) < len(ours) or len({*theirs}) < len(theirs):
        raise ShapeError(
            f"axes {axes} of {show_shape(left.shape)} and {show_shape(right.shape)} don't go together: they are "
            f"{show_shape(tuple(sizes[0]))} and {show_shape(tuple(sizes[1]))} long"
        )
    letters = iter(string.ascii_letters)
    names = [next(letters) for _ in range(left.ndim)]
    others = [names[ours[theirs.index(axis)]] if axis in theirs else next(letters) for axis in range(right.ndim)]
    kept = [each for each in names if each not in others] + [each for each in others if each not in names]
    return einsum(f"{''.join(names)},{''.join(others)}->{''.join(kept)}", left, right)


def vecdot(x: TensorLike, y: TensorLike, axis: int = -1) -> Tensor:
    """Sum of products along an axis, which is as long in both: `ShapeError`."""
    left, right = asarray(x), asarray(y)
    sizes = [each.shape[one_axis(axis, each.ndim)] for each in (left, right)]
    if sizes[0] != sizes[1]:
        raise ShapeError(f"vecdot along axis {axis} of {show_shape(left.shape)} and {show_shape(right.shape)}")
    return sum(left * right, axis)


def outer(x: TensorLike, y: TensorLike) -> Tensor:
    """x[i] * y[j]"""
    return expand_dims(x, 1) * expand_dims(y, 0)


def einsum(subscripts: str, *tensors: TensorLike) -> Tensor:
    """Sums of products, by letters for axes: `"bik,bkj->bij"` is a batch of matrix products.

    A letter that several tensors have names one axis of theirs; those that aren't after the arrow are summed over.
    Without an arrow the result has the letters that come once, in the order of the alphabet. `...` stands for axes
    that broadcast. Tensors are multiplied two at a time, each two as a matrix product, in the order that
    `numpy.einsum_path` finds.

    Raises `ShapeError` for letters that don't fit the tensors, or sizes that don't go together, `OptionError` if the
    first argument isn't letters.

    >>> import nbdl
    >>> nbdl.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    tensor([21., 43.])
    """
    if not isinstance(subscripts, str):
        raise OptionError(f'einsum takes letters first, such as "ij,jk->ik", not a {type(subscripts).__name__}')
    parts = [asarray(each) for each in tensors]
    names, result = _letters(subscripts, parts)
    terms = _without_single([_with_names_once(each, own) for each, own in zip(parts, names, strict=True)])
    for chosen in _order(terms, result):
        picked = [terms.pop(place) for place in sorted(chosen, reverse=True)][::-1]
        while len(picked) > 1:
            first, second, *rest = picked
            needed = set(result).union(*[own for _, own in (*terms, *rest)])
            picked = [_multiplied(first, second, needed), *rest]
        terms += picked
    ((whole, own),) = terms
    whole, own = _summed(whole, own, set(result))
    return permute_dims(whole, [own.index(name) for name in result])


Named = tuple[Tensor, str]
"""A tensor and a letter for each of its axes."""


def _letters(subscripts: str, parts: Sequence[Tensor]) -> tuple[list[str], str]:
    """The letters of each tensor's axes, and of the result's; axes behind `...` get letters of their own."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    names = given.split(",")
    fits = len(names) == len(parts) and all(
        len(own.replace("...", "")) == part.ndim if "..." not in own else len(own) - 3 <= part.ndim
        for own, part in zip(names, parts, strict=False)
    )
    letters = given.replace("...", "").replace(",", "")
    if not fits or not set(letters) <= set(string.ascii_letters):
        shapes = ", ".join(show_shape(each.shape) for each in parts)
        raise ShapeError(f"einsum {subscripts!r} needs a letter for each axis of {shapes}")
    spare = [each for each in string.ascii_letters if each not in subscripts]
    unnamed = [part.ndim - len(own) + 3 if "..." in own else 0 for own, part in zip(names, parts, strict=True)]
    more = "".join(spare[: max(unnamed, default=0)])
    names = [own.replace("...", more[len(more) - count :]) for own, count in zip(names, unnamed, strict=True)]
    if not arrow:
        result = more + "".join(sorted(name for name in set(letters) if letters.count(name) == 1))
    result = result.replace("...", more)
    if len(set(result)) < len(result) or not set(result) <= set("".join(names)):
        raise ShapeError(f"einsum {subscripts!r}: a letter of the result comes once, and in one of the tensors")
    return names, result


def _with_names_once(x: Tensor, own: str) -> Named:
    """The diagonal where a letter comes twice."""
    for name in own:
        while own.count(name) > 1:
            first, last = own.index(name), own.rindex(name)
            if x.shape[first] != x.shape[last]:
                raise ShapeError(f"einsum: {name!r} is both {x.shape[first]} and {x.shape[last]} long")
            places = [arange(x.shape[axis]).reshape(-1, *[1] * (x.ndim - 1 - axis)) for axis in (first, last)]
            x, own = sum(where(places[0] == places[1], x, 0), last), own[:last] + own[last + 1 :]
    return x, own


def _without_single(terms: Sequence[Named]) -> list[Named]:
    """Axes of size 1 go where the letter is longer elsewhere, as they would only be repeated."""
    sizes: dict[str, Size] = {}
    for x, own in terms:
        for name, size in zip(own, x.shape, strict=True):
            if sizes.setdefault(name, size) == 1:
                sizes[name] = size
            elif size not in (1, sizes[name]):
                raise ShapeError(f"einsum: {name!r} is both {sizes[name]} and {size} long")
    kept = []
    for x, own in terms:
        single = [axis for axis, name in enumerate(own) if x.shape[axis] != sizes[name]]
        names = "".join(name for axis, name in enumerate(own) if axis not in single)
        kept.append((squeeze(x, single) if single else x, names))
    return kept


def _order(terms: Sequence[Named], result: str) -> list[tuple[int, ...]]:
    """Which tensors are multiplied next, and taken out of the list; their product goes to its end."""
    subscripts = ",".join(own for _, own in terms) + "->" + result
    shapes = [[size.multiple * ROWS if isinstance(size, Batch) else size for size in x.shape] for x, _ in terms]
    examples = [np.broadcast_to(np.float32(0), shape) for shape in shapes]
    return list(np.einsum_path(subscripts, *examples, optimize="greedy")[0][1:])


ROWS = 32
"""A batch, for estimates of what products cost."""


def _summed(x: Tensor, own: str, needed: set[str]) -> Named:
    """Add up along what nobody needs any more."""
    axes = [axis for axis, name in enumerate(own) if name not in needed]
    return (sum(x, axes) if axes else x), "".join(name for name in own if name in needed)


def _multiplied(first: Named, second: Named, needed: set[str]) -> Named:
    """The product of two, without the letters that nobody needs any more."""
    x, ours = _summed(*first, needed | set(second[1]))
    y, theirs = _summed(*second, needed | set(ours))
    both = [name for name in ours if name in theirs and name in needed]
    inner = [name for name in ours if name in theirs and name not in needed]
    left, right = ([name for name in own if name not in (*both, *inner)] for own in (ours, theirs))
    sizes = dict(zip(ours + theirs, x.shape + y.shape, strict=True))
    x = permute_dims(x, [ours.index(name) for name in (*both, *left, *inner)])
    y = permute_dims(y, [theirs.index(name) for name in (*both, *inner, *right)])
    shape = [sizes[name] for name in (*both, *left, *right)]
    leading, rows, deep, columns = (tuple(sizes[name] for name in names) for names in (both, left, inner, right))
    if not inner:
        x = reshape(x, (*leading, *rows, *[1] * len(right)))
        return x * reshape(y, (*leading, *[1] * len(left), *columns)), "".join((*both, *left, *right))
    product = matmul(
        reshape(x, (*leading, ops.product(rows), ops.product(deep))),
        reshape(y, (*leading, ops.product(deep), ops.product(columns))),
    )
    return reshape(product, shape), "".join((*both, *left, *right))


__all__ = ["einsum", "matmul", "outer", "tensordot", "vecdot"]
