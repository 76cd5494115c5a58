"""Random uses of every primitive: inputs, parameters, and what the naive oracle gives.

A new row of the table without an entry here fails the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import apply
from nbdl.kernels.geometry import Geometry
from tests import oracle

Generator = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One use of a primitive; `expected` is None where only shape and dtype are judged (random numbers).

    `tolerance` is a bit more than a float64's rounding, as the oracle's libm and NumPy's vector functions may differ by
    a few units in the last place.
    """

    name: str
    arrays: tuple[np.ndarray, ...]
    params: dict[str, Any] = field(default_factory=dict)
    expected: np.ndarray | None = None
    tolerance: float = 1e-14

    def build(self, *inputs: Node) -> Node:
        return apply(self.name, *inputs, **self.params)


def shape_of(generator: Generator, least: int = 0, most: int = 3) -> tuple[int, ...]:
    """A random shape; sizes of 1 and 0 come up."""
    return tuple(
        generator.choice(
            [0, 1, 1, 2, 3, 4], p=[0.04, 0.16, 0.2, 0.2, 0.2, 0.2], size=generator.integers(least, most + 1)
        )
    )


def filled_shape(generator: Generator, least: int = 1, most: int = 3) -> tuple[int, ...]:
    """A random shape without empty axes."""
    return tuple(int(size) for size in generator.integers(1, 5, size=generator.integers(least, most + 1)))


