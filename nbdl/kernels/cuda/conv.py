"""Convolutions on a card as matrix products: of the pixels that the kernel sees from each place, read where they lie,
with the weights. Images are (n, height, width, channels), weights (kernel height, kernel width, channels / groups,
outputs); each group is a product of its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from nbdl.kernels.cuda import depthwise
from nbdl.kernels.cuda.device import device, divided, load, store
from nbdl.kernels.cuda.launch import Card
from nbdl.kernels.cuda.tile import Operands, launch_product
from nbdl.kernels.geometry import Geometry

(
    HEIGHT,
    WIDTH,
    CHANNELS,
    ROWS,
    COLUMNS,
    OUTPUTS,
    KERNEL_WIDTH,
    STRIDE_Y,
    STRIDE_X,
    TOP,
    LEFT,
    STEP_Y,
    STEP_X,
    INS,
    OUTS,
) = range(15)
"""What the numbers of a shape are: those of the image, of the result, of the kernel, and of a group."""


def shape_of(g: Geometry) -> tuple[int, ...]:
    """A geometry as the kernels are told it."""
    return (
        *g.image, *g.result, g.outputs, g.kernel[1], *g.stride, g.padding[0][0], g.padding[1][0], *g.dilation,
        g.channels_in, g.channels_out,
    )  # fmt: skip


@device
def place_of(shape, i):
    """Image, row and column of a place of the result."""
    i, column = divided(i, shape[COLUMNS])
    image, row = divided(i, shape[ROWS])
    return image, row, column


@device
def tap_of(shape, p, depth):
    """Row, column and channel of a number of the kernel, which has `depth` channels."""
    p, channel = divided(p, depth)
    row, column = divided(p, shape[KERNEL_WIDTH])
    return row, column, channel


def _image(kind: Any) -> Any:
    """The function that reads the pixel which tap p of the kernel sees from place i of the result."""
    item = np.dtype(kind).itemsize

    @device
    def seen(card, at, shape, i, p):
        image, row, column = place_of(shape, i)
        tap_row, tap_column, channel = tap_of(shape, p, shape[INS])
        y = row * shape[STRIDE_Y] + tap_row * shape[STEP_Y] - shape[TOP]
        x = column * shape[STRIDE_X] + tap_column * shape[STEP_X] - shape[LEFT]
        if 0 <= y < shape[HEIGHT] and 0 <= x < shape[WIDTH]:
            pixel = (image * shape[HEIGHT] + y) * shape[WIDTH] + x
            return load(card, at + item * (pixel * shape[CHANNELS] + channel), kind)
        return kind(0)

    return seen


def _outputs(kind: Any) -> tuple[Any, Any, Any]:
    """What products of pixels with rows of outputs share: where a group's arrays begin, and the functions that read
    the second matrix and write the result.
    """
    item = np.dtype(kind).itemsize

    @device
    def begin(shape, at, group):
        x, outputs, out = at
        return x + item * group * shape[INS], outputs + item * group * shape[OUTS], out + item * group * shape[OUTS]

    @device
    def output(card, at, shape, p, j):
        return load(card, at + item * (p * shape[OUTPUTS] + j), kind)

    @device
    def put(card, at, shape, i, j, value):
        store(card, at + item * (i * shape[OUTPUTS] + j), value)

    return begin, output, put


@cache
def forward(kind: Any) -> Operands:
    """Pixels seen from each place, times weights."""
    begin, output, put = _outputs(kind)
    return Operands(begin, _image(kind), output, put)


@cache
def weights(kind: Any) -> Operands:
    """Pixels seen by each tap, times the gradients of the places."""
    seen = _image(kind)
    begin, output, put = _outputs(kind)

    @device
    def pixel(card, at, shape, i, p):
        return seen(card, at, shape, p, i)

    return Operands(begin, pixel, output, put, (False, True))


@cache
def back(kind: Any) -> Operands:
    """Gradients of the places that see each pixel, times weights."""
    item = np.dtype(kind).itemsize

    @device
    def begin(shape, at, group):
        g, w, out = at
        return g + item * group * shape[OUTS], w + item * group * shape[OUTS], out + item * group * shape[INS]

    @device
    def gradient(card, at, shape, i, p):
        i, x = divided(i, shape[WIDTH])
        image, y = divided(i, shape[HEIGHT])
        tap_row, tap_column, output = tap_of(shape, p, shape[OUTS])
        y += shape[TOP] - tap_row * shape[STEP_Y]
        x += shape[LEFT] - tap_column * shape[STEP_X]
        if y >= 0 and x >= 0:
            row, between_rows = divided(y, shape[STRIDE_Y])
            column, between_columns = divided(x, shape[STRIDE_X])
            if between_rows + between_columns == 0 and row < shape[ROWS] and column < shape[COLUMNS]:
                place = (image * shape[ROWS] + row) * shape[COLUMNS] + column
                return load(card, at + item * (place * shape[OUTPUTS] + output), kind)
        return kind(0)

    @device
    def weight(card, at, shape, p, j):
        tap, output = divided(p, shape[OUTS])
        return load(card, at + item * ((tap * shape[INS] + j) * shape[OUTPUTS] + output), kind)

    @device
    def put(card, at, shape, i, j, value):
        store(card, at + item * (i * shape[CHANNELS] + j), value)

    return Operands(begin, gradient, weight, put, (True, False))


def _is_depthwise(g: Geometry) -> bool:
    """Whether each channel is convolved by itself."""
    return bool(g.groups == g.image[2] == g.outputs > 1)


def convolve(card: Card, kind: Any, x: int, w: int, out: int, images: int, g: Geometry) -> None:
    """out[i, y, z, o] = the sum, over the taps and channels of the kernel, of the pixels that it sees times weights."""
    if _is_depthwise(g):
        depthwise.convolve(card, kind, x, w, out, images, g)
        return
    sizes = (images * g.result[0] * g.result[1], g.channels_out, g.kernel[0] * g.kernel[1] * g.channels_in)
    launch_product(card, kind, forward(kind), (x, w, out), sizes, shape_of(g), count=g.groups)


def convolve_weights(card: Card, kind: Any, x: int, gradient: int, out: int, images: int, g: Geometry) -> None:
    """The gradient of `convolve` with respect to w."""
    if _is_depthwise(g):
        depthwise.convolve_weights(card, kind, x, gradient, out, images, g)
        return
    sizes = (g.kernel[0] * g.kernel[1] * g.channels_in, g.channels_out, images * g.result[0] * g.result[1])
    places, shape = (x, gradient, out), shape_of(g)
    launch_product(card, kind, weights(kind), places, sizes, shape, count=g.groups, whole=g.groups == 1)


def convolve_back(card: Card, kind: Any, gradient: int, w: int, out: int, images: int, g: Geometry) -> None:
    """The gradient of `convolve` with respect to x."""
    if _is_depthwise(g):
        depthwise.convolve_back(card, kind, gradient, w, out, images, g)
        return
    sizes = (images * g.image[0] * g.image[1], g.channels_in, g.kernel[0] * g.kernel[1] * g.channels_out)
    launch_product(card, kind, back(kind), (gradient, w, out), sizes, shape_of(g), count=g.groups)
