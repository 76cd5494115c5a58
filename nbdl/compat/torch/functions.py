"""`torch.*`: PyTorch's functions by nbdl's, and most of them as methods of its tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nbdl import activations, functions, products, random
from nbdl.compat.naming import refuse, renamed
from nbdl.compat.torch.making import sizes_of, tensor
from nbdl.compat.torch.tensors import Tensor, as_torch, as_view
from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import normalize_axes
from nbdl.tensor import Tensor as NativeTensor


class Extreme(NamedTuple):
    """What `max` and `min` along an axis return."""

    values: Tensor
    indices: Tensor


# --- elementwise ------------------------------------------------------------------------------------------------------


def _mapped(function: Callable[..., Any], finish: Callable[[Any], Any] = as_torch, **names: str) -> Any:
    return renamed(function, finish, **names)


exp, log, sqrt, sin, cos = (_mapped(getattr(functions, name)) for name in ("exp", "log", "sqrt", "sin", "cos"))
expm1, log1p, erf, square = (_mapped(getattr(functions, name)) for name in ("expm1", "log1p", "erf", "square"))
abs, sign, floor, isfinite = (_mapped(getattr(functions, name)) for name in ("abs", "sign", "floor", "isfinite"))
tanh, sigmoid, maximum, minimum = (
    _mapped(getattr(functions, name)) for name in ("tanh", "sigmoid", "maximum", "minimum")
)
tan, asin, acos, atan, atan2 = (_mapped(getattr(functions, name)) for name in ("tan", "asin", "acos", "atan", "atan2"))
sinh, cosh, asinh, acosh, atanh = (
    _mapped(getattr(functions, name)) for name in ("sinh", "cosh", "asinh", "acosh", "atanh")
)
ceil, round, trunc, isinf, isnan = (
    _mapped(getattr(functions, name)) for name in ("ceil", "round", "trunc", "isinf", "isnan")
)
log2, log10, logaddexp, hypot, reciprocal = (
    _mapped(getattr(functions, name), other="y") for name in ("log2", "log10", "logaddexp", "hypot", "reciprocal")
)
logical_and, logical_or, logical_xor, logical_not = (
    _mapped(getattr(functions, f"logical_{name}"), other="y") for name in ("and", "or", "xor", "not")
)
remainder, ne, lt, le, gt, ge = (
    _mapped(getattr(functions, name), other="y")
    for name in ("remainder", "not_equal", "less", "less_equal", "greater", "greater_equal")
)
relu = _mapped(lambda x: activations.relu(x))
clamp = _mapped(functions.clip, min="low", max="high")
where = _mapped(functions.where, input="x", other="y")
pow = _mapped(functions.power, exponent="y")


def add(x: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """x + alpha * other"""
    return as_torch(functions.asarray(x) + (other if alpha == 1 else alpha * other))


def sub(x: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """x - alpha * other"""
    return add(x, other, alpha=-alpha)


def mul(x: Any, other: Any) -> Tensor:
    """x * other"""
    return as_torch(functions.asarray(x) * other)


def div(x: Any, other: Any) -> Tensor:
    """x / other"""
    return as_torch(functions.asarray(x) / other)


def neg(x: Any) -> Tensor:
    """-x"""
    return as_torch(-functions.asarray(x))


def masked_fill(x: Any, mask: Any, value: float) -> Tensor:
    """x, and `value` where the mask is true."""
    return where(mask, value, x)


def eq(x: Any, other: Any) -> Tensor:
    """x == other, element by element."""
    return as_torch(functions.asarray(x) == other)


def equal(x: Any, other: Any) -> bool:
    """Whether two tensors have one shape and the same elements."""
    return bool(np.array_equal(functions.asarray(x).numpy(), functions.asarray(other).numpy()))


def allclose(x: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether two tensors are equal to rounding."""
    return bool(np.allclose(functions.asarray(x).numpy(), functions.asarray(other).numpy(), rtol, atol))


# --- reductions -------------------------------------------------------------------------------------------------------


sum = _mapped(functions.sum, dim="axis", keepdim="keepdims")
mean = _mapped(functions.mean, dim="axis", keepdim="keepdims")
prod = _mapped(functions.prod, dim="axis", keepdim="keepdims")
logsumexp = _mapped(functions.logsumexp, dim="axis", keepdim="keepdims")
all = _mapped(functions.all, dim="axis", keepdim="keepdims")
any = _mapped(functions.any, dim="axis", keepdim="keepdims")
argmax = _mapped(functions.argmax, dim="axis", keepdim="keepdims")
argmin = _mapped(functions.argmin, dim="axis", keepdim="keepdims")
count_nonzero = _mapped(functions.count_nonzero, dim="axis")
cumsum = _mapped(functions.cumulative_sum, dim="axis")
cumprod = _mapped(functions.cumulative_prod, dim="axis")


def norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The root of the sum of squares, or with `p=1` the sum of absolute values."""
    if p == 1:
        return as_torch(functions.sum(functions.abs(x), dim, keepdim))
    refuse("norm", {"p": 2 if p == "fro" else p}, {"p": 2})
    return as_torch(functions.sqrt(functions.sum(functions.square(x), dim, keepdim)))


def var(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """Variance, divided by the number of elements less 1 if it is to be without bias, as in PyTorch."""
    spread = functions.var(x, dim, keepdim)
    if unbiased:
        values = functions.asarray(x)
        count = ops.product(tuple(values.shape[axis] for axis in normalize_axes(dim, values.ndim)))
        if not isinstance(count, int) or count < 2:
            raise ShapeError(f"an unbiased variance needs a known number of elements of at least 2, not {count}")
        spread = spread * (count / (count - 1))
    return as_torch(spread)


def std(x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """Standard deviation: the root of `var`."""
    return sqrt(var(x, dim, unbiased, keepdim))


def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along an axis, a pair of values and indices; of two tensors, the larger elements."""
    if isinstance(dim, NativeTensor):
        return maximum(x, dim)
    if dim is None:
        return as_torch(functions.max(x))
    return Extreme(as_torch(functions.max(x, dim, keepdim)), argmax(x, dim, keepdim))


def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along an axis, a pair of values and indices; of two tensors, the smaller elements."""
    if isinstance(dim, NativeTensor):
        return minimum(x, dim)
    if dim is None:
        return as_torch(functions.min(x))
    return Extreme(as_torch(functions.min(x, dim, keepdim)), argmin(x, dim, keepdim))


softmax = _mapped(functions.softmax, dim="axis")
log_softmax = _mapped(functions.log_softmax, dim="axis")


# --- shape ------------------------------------------------------------------------------------------------------------


cat = _mapped(functions.concat, dim="axis")
stack = _mapped(functions.stack, dim="axis")
unsqueeze = _mapped(functions.expand_dims, as_view, dim="axis")
roll = _mapped(functions.roll, shifts="shift", dims="axis")
movedim = _mapped(functions.moveaxis, as_view)
unbind = _mapped(functions.unstack, dim="axis")
repeat_interleave = _mapped(functions.repeat, dim="axis")
tril = _mapped(functions.tril, diagonal="k")
triu = _mapped(functions.triu, diagonal="k")


def flip(x: Any, *dims: Any) -> Tensor:
    """Elements along axes in the reverse order; the axes are numbers or one tuple."""
    return as_torch(functions.flip(x, sizes_of(dims)))


def tile(x: Any, *dims: Any) -> Tensor:
    """The whole tensor so many times along each axis, the last number being for the last axis."""
    return as_torch(functions.tile(x, sizes_of(dims)))


def meshgrid(*tensors: Any, indexing: str = "ij") -> list[Tensor]:
    """Each vector along an axis of its own, repeated along the others."""
    return as_torch(functions.meshgrid(*tensors, indexing=indexing))


def reshape(x: Any, *shape: Any) -> Tensor:
    """The same elements in another shape, given as numbers or as one tuple; one size may be -1."""
    return as_view(functions.reshape(x, sizes_of(shape)))


def squeeze(x: Any, dim: int | None = None) -> Tensor:
    """Remove axes of size 1; an axis that is named and longer stays, as in PyTorch."""
    given = functions.asarray(x)
    return as_view(given if dim is not None and given.shape[dim] != 1 else functions.squeeze(given, dim))


def permute(x: Any, *dims: Any) -> Tensor:
    """Permute the axes."""
    rank = functions.asarray(x).ndim
    return as_view(functions.permute_dims(x, [dim % rank for dim in sizes_of(dims)]))


def transpose(x: Any, dim0: int, dim1: int) -> Tensor:
    """Swap two axes."""
    axes = list(range(functions.asarray(x).ndim))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return permute(x, axes)


def t(x: Any) -> Tensor:
    """The transpose of a matrix."""
    return transpose(x, 0, -1)


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Make one axis of several."""
    shape = functions.asarray(x).shape
    start, end = (each % len(shape) for each in (start_dim, end_dim))
    return reshape(x, (*shape[:start], ops.product(shape[start : end + 1]), *shape[end + 1 :]))


def expand(x: Any, *sizes: Any) -> Tensor:
    """Repeat along axes of size 1 and new leading axes; -1 leaves an axis as it is."""
    shape, wanted = functions.asarray(x).shape, sizes_of(sizes)
    own = (*[-1] * (len(wanted) - len(shape)), *shape)
    return as_view(
        functions.broadcast_to(x, [old if size == -1 else size for old, size in zip(own, wanted, strict=True)])
    )


def repeat(x: Any, *sizes: Any) -> Tensor:
    """The tensor several times along each axis, new ones first."""
    for axis, times in enumerate(reversed(sizes_of(sizes)), start=1):
        x = unsqueeze(x, 0) if functions.asarray(x).ndim < axis else x
        x = cat([x] * times, dim=-axis)
    return as_torch(x)