def broadcastable(generator: Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`."""
    kept = tuple(1 if generator.random() < 0.3 else size for size in shape)
    return kept[generator.integers(0, len(kept) + 1) :] if generator.random() < 0.3 else kept


# --- elementwise ------------------------------------------------------------------------------------------------------


def _numbers(generator: Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Away from 0, where abs and power have corners."""
    return generator.uniform(0.2, 2.5, shape) * generator.choice([-1, 1], shape)


def _positive(generator: Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.uniform(0.2, 2.5, shape)


def _moderate(generator: Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Away from 0 and from the tangent's poles."""
    return _numbers(generator, shape) / 2


def _inside(generator: Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Inside of (-1, 1)."""
    return _numbers(generator, shape) / 3


def _above_one(generator: Generator, shape: tuple[int, ...]) -> np.ndarray:
    return _positive(generator, shape) + 1


def _booleans(generator: Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.random(shape) < 0.5


DOMAINS: dict[str, tuple[Callable[[Generator, tuple[int, ...]], np.ndarray], ...]] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "fast_divide", "remainder"), (_numbers, _numbers)),
    "floor_divide": (_numbers, _numbers),
    **dict.fromkeys(("maximum", "minimum", "less", "less_equal", "equal", "not_equal"), (_numbers, _numbers)),
    **dict.fromkeys(
        ("negative", "abs", "sign", "floor", "exp", "expm1", "sin", "cos", "atan", "tanh", "sigmoid", "erf"),
        (_numbers,),
    ),
    **dict.fromkeys(("tan", "sinh", "cosh", "asinh"), (_moderate,)),
    **dict.fromkeys(("asin", "acos", "atanh"), (_inside,)),
    **dict.fromkeys(("atan2", "hypot", "logaddexp"), (_numbers, _numbers)),
    "acosh": (_above_one,),
    **dict.fromkeys(("is_finite", "stop_gradient", "cast"), (_numbers,)),
    **dict.fromkeys(("sqrt", "log", "log1p"), (_positive,)),
    **dict.fromkeys(("logical_and", "logical_or"), (_booleans, _booleans)),
    "logical_not": (_booleans,),
    "power": (_positive, _numbers),
    "where": (_booleans, _numbers, _numbers),
}


def elementwise(name: str, generator: Generator) -> Case:
    domains = DOMAINS[name]
    shape = shape_of(generator)
    shapes = [shape, *(broadcastable(generator, shape) for _ in domains[1:])]
    arrays = tuple(domain(generator, each) for domain, each in zip(domains, shapes, strict=True))
    params = {"dtype": np.dtype(np.float64)} if name == "cast" else {}
    return Case(name, arrays, params, oracle.elementwise(oracle.ELEMENTWISE[name], *arrays))


# --- leaves, positions and random numbers -----------------------------------------------------------------------------


def constant(generator: Generator) -> Case:
    number = float(generator.normal())
    return Case("constant", (), {"value": number, "dtype": np.dtype(np.float64)}, np.array(number))


def batch_size(generator: Generator) -> Case:
    return Case("batch_size", (), {"dtype": np.dtype(np.float32)}, np.array(7.0))


def iota(generator: Generator) -> Case:
    size = int(generator.integers(0, 6))
    return Case("iota", (), {"size": size, "dtype": np.dtype(np.int64)}, np.array(list(range(size))))


def random(name: str, generator: Generator) -> Case:
    key = generator.integers(0, 100, 2)
    shape = filled_shape(generator)
    return Case(name, (key,), {"shape": shape, "dtype": np.dtype(np.float32), "stream": int(generator.integers(0, 9))})


# --- reductions, movement and calls -----------------------------------------------------------------------------------


def _axes(generator: Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis for axis in range(len(shape)) if generator.random() < 0.5) or (0,)


def sum_(generator: Generator) -> Case:
    x = generator.normal(size=filled_shape(generator))
    axes = _axes(generator, x.shape)
    return Case("sum", (x,), {"axes": axes}, oracle.reduce(x, axes, lambda a, b: a + b))


def max_(generator: Generator) -> Case:
    x = generator.permutation(24)[: int(np.prod(shape := filled_shape(generator, most=2)))].astype(float).reshape(shape)
    axes = _axes(generator, x.shape)
    return Case("max", (x,), {"axes": axes}, oracle.reduce(x, axes, lambda a, b: a if a >= b else b))


def reshape(generator: Generator) -> Case:
    x = generator.normal(size=filled_shape(generator))
    shape = (x.size,) if generator.random() < 0.5 else (1, *reversed(x.shape))
    return Case("reshape", (x,), {"shape": shape}, np.array(x.ravel().tolist()).reshape(shape))


def broadcast(generator: Generator) -> Case:
    shape = filled_shape(generator)
    x = generator.normal(size=broadcastable(generator, shape))
    return Case("broadcast", (x,), {"shape": shape}, oracle.elementwise(lambda value, _: value, x, np.zeros(shape)))


def transpose(generator: Generator) -> Case:
    x = generator.normal(size=filled_shape(generator))
    permutation = tuple(int(axis) for axis in generator.permutation(x.ndim))
    expected = np.zeros([x.shape[axis] for axis in permutation])
    for index in np.ndindex(expected.shape):
        expected[index] = x[tuple(index[permutation.index(axis)] for axis in range(x.ndim))]
    return Case("transpose", (x,), {"permutation": permutation}, expected)


def slice_(generator: Generator) -> Case:
    x = generator.normal(size=filled_shape(generator))
    axis = int(generator.integers(0, x.ndim))
    picked = range(x.shape[axis])[
        slice(*sorted(generator.integers(0, x.shape[axis] + 1, 2)), int(generator.integers(1, 3)))
    ]
    picked = picked[::-1] if generator.random() < 0.4 else picked
    params = {"axis": axis, "start": picked.start if picked else 0, "size": len(picked), "step": picked.step}
    return Case("slice", (x,), params, oracle.slice_axis(x, **params))


def pad(generator: Generator) -> Case:
    x = generator.normal(size=filled_shape(generator))
    before, after, step = (int(number) for number in generator.integers((0, 0, 1), (3, 3, 4)))
    params = {"axis": int(generator.integers(0, x.ndim)), "before": before, "after": after, "step": step}
    return Case("pad", (x,), params, oracle.pad_axis(x, **params))


def concatenate(generator: Generator) -> Case:
    shape = filled_shape(generator)
    axis = int(generator.integers(0, len(shape)))
    parts = [
        generator.normal(size=(*shape[:axis], int(size), *shape[axis + 1 :])) for size in generator.integers(0, 4, 3)
    ]
    pieces = [np.moveaxis(part, axis, 0).tolist() for part in parts]
    joined = [row for piece in pieces for row in piece]
    rest = (len(joined), *shape[:axis], *shape[axis + 1 :])
    return Case("concatenate", tuple(parts), {"axis": axis}, np.moveaxis(np.reshape(joined, rest), 0, axis))


def pack(generator: Generator) -> Case:
    parts, offsets, end = [], [], 0
    for _ in range(3):
        parts.append(generator.normal(size=filled_shape(generator)))
        offsets.append(end + int(generator.integers(0, 3)))
        end = offsets[-1] + parts[-1].size
    expected = [0.0] * (end + 2)
    for part, offset in zip(parts, offsets, strict=True):
        for place, value in enumerate(part.ravel().tolist()):
            expected[offset + place] = value
    return Case("pack", tuple(parts), {"offsets": tuple(offsets), "size": end + 2}, np.array(expected))


def matmul(generator: Generator) -> Case:
    lead = filled_shape(generator, least=0, most=1)
    rows, inner, columns = (int(size) for size in generator.integers(1, 5, 3))
    x, y = generator.normal(size=(*lead, rows, inner)), generator.normal(size=(*lead, inner, columns))
    swap_x, swap_y = (bool(choice) for choice in generator.random(2) < 0.5)
    arrays = (np.swapaxes(x, -1, -2).copy() if swap_x else x, np.swapaxes(y, -1, -2).copy() if swap_y else y)
    return Case("matmul", arrays, {"transpose_x": swap_x, "transpose_y": swap_y}, oracle.matmul(x, y))


def gather(generator: Generator) -> Case:
    x = generator.normal(size=filled_shape(generator))
    indices = generator.integers(0, len(x), shape_of(generator, most=2))
    return Case("gather", (x, indices), {}, oracle.gather(x, indices))


def scatter_add(generator: Generator) -> Case:
    indices = generator.integers(0, 3, filled_shape(generator, least=0, most=2))
    updates = generator.normal(size=indices.shape + filled_shape(generator, least=0, most=1))
    return Case("scatter_add", (updates, indices), {"rows": 3}, oracle.scatter_add(updates, indices, 3))


def argmax(generator: Generator) -> Case:
    x = generator.integers(0, 3, filled_shape(generator)).astype(float)
    axis = int(generator.integers(0, x.ndim))
    return Case("argmax", (x,), {"axis": axis}, oracle.argmax(x, axis))


def strided_matmul(generator: Generator) -> Case:
    rank = int(generator.integers(2, 5))
    leading = tuple(generator.integers(1, 4, rank - 2))
    m, n, k = (int(size) for size in generator.integers(1, 5, 3))
    x, y = generator.normal(size=(*leading, m, k)), generator.normal(size=(*leading, k, n))
    x_axes, y_axes, axes = (tuple(int(axis) for axis in generator.permutation(rank)) for _ in range(3))
    expected = np.transpose(oracle.matmul(x, y), axes)
    lying = [np.ascontiguousarray(np.transpose(each, np.argsort(order))) for each, order in ((x, x_axes), (y, y_axes))]
    return Case("strided_matmul", tuple(lying), {"x_axes": x_axes, "y_axes": y_axes, "axes": axes}, expected)


def softmax(generator: Generator) -> Case:
    x = generator.normal(size=(int(generator.integers(1, 5)), int(generator.integers(1, 5)))) * 3
    axis = int(generator.integers(0, 2))
    expected = oracle.softmax(x) if axis == 1 else oracle.softmax(x.T).T
    return Case("softmax", (x,), {"axis": axis}, expected)


# --- images -----------------------------------------------------------------------------------------------------------


def geometry(generator: Generator, *, pooling: bool = False) -> Geometry:
    """A small image under a random window: strides, paddings on each side, dilations and groups."""

    def two(least: int, most: int) -> tuple[int, int]:
        first, second = generator.integers(least, most + 1, 2)
        return int(first), int(second)

    kernel, stride, dilation = two(1, 3), two(1, 3), (1, 1) if pooling else two(1, 2)
    groups = 1 if pooling else int(generator.choice([1, 1, 2, 3]))
    most = tuple(size - 1 for size in kernel) if pooling else (2, 2)  # each window has a pixel of the image
    padding = (two(0, most[0]), two(0, most[1]))
    reach = [(taps - 1) * spread + 1 for taps, spread in zip(kernel, dilation, strict=True)]
    height, width = (
        max(1, int(generator.integers(0, 4)) + each - sum(sides)) for each, sides in zip(reach, padding, strict=True)
    )
    channels = int(generator.integers(1, 4)) * groups
    outputs = channels if pooling else int(generator.integers(1, 4)) * groups
    return Geometry((height, width, channels), kernel, outputs, stride, padding, dilation, groups)


def convolution(name: str, generator: Generator) -> Case:
    g = geometry(generator)
    n = int(generator.integers(1, 4))
    shapes = {"x": (n, *g.image), "w": g.weights, "y": (n, *g.result, g.outputs)}
    operands = {"conv2d": "xw", "conv2d_weights": "xy", "conv2d_back": "yw"}[name]
    arrays = tuple(generator.normal(size=shapes[each]) for each in operands)
    return Case(name, arrays, {"geometry": g}, getattr(oracle, name)(*arrays, g))


def winograd(name: str, generator: Generator) -> Case:
    """Points, or what is computed from those of a random kernel: sums of 25 numbers, mapped to points and back."""
    channels, outputs, n = (int(size) for size in generator.integers(1, 4, 3))
    side, tile = [(3, 2), (3, 4), (5, 2)][generator.integers(3)]
    w = generator.normal(size=(side, side, channels, outputs))
    matrix = oracle.winograd_points(tile + side - 1, side)
    points = np.einsum("iy,jx,yxco->ijco", matrix, matrix, w)
    if name == "winograd_points":
        transposed = bool(generator.integers(2))
        wanted = points.swapaxes(2, 3) if transposed else points
        return Case(name, (w,), {"tile": tile, "transposed": transposed}, wanted)
    height, width = (int(size) for size in generator.integers(side - 2, 5, 2))
    g = Geometry((height, width, channels), (side, side), outputs, padding=((1, 1), (2, 1)))
    x, y = generator.normal(size=(n, *g.image)), generator.normal(size=(n, *g.result, outputs))
    plain = name.replace("winograd", "conv2d")
    operands, arrays = {
        "winograd": ((x, points), (x, w)),
        "winograd_back": ((y, points.swapaxes(2, 3)), (y, w)),
        "winograd_weights": ((x, y), (x, y)),
    }[name]
    return Case(name, operands, {"geometry": g, "tile": tile}, getattr(oracle, plain)(*arrays, g), tolerance=1e-13)


def pooling(name: str, generator: Generator) -> Case:
    g = geometry(generator, pooling=True)
    n = int(generator.integers(1, 4))
    shape, result = (n, *g.image), (n, *g.result, g.outputs)
    x = generator.permutation(int(np.prod(shape))).astype(float).reshape(shape)  # no two are equal: no corners
    arrays = {
        "max_pool": (x,),
        "max_pool_back": (x, generator.normal(size=result)),
        "max_pool_take": (x, generator.normal(size=shape)),
        "sum_pool": (generator.normal(size=shape),),
        "sum_pool_back": (generator.normal(size=result),),
    }[name]
    return Case(name, arrays, {"geometry": g}, getattr(oracle, name)(*arrays, g))


OTHERS: dict[str, Callable[[Generator], Case]] = {
    "constant": constant,
    "batch_size": batch_size,
    "iota": iota,
    "random_uniform": lambda generator: random("random_uniform", generator),
    "random_normal": lambda generator: random("random_normal", generator),
    "softmax": softmax,
    "strided_matmul": strided_matmul,
    "sum": sum_,
    "max": max_,
    "reshape": reshape,
    "broadcast": broadcast,
    "transpose": transpose,
    "slice": slice_,
    "pad": pad,
    "concatenate": concatenate,
    "pack": pack,
    "matmul": matmul,
    "gather": gather,
    "scatter_add": scatter_add,
    "argmax": argmax,
    **{name: partial(convolution, name) for name in ("conv2d", "conv2d_weights", "conv2d_back")},
    **{name: partial(winograd, name) for name in ("winograd", "winograd_back", "winograd_points", "winograd_weights")},
    **{
        name: partial(pooling, name)
        for name in ("max_pool", "max_pool_back", "max_pool_take", "sum_pool", "sum_pool_back")
    },
}

WITHOUT_CASES = {"input", "gradient", "scan", "result"}
"""An input has no meaning of its own; gradients are tested as what they are, in test_autodiff.py, and loops in
tests/test_scan.py.
"""


def case(name: str, seed: int) -> Case:
    """A random use of a primitive. Raises `KeyError` for a row of the table that nobody has written one for."""
    generator = np.random.default_rng(seed)
    return elementwise(name, generator) if name in DOMAINS else OTHERS[name](generator)


def leaves(arrays: tuple[np.ndarray, ...]) -> list[Node]:
    return [ops.value(array, differentiable=array.dtype.kind == "f") for array in arrays]
