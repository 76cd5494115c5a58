"""Pooling of images and of sequences of channels, and changes of their size. Options are as in `images.py`."""

from __future__ import annotations

from nbdl import functions
from nbdl.errors import OptionError, ShapeError
from nbdl.images import IMAGE, SEQUENCE, flat_pair, over_images, over_sequences
from nbdl.ir import ops
from nbdl.ir import pooling as rows
from nbdl.ir.graph import Node
from nbdl.ir.primitives import apply
from nbdl.ir.shapes import show_shape
from nbdl.kernels.geometry import Geometry, Pair
from nbdl.tensor import Tensor, TensorLike, node_of
from nbdl.windows import (
    FlatPadding,
    Padding,
    Sizes,
    check_reach,
    explicit_padding,
    flat_padding,
    pair,
    resolve_padding,
    whole,
)

# --- pooling ----------------------------------------------------------------------------------------------------------


def max_pool2d(x: TensorLike, size: Sizes = 2, *, stride: Sizes | None = None, padding: Padding = "valid") -> Tensor:
    """The largest element of each window and channel; of equal ones the first gets the gradient.

    With x `(n, height, width, channels)` the result is `(n, (height + padding - size) // stride + 1, ..., channels)`.
    What is padded is never the largest.

    Args:
        x: images.
        size: size of the window.
        stride: pixels from one window to the next; None for its size.
        padding: pixels around the images, fewer than the window has.

    Raises:
        ShapeError: the number of axes doesn't fit, or the window is larger than the padded image.
        OptionError: an option has a value that there can't be.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1)).numpy().ravel()
    array([ 5.,  7., 13., 15.])

    Source: Riesenhuber, Poggio, Hierarchical Models of Object Recognition in Cortex, Nature Neuroscience 2 (1999).
    """
    window = pair("size", size), pair("stride", size if stride is None else stride), padding
    return over_images("max_pool2d", x, lambda image: rows.max_pool(image, _windows("max_pool2d", image, *window)))


def max_pool1d(x: TensorLike, size: int = 2, *, stride: int | None = None, padding: FlatPadding = "valid") -> Tensor:
    """The largest element of each window of a sequence and channel: see `max_pool2d`.

    With x `(n, time, channels)` the result is `(n, (time + padding - size) // stride + 1, channels)`.

    >>> import numpy as np
    >>> max_pool1d(np.arange(6.0).reshape(1, 6, 1), 3).numpy().ravel()
    array([2., 5.])
    """
    window = flat_pair("size", size), flat_pair("stride", size if stride is None else stride), flat_padding(padding)
    return over_sequences("max_pool1d", x, lambda image: rows.max_pool(image, _windows("max_pool1d", image, *window)))


def average_pool2d(
    x: TensorLike,
    size: Sizes = 2,
    *,
    stride: Sizes | None = None,
    padding: Padding = "valid",
    count_padding: bool = False,
) -> Tensor:
    """The mean of each window and channel.

    Args:
        x: images.
        size: size of the window.
        stride: pixels from one window to the next; None for its size.
        padding: pixels around the images, fewer than the window has.
        count_padding: whether padding counts as zeros; else the mean is that of the pixels inside the image.

    Raises:
        ShapeError: as for `max_pool2d`.
        OptionError: as for `max_pool2d`.

    >>> import numpy as np
    >>> average_pool2d(np.arange(16.0).reshape(1, 4, 4, 1)).numpy().ravel()
    array([ 2.5,  4.5, 10.5, 12.5])

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86 (1998).
    """
    window = pair("size", size), pair("stride", size if stride is None else stride), padding
    return over_images(
        "average_pool2d", x, lambda image: _mean(image, _windows("average_pool2d", image, *window), count_padding)
    )


def average_pool1d(
    x: TensorLike,
    size: int = 2,
    *,
    stride: int | None = None,
    padding: FlatPadding = "valid",
    count_padding: bool = False,
) -> Tensor:
    """The mean of each window of a sequence and channel: see `average_pool2d`.

    >>> import numpy as np
    >>> average_pool1d(np.arange(6.0).reshape(1, 6, 1), 3).numpy().ravel()
    array([1., 4.])
    """
    window = flat_pair("size", size), flat_pair("stride", size if stride is None else stride), flat_padding(padding)
    return over_sequences(
        "average_pool1d", x, lambda image: _mean(image, _windows("average_pool1d", image, *window), count_padding)
    )


