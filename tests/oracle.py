"""A naive judge: what operations mean, in plain loops over plain numbers. Slow, and independent of nbdl."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nbdl.kernels.geometry import Geometry


def elementwise(function: Callable[..., float], *arrays: np.ndarray) -> np.ndarray:
    """Apply a function of Python numbers element by element, after NumPy's broadcasting."""
    repeated = np.broadcast_arrays(*arrays)
    result = [function(*(array[index].item() for array in repeated)) for index in np.ndindex(repeated[0].shape)]
    return np.array(result).reshape(repeated[0].shape)


def _divide(x: float, y: float) -> float:
    if y == 0:
        return math.nan if x == 0 or math.isnan(x) else math.copysign(math.inf, x) * math.copysign(1, y)
    return x / y


def _power(x: float, y: float) -> float:
    return math.nan if x < 0 and y != int(y) else x**y


ELEMENTWISE: dict[str, Callable[..., float]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": _divide,
    "fast_divide": _divide,
    "power": _power,
    "remainder": lambda x, y: x % y,
    "floor_divide": lambda x, y: x // y,
    "maximum": lambda x, y: x if x >= y else y,
    "minimum": lambda x, y: x if x <= y else y,
    "negative": lambda x: -x,
    "abs": lambda x: x if x >= 0 else -x,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "floor": math.floor,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "sin": math.sin,
    "cos": math.cos,
    "atan": math.atan,
    **{name: getattr(math, name) for name in "tan asin acos atan2 sinh cosh asinh acosh atanh hypot".split()},
    "logaddexp": lambda x, y: math.log(math.exp(x) + math.exp(y)),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "erf": math.erf,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "logical_and": lambda x, y: x and y,
    "logical_or": lambda x, y: x or y,
    "logical_not": lambda x: not x,
    "is_finite": math.isfinite,
    "stop_gradient": lambda x: x,
    "where": lambda condition, x, y: x if condition else y,
    "cast": float,
}
"""The meaning of each elementwise primitive for Python numbers (finite ones, inside its domain)."""


def reduce(x: np.ndarray, axes: Sequence[int], combine: Callable[[float, float], float]) -> np.ndarray:
    """Combine the elements along axes, which stay with size 1."""
    result = np.full([1 if axis in axes else size for axis, size in enumerate(x.shape)], None, object)
    for index in np.ndindex(x.shape):
        place = tuple(0 if axis in axes else i for axis, i in enumerate(index))
        result[place] = x[index].item() if result[place] is None else combine(result[place], x[index].item())
    return result.astype(x.dtype)


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Matrix product of the last two axes; leading axes are equal."""
    rows, inner, columns = x.shape[-2], x.shape[-1], y.shape[-1]
    result = np.zeros((*x.shape[:-1], columns), x.dtype)
    for lead in np.ndindex(x.shape[:-2]):
        for i, j in itertools.product(range(rows), range(columns)):
            result[(*lead, i, j)] = math.fsum(x[(*lead, i, k)].item() * y[(*lead, k, j)].item() for k in range(inner))
    return result


def argmax(x: np.ndarray, axis: int) -> np.ndarray:
    """Index of the first largest element along an axis, which stays with size 1."""
    result = np.zeros([1 if each == axis else size for each, size in enumerate(x.shape)], np.int64)
    for index in np.ndindex(result.shape):
        row = [x[(*index[:axis], i, *index[axis + 1 :])].item() for i in range(x.shape[axis])]
        result[index] = row.index(max(row))
    return result


def gather(x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Rows of x."""
    result = np.zeros(indices.shape + x.shape[1:], x.dtype)
    for place in np.ndindex(indices.shape):
        result[place] = x[indices[place]]
    return result


def scatter_add(updates: np.ndarray, indices: np.ndarray, rows: int) -> np.ndarray:
    """Zeros with each update added to the row that its index names."""
    result = np.zeros((rows, *updates.shape[indices.ndim :]), updates.dtype)
    for place in np.ndindex(indices.shape):
        result[indices[place]] += updates[place]
    return result


def slice_axis(x: np.ndarray, axis: int, start: int, size: int, step: int) -> np.ndarray:
    """Every step-th element along an axis."""
    result = np.zeros([size if each == axis else length for each, length in enumerate(x.shape)], x.dtype)
    for index in np.ndindex(result.shape):
        result[index] = x[(*index[:axis], start + step * index[axis], *index[axis + 1 :])]
    return result


