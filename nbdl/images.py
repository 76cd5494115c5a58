"""Convolution of images and of sequences of channels.

Images are (n, height, width, channels), sequences (n, time, channels); a single image or sequence, without n, is fine
too. Sizes of windows, strides and the like are one number for both axes, or (height, width). Padding is "valid" (none),
"same" (as many places as the stride leaves, ceil(size / stride), the window centred), a number for all sides, (height,
width), or ((top, bottom), (left, right)).
"""

from __future__ import annotations

from collections.abc import Callable

from nbdl.errors import OptionError, ShapeError
from nbdl.ir import convolution, ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import show_shape
from nbdl.kernels.geometry import Geometry, Pair
from nbdl.tensor import Tensor, TensorLike, node_of
from nbdl.windows import (
    FlatPadding,
    Padding,
    Sizes,
    check_reach,
    flat_padding,
    pair,
    resolve_padding,
    transposed_geometry,
    whole,
)

IMAGE, SEQUENCE = "(n, height, width, channels)", "(n, time, channels)"

# --- convolution ------------------------------------------------------------------------------------------------------


def conv2d(
    x: TensorLike,
    w: TensorLike,
    *,
    stride: Sizes = 1,
    padding: Padding = "valid",
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images with a kernel (a correlation, as everywhere in deep learning).

    y[n, i, j, o] = sum over a, b, c of
    x[n, i * stride + a * dilation - top, j * stride + b * dilation - left, c] * w[a, b, c, o],
    with x `(n, height, width, channels)`, w `(kernel height, kernel width, channels / groups, outputs)` and y `(n,
    (height + padding - reach) // stride + 1, ..., outputs)`, where reach = (kernel - 1) * dilation + 1.

    Args:
        x: images.
        w: weights.
        stride: pixels from one place of the kernel to the next.
        padding: zeros around the images.
        dilation: pixels from one tap of the kernel to the next.
        groups: parts of the channels; each has a part of the outputs, which sees no other channels.

    Raises:
        ShapeError: numbers of axes or channels don't fit, or the kernel is larger than the padded image.
        OptionError: an option has a value that there can't be.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 4, 4, 1), np.float32), np.ones((3, 3, 1, 2), np.float32)).shape
    (1, 2, 2, 2)

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86 (1998).
    """
    options = (pair("stride", stride), padding, pair("dilation", dilation), groups)
    return over_images("conv2d", x, lambda image: _convolve("conv2d", image, node_of(w), *options))


def conv1d(
    x: TensorLike,
    w: TensorLike,
    *,
    stride: int = 1,
    padding: FlatPadding = "valid",
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of sequences with a kernel.

    y[n, i, o] = sum over a, c of x[n, i * stride + a * dilation - before, c] * w[a, c, o], with x `(n, time,
    channels)`, w `(kernel, channels / groups, outputs)` and y `(n, (time + padding - reach) // stride + 1, outputs)`.

    Args:
        x: sequences.
        w: weights.
        stride: steps from one place of the kernel to the next.
        padding: zeros before and behind: "valid", "same", a number, or (before, behind).
        dilation: steps from one tap of the kernel to the next.
        groups: as for `conv2d`.

    Raises:
        ShapeError: as for `conv2d`.
        OptionError: as for `conv2d`.

    >>> import numpy as np
    >>> conv1d(np.ones((1, 5, 2), np.float32), np.ones((3, 2, 4), np.float32), padding="same").shape
    (1, 5, 4)

    Source: Waibel et al., Phoneme Recognition Using Time-Delay Neural Networks, IEEE Transactions on Acoustics, Speech,
    and Signal Processing 37 (1989).
    """
    options = (flat_pair("stride", stride), flat_padding(padding), flat_pair("dilation", dilation), groups)
    return over_sequences("conv1d", x, lambda image: _convolve("conv1d", image, _flat_weights("conv1d", w), *options))


def conv2d_transpose(
    x: TensorLike,
    w: TensorLike,
    *,
    stride: Sizes = 1,
    padding: Padding = "valid",
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Transposed convolution: what the gradient of a convolution with the same options does to its result.

    Each pixel of x adds its channels, times the weights, to the pixels under the kernel. With x `(n, height, width,
    channels)` and w `(kernel height, kernel width, outputs / groups, channels)` the result is `(n, (height - 1) *
    stride + reach - padding + output_padding, ..., outputs)`; with "same", `(n, height * stride, ..., outputs)`.

    Args:
        x: images.
        w: weights, outputs before channels: those of the convolution whose gradient this is.
        stride: pixels of the result from one pixel of x to the next.
        padding: pixels cut off at the edges of the result.
        output_padding: pixels added to the result below and on the right, less than the stride: images of several sizes
            have convolutions of one size, and this tells which size is meant.
        dilation: pixels from one tap of the kernel to the next.
        groups: as for `conv2d`.

    Raises:
        ShapeError: numbers of axes or channels don't fit, or nothing is left of the result.
        OptionError: an option has a value that there can't be.

    >>> import numpy as np
    >>> conv2d_transpose(np.ones((1, 4, 4, 3), np.float32), np.ones((2, 2, 5, 3), np.float32), stride=2).shape
    (1, 8, 8, 5)

    Source: Zeiler et al., Deconvolutional Networks, CVPR 2010.
    """
    options = (
        pair("stride", stride),
        padding,
        pair("output_padding", output_padding, 0),
        pair("dilation", dilation),
        groups,
    )
    name = "conv2d_transpose"
    return over_images(name, x, lambda image: _convolve_back(name, image, node_of(w), *options))


def conv1d_transpose(
    x: TensorLike,
    w: TensorLike,
    *,
    stride: int = 1,
    padding: FlatPadding = "valid",
    output_padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Transposed convolution of sequences: see `conv2d_transpose`.

    With x `(n, time, channels)` and w `(kernel, outputs / groups, channels)` the result is `(n, (time - 1) * stride +
    reach - padding + output_padding, outputs)`.

    >>> import numpy as np
    >>> conv1d_transpose(np.ones((1, 4, 3), np.float32), np.ones((2, 5, 3), np.float32), stride=2).shape
    (1, 8, 5)
    """
    options = (
        flat_pair("stride", stride),
        flat_padding(padding),
        (0, pair("output_padding", output_padding, 0)[1]),
        flat_pair("dilation", dilation),
        groups,
    )
    name = "conv1d_transpose"
    return over_sequences(name, x, lambda image: _convolve_back(name, image, _flat_weights(name, w), *options))


def _convolve(
    name: str, image: Node, weights: Node, stride: Pair, padding: Padding, dilation: Pair, groups: int
) -> Node:
    height, width, channels = whole(name, image.shape[1:])
    kh, kw, cin, outputs = _weight_sizes(name, weights)
    if groups < 1 or channels % groups or outputs % groups:
        raise OptionError(
            f"{name}: {channels} channels and {outputs} outputs can't be shared out among {groups} groups"
        )
    if cin * groups != channels:
        shown = "" if groups == 1 else f" in {groups} groups"
        raise ShapeError(
            f"{name} of {channels} channels{shown} takes weights for {channels // groups} channels, not {cin}"
        )
    padded = resolve_padding(padding, (height, width), (kh, kw), stride, dilation)
    geometry = Geometry((height, width, channels), (kh, kw), outputs, stride, padded, dilation, groups)
    check_reach(name, geometry)
    image, weights = ops.promote(ops.as_float(image), ops.as_float(weights))
    if Geometry(geometry.image, (1, 1), outputs) == geometry:  # a matrix product, pixel by pixel
        pixels = ops.reshape(image, (ops.product(image.shape[:3]), channels))
        return ops.reshape(ops.matmul(pixels, ops.reshape(weights, (channels, outputs))), (*image.shape[:3], outputs))
    return convolution.convolution(image, weights, geometry)


def _convolve_back(
    name: str,
    image: Node,
    weights: Node,
    stride: Pair,
    padding: Padding,
    output_padding: Pair,
    dilation: Pair,
    groups: int,
) -> Node:
    height, width, channels = whole(name, image.shape[1:])
    kh, kw, outputs, cin = _weight_sizes(name, weights)
    if groups < 1 or channels % groups:
        raise OptionError(f"{name}: {channels} channels can't be shared out among {groups} groups")
    if cin != channels:
        raise ShapeError(f"{name} of {channels} channels takes weights that end in {channels} channels, not {cin}")
    geometry = transposed_geometry(
        name, (height, width, channels), (kh, kw, outputs, cin), stride, padding, output_padding, dilation, groups
    )
    image, weights = ops.promote(ops.as_float(image), ops.as_float(weights))
    return convolution.input_gradient(image, weights, geometry)


def _weight_sizes(name: str, weights: Node) -> tuple[int, int, int, int]:
    if len(weights.shape) != 4:
        raise ShapeError(
            f"{name} takes weights (kernel height, kernel width, channels, outputs), not {show_shape(weights.shape)}"
        )
    kh, kw, cin, outputs = whole(name, weights.shape)
    if min(kh, kw, cin, outputs) < 1:
        raise ShapeError(f"{name} takes weights without empty axes, not {show_shape(weights.shape)}")
    return kh, kw, cin, outputs


# --- ranks ------------------------------------------------------------------------------------------------------------


def over_images(name: str, x: TensorLike, function: Callable[[Node], Node]) -> Tensor:
    """Apply a function of (n, height, width, channels), also to a single image."""
    return _with_rank(name, x, 4, IMAGE, function)


def over_sequences(name: str, x: TensorLike, function: Callable[[Node], Node]) -> Tensor:
    """Apply a function of images to (n, time, channels) as images of height 1, also to a single sequence."""

    def of_sequences(sequences: Node) -> Node:
        n, time, channels = sequences.shape
        image = function(ops.reshape(sequences, (n, 1, time, channels)))
        return ops.reshape(image, (image.shape[0], *image.shape[2:]))

    return _with_rank(name, x, 3, SEQUENCE, of_sequences)


def _with_rank(name: str, x: TensorLike, rank: int, layout: str, function: Callable[[Node], Node]) -> Tensor:
    node = node_of(x)
    if len(node.shape) == rank - 1:
        many = function(ops.reshape(node, (1, *node.shape)))
        return Tensor.wrap(ops.reshape(many, many.shape[1:]))
    if len(node.shape) != rank:
        raise ShapeError(f"{name} takes {layout}, not {show_shape(node.shape)}")
    return Tensor.wrap(function(node))


def flat_pair(name: str, value: int) -> Pair:
    """An option of a sequence as that of an image of height 1."""
    if not isinstance(value, int):
        raise OptionError(f"{name} is a whole number, not {value!r}")
    return 1, pair(name, value)[1]


def _flat_weights(name: str, w: TensorLike) -> Node:
    weights = node_of(w)
    if len(weights.shape) != 3:
        raise ShapeError(f"{name} takes weights (kernel, channels, outputs), not {show_shape(weights.shape)}")
    return ops.reshape(weights, (1, *weights.shape))