def split(x: Any, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of a size along an axis; the last one may be shorter."""
    given = functions.asarray(x)
    size = given.shape[dim]
    if not isinstance(size, int):
        raise ShapeError("the batch axis can't be split: a program must work for every batch size")
    whole = (slice(None),) * (dim % given.ndim)
    return tuple(as_view(given[(*whole, slice(start, start + split_size))]) for start in range(0, size, split_size))


def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many pieces along an axis, of one size but for the last."""
    size = functions.asarray(x).shape[dim]
    return split(x, -(-size // chunks) if isinstance(size, int) else 0, dim)


# --- picking elements -------------------------------------------------------------------------------------------------


def gather(x: Any, dim: int, index: Any) -> Tensor:
    """The elements that the index names along an axis; along the others each stays at its place."""
    given, places = functions.asarray(x), functions.asarray(index)
    shape: Any = places.shape
    grid: list[Any] = [*np.indices(shape, sparse=True)]
    grid[dim] = places
    flat: Any = 0
    for axis, place in enumerate(grid):
        flat = flat + place * ops.product(given.shape[axis + 1 :])
    flat = functions.where((places < 0) | (places >= given.shape[dim]), -1, flat)  # none of another row
    return as_torch(functions.take(functions.reshape(given, (-1,)), flat))


def sort(x: Any, dim: int = -1, descending: bool = False) -> Extreme:
    """The elements along an axis in order, and their indices; which elements come first is worked out at once."""
    values = functions.asarray(x).numpy()
    turned = -values if values.dtype.kind == "f" else ~values
    order = np.argsort(turned if descending else values, axis=dim, kind="stable")
    return Extreme(gather(x, dim, order), tensor(order))


def topk(x: Any, k: int, dim: int = -1, largest: bool = True) -> Extreme:
    """The k largest (or smallest) elements along an axis, in order, and their indices."""
    values, indices = sort(x, dim, descending=largest)
    first = (*(slice(None),) * (dim % values.ndim), slice(k))
    return Extreme(values[first], indices[first])


# --- products ---------------------------------------------------------------------------------------------------------


matmul = mm = bmm = mv = dot = _mapped(products.matmul, input="x", other="y")
outer = _mapped(products.outer)
einsum = _mapped(products.einsum)
tensordot = _mapped(products.tensordot, dims="axes")


# --- methods ----------------------------------------------------------------------------------------------------------


METHODS = (
    "all any exp log sqrt sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh expm1 log1p log2 log10 "
    "logaddexp hypot reciprocal remainder erf square abs sign floor ceil round trunc isfinite isinf isnan sigmoid relu "
    "clamp pow maximum minimum add sub mul div neg eq ne lt le gt ge logical_and logical_or logical_xor logical_not "
    "equal allclose masked_fill sum prod cumsum cumprod mean logsumexp norm var std max min argmax argmin "
    "count_nonzero softmax log_softmax unsqueeze reshape squeeze permute transpose t flatten expand repeat "
    "repeat_interleave flip roll tile movedim tril triu split chunk unbind gather sort topk matmul mm bmm mv dot outer"
).split()
DTYPES = {"float": "float32", "double": "float64", "int": "int32", "long": "int64", "bool": "bool"}


def _converter(dtype: str) -> Callable[[Tensor], Tensor]:
    def convert(self: Tensor) -> Tensor:
        return as_torch(self.astype(dtype))

    convert.__doc__ = f"Convert to {dtype}."
    return convert


def _in_place(change: Callable[..., Any]) -> Callable[..., Tensor]:
    def changed(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return self._replace(change(self, *args, **options))

    changed.__doc__ = "Change the tensor in place, and return it."
    return changed


def _random(size: NativeTensor, low: float, high: float) -> NativeTensor:
    return random.uniform(size.shape, size.dtype) * (high - low) + low


IN_PLACE: dict[str, Callable[..., Any]] = {
    "zero_": functions.zeros_like,
    "fill_": functions.full_like,
    "copy_": lambda self, other: other,
    "add_": lambda self, other, alpha=1: add(self, other, alpha=alpha),
    "sub_": lambda self, other, alpha=1: sub(self, other, alpha=alpha),
    "mul_": mul,
    "div_": div,
    "clamp_": functions.clip,
    "normal_": lambda self, mean=0.0, std=1.0: random.normal(self.shape, self.dtype) * std + mean,
    "uniform_": lambda self, low=0.0, high=1.0: _random(self, low, high),
}

for _name in METHODS:
    setattr(Tensor, _name, globals()[_name])
for _name, _dtype in DTYPES.items():
    setattr(Tensor, _name, _converter(_dtype))
for _name, _change in IN_PLACE.items():
    setattr(Tensor, _name, _in_place(_change))
setattr(Tensor, "view", reshape)  # noqa: B010 - as the others
setattr(Tensor, "view_as", lambda self, other: reshape(self, other.shape))  # noqa: B010
setattr(Tensor, "type", Tensor.to)  # noqa: B010

__all__ = [
    *METHODS, "Extreme", "cat", "einsum", "meshgrid", "stack", "tensordot", "where",
]  # fmt: skip