def _windows(name: str, image: Node, size: Pair, stride: Pair, padding: Padding) -> Geometry:
    height, width, channels = whole(name, image.shape[1:])
    padded = resolve_padding(padding, (height, width), size, stride, (1, 1))
    geometry = Geometry((height, width, channels), size, channels, stride, padded)
    check_reach(name, geometry)
    if any(max(sides) >= length for sides, length in zip(padded, size, strict=True)):
        raise OptionError(f"{name}: a padding of {padded} around windows of {size}: some would see nothing else")
    return geometry


def _mean(image: Node, geometry: Geometry, count_padding: bool) -> Node:
    total = rows.sum_pool(ops.as_float(image), geometry)
    if count_padding or geometry.padding == ((0, 0), (0, 0)):
        return ops.multiply(total, 1 / (geometry.kernel[0] * geometry.kernel[1]))
    for axis, shape in ((0, (-1, 1, 1)), (1, (-1, 1))):
        first = ops.iota(geometry.result[axis]) * geometry.stride[axis] - geometry.padding[axis][0]
        inside = ops.minimum(first + geometry.kernel[axis], geometry.image[axis]) - ops.maximum(first, 0)
        total = total / ops.reshape(ops.cast(inside, total.dtype), shape)
    return total


# --- whole images, and changes of size --------------------------------------------------------------------------------


def global_max_pool(x: TensorLike) -> Tensor:
    """The largest element of each channel: `(n, ..., channels)` to `(n, channels)`.

    >>> import numpy as np
    >>> global_max_pool(np.arange(8.0).reshape(1, 2, 2, 2)).numpy()
    array([[6., 7.]])
    """
    return functions.max(x, _inner_axes("global_max_pool", x))


def global_average_pool(x: TensorLike) -> Tensor:
    """The mean of each channel: `(n, ..., channels)` to `(n, channels)`.

    >>> import numpy as np
    >>> global_average_pool(np.arange(8.0).reshape(1, 2, 2, 2)).numpy()
    array([[3., 4.]])

    Source: Lin, Chen, Yan, Network In Network, ICLR 2014.
    """
    return functions.mean(x, _inner_axes("global_average_pool", x))


def _inner_axes(name: str, x: TensorLike) -> tuple[int, ...]:
    shape = node_of(x).shape
    if len(shape) < 3:
        raise ShapeError(f"{name} takes {IMAGE} or {SEQUENCE}, not {show_shape(shape)}")
    return tuple(range(1, len(shape) - 1))


def upsample2d(x: TensorLike, size: Sizes = 2) -> Tensor:
    """Each pixel becomes a block of `size` equal ones: `(n, height, width, channels)` to `(n, height * size, ...)`.

    Raises:
        ShapeError: the number of axes doesn't fit.
        OptionError: a size below 1.

    >>> import numpy as np
    >>> upsample2d(np.array([[[1.0], [2.0]]])).numpy()[..., 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    block = pair("size", size)
    return over_images("upsample2d", x, lambda image: _upsample("upsample2d", image, block))


def upsample1d(x: TensorLike, size: int = 2) -> Tensor:
    """Each step becomes `size` equal ones: `(n, time, channels)` to `(n, time * size, channels)`.

    >>> import numpy as np
    >>> upsample1d(np.array([[1.0], [2.0]])).numpy().ravel()
    array([1., 1., 2., 2.])
    """
    block = flat_pair("size", size)
    return over_sequences("upsample1d", x, lambda image: _upsample("upsample1d", image, block))


def _upsample(name: str, image: Node, size: Pair) -> Node:
    """What a sum over blocks has as its gradient is what repeats pixels."""
    height, width, channels = whole(name, image.shape[1:])
    geometry = Geometry((height * size[0], width * size[1], channels), size, channels, stride=size)
    return apply("sum_pool_back", ops.as_float(image), geometry=geometry)


def zero_pad2d(x: TensorLike, padding: Padding = 1) -> Tensor:
    """Zeros around images: a number for all sides, (height, width), or ((top, bottom), (left, right)).

    Raises:
        ShapeError: the number of axes doesn't fit.
        OptionError: the padding is none of these.

    >>> import numpy as np
    >>> zero_pad2d(np.ones((1, 2, 2, 1), np.float32)).shape
    (1, 4, 4, 1)
    """
    (top, bottom), (left, right) = explicit_padding(padding)
    return over_images("zero_pad2d", x, lambda image: ops.pad_axis(ops.pad_axis(image, 1, top, bottom), 2, left, right))