def pad_axis(x: np.ndarray, axis: int, before: int, after: int, step: int) -> np.ndarray:
    """Zeros before, after and between the elements of an axis."""
    length = before + max(0, (x.shape[axis] - 1) * step + 1) + after
    result = np.zeros([length if each == axis else size for each, size in enumerate(x.shape)], x.dtype)
    for index in np.ndindex(x.shape):
        result[(*index[:axis], before + step * index[axis], *index[axis + 1 :])] = x[index]
    return result


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax along the last axis of a matrix."""
    result = np.zeros_like(x)
    for i, row in enumerate(x):
        top = max(row.tolist())
        exponentials = [math.exp(value - top) for value in row.tolist()]
        result[i] = [value / math.fsum(exponentials) for value in exponentials]
    return result


def confusion(predicted: Sequence[int], true: Sequence[int], classes: int) -> np.ndarray:
    """How often class i was taken for class j."""
    result = np.zeros((classes, classes), np.int64)
    for guess, fact in zip(predicted, true, strict=True):
        result[fact, guess] += 1
    return result


# --- images: (n, height, width, channels); g has their sizes, see nbdl.kernels.geometry -------------------------------


def _places(g: Geometry) -> list[int]:
    """Height and width of the result."""
    reach = [(taps - 1) * spread + 1 for taps, spread in zip(g.kernel, g.dilation, strict=True)]
    spaces = [size + sum(sides) - far for size, sides, far in zip(g.image[:2], g.padding, reach, strict=True)]
    return [space // step + 1 for space, step in zip(spaces, g.stride, strict=True)]


def _under_taps(g: Geometry) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Each place of the result with each tap of the kernel, and the pixel under it, where that is inside the image."""
    for y, x, ky, kx in itertools.product(*map(range, (*_places(g), *g.kernel))):
        line = y * g.stride[0] + ky * g.dilation[0] - g.padding[0][0]
        pixel = x * g.stride[1] + kx * g.dilation[1] - g.padding[1][0]
        if 0 <= line < g.image[0] and 0 <= pixel < g.image[1]:
            yield y, x, ky, kx, line, pixel


def _channels(g: Geometry) -> Iterator[tuple[int, int, int]]:
    """Each output with each channel that it sees: (output, channel, place of the channel in its group)."""
    inputs, outputs = g.image[2] // g.groups, g.outputs // g.groups
    for output, channel in itertools.product(range(g.outputs), range(inputs)):
        yield output, output // outputs * inputs + channel, channel


def conv2d(x: np.ndarray, w: np.ndarray, g: Geometry) -> np.ndarray:
    """Convolution."""
    result = np.zeros((len(x), *_places(g), g.outputs), x.dtype)
    for (y, z, ky, kx, line, pixel), (output, channel, place) in itertools.product(_under_taps(g), _channels(g)):
        result[:, y, z, output] += x[:, line, pixel, channel] * w[ky, kx, place, output]
    return result


def winograd_points(points: int, side: int) -> np.ndarray:
    """The matrix G of Lavin and Gray (2016), section 4.1, for any number of points: the values of a polynomial, each
    divided by that of Lagrange's polynomial, and its highest coefficient.
    """
    places = {4: [0, 1, -1], 6: [0, 0.625, -0.625, 1.5, -1.5]}[points]
    divided = [math.prod(place - other for other in places if other != place) for place in places]
    rows = [[place**i / by for i in range(side)] for place, by in zip(places, divided, strict=True)]
    return np.array([*rows, [0] * (side - 1) + [1]])


def conv2d_weights(x: np.ndarray, gradient: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of a convolution with respect to its weights."""
    result = np.zeros((*g.kernel, g.image[2] // g.groups, g.outputs), x.dtype)
    for (y, z, ky, kx, line, pixel), (output, channel, place) in itertools.product(_under_taps(g), _channels(g)):
        result[ky, kx, place, output] += np.sum(x[:, line, pixel, channel] * gradient[:, y, z, output])
    return result


def conv2d_back(gradient: np.ndarray, w: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of a convolution with respect to the images."""
    result = np.zeros((len(gradient), *g.image), gradient.dtype)
    for (y, z, ky, kx, line, pixel), (output, channel, place) in itertools.product(_under_taps(g), _channels(g)):
        result[:, line, pixel, channel] += gradient[:, y, z, output] * w[ky, kx, place, output]
    return result


def _largest(x: np.ndarray, g: Geometry) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Where the first of the largest elements of each window lies: (image, y, x, channel, line, pixel)."""
    windows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y, z, _, _, line, pixel in _under_taps(g):
        windows.setdefault((y, z), []).append((line, pixel))
    for (y, z), pixels in windows.items():
        for image, channel in itertools.product(range(len(x)), range(g.image[2])):
            values = [x[image, line, pixel, channel].item() for line, pixel in pixels]
            yield image, y, z, channel, *pixels[values.index(max(values))]


def max_pool(x: np.ndarray, g: Geometry) -> np.ndarray:
    """The largest element of each window."""
    return max_pool_take(x, x, g)


def max_pool_take(x: np.ndarray, other: np.ndarray, g: Geometry) -> np.ndarray:
    """What lies in another image where the largest elements of the windows are."""
    result = np.zeros((len(x), *_places(g), g.image[2]), x.dtype)
    for image, y, z, channel, line, pixel in _largest(x, g):
        result[image, y, z, channel] = other[image, line, pixel, channel]
    return result


def max_pool_back(x: np.ndarray, gradient: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of `max_pool`."""
    result = np.zeros_like(x)
    for image, y, z, channel, line, pixel in _largest(x, g):
        result[image, line, pixel, channel] += gradient[image, y, z, channel]
    return result


def sum_pool(x: np.ndarray, g: Geometry) -> np.ndarray:
    """The sum of each window."""
    result = np.zeros((len(x), *_places(g), g.image[2]), x.dtype)
    for y, z, _, _, line, pixel in _under_taps(g):
        result[:, y, z] += x[:, line, pixel]
    return result


def sum_pool_back(gradient: np.ndarray, g: Geometry) -> np.ndarray:
    """The gradient of `sum_pool`."""
    result = np.zeros((len(gradient), *g.image), gradient.dtype)
    for y, z, _, _, line, pixel in _under_taps(g):
        result[:, line, pixel] += gradient[:, y, z]
    return result
