"""Windows that go over images on a card, each channel by itself: what pooling and depthwise convolution have in common.

A thread has one number of the result, and asks the windows, or the pixels, that it depends on. Nothing is added to
memory that another thread adds to, so that sums are the same each time.
"""

from __future__ import annotations

from nbdl.kernels.cuda.device import device, divided
from nbdl.kernels.geometry import Geometry

HEIGHT, WIDTH, CHANNELS, ROWS, COLUMNS, TAP_ROWS, TAP_COLUMNS, STRIDE_Y, STRIDE_X, TOP, LEFT, STEP_Y, STEP_X = range(13)
"""What the numbers of a shape are: those of the image, of the result, of the window."""


def shape_of(g: Geometry) -> tuple[int, ...]:
    """A geometry as the kernels are told it."""
    return (
        *g.image, *g.result, *g.kernel, *g.stride, g.padding[0][0], g.padding[1][0], *g.dilation,
    )  # fmt: skip


def results(images: int, g: Geometry) -> int:
    """How many numbers the results have: one for each window and channel."""
    return images * g.result[0] * g.result[1] * g.image[2]


def pixels(images: int, g: Geometry) -> int:
    """How many numbers the images have."""
    return images * g.image[0] * g.image[1] * g.image[2]


@device
def image_shape(shape, images):
    """The shape of images."""
    return images, shape[HEIGHT], shape[WIDTH], shape[CHANNELS]


@device
def result_shape(shape, images):
    """The shape of what windows over images give."""
    return images, shape[ROWS], shape[COLUMNS], shape[CHANNELS]


@device
def place_of(shape, e):
    """Image, row, column and channel of a number of the result."""
    e, channel = divided(e, shape[CHANNELS])
    e, column = divided(e, shape[COLUMNS])
    image, row = divided(e, shape[ROWS])
    return image, row, column, channel


@device
def pixel_of(shape, e):
    """Image, y, x and channel of a number of the image."""
    e, channel = divided(e, shape[CHANNELS])
    e, x = divided(e, shape[WIDTH])
    image, y = divided(e, shape[HEIGHT])
    return image, y, x, channel


@device
def seen(shape, row, column, tap):
    """The pixel (y, x) that a tap sees from a place, and whether it lies inside the image."""
    tap_row, tap_column = divided(tap, shape[TAP_COLUMNS])
    y = row * shape[STRIDE_Y] + tap_row * shape[STEP_Y] - shape[TOP]
    x = column * shape[STRIDE_X] + tap_column * shape[STEP_X] - shape[LEFT]
    return y, x, 0 <= y < shape[HEIGHT] and 0 <= x < shape[WIDTH]


@device
def seeing(shape, y, x, tap):
    """The place (row, column) from which a tap sees a pixel, and whether there is one."""
    tap_row, tap_column = divided(tap, shape[TAP_COLUMNS])
    y += shape[TOP] - tap_row * shape[STEP_Y]
    x += shape[LEFT] - tap_column * shape[STEP_X]
    if y < 0 or x < 0:
        return 0, 0, False
    row, rows_between = divided(y, shape[STRIDE_Y])
    column, columns_between = divided(x, shape[STRIDE_X])
    there = rows_between + columns_between == 0 and row < shape[ROWS] and column < shape[COLUMNS]
    return row, column, there
