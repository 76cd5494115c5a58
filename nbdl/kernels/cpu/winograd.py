"""Winograd's convolution of images with 3x3 and 5x5 kernels: less than half of the multiplications.

A tile of tile x tile pixels of the result depends on side x side pixels of the image, side = tile + kernel - 1. Both
those and the kernel are mapped to as many *points*, where the convolution is a product, point by point, and the
products are mapped to the result:

    y = A^T [(B^T x B) * (G w G^T)] A

With 3x3 kernels and tiles of 4x4, that is 36 products in place of 144 for each pair of channels. Summed over channels,
and for many tiles at a time, they are matrix products, one for each of the points. The maps are linear
(`winograd_maps.py`), so that the gradients go the same way backwards.

>>> import numpy as np
>>> from nbdl.kernels.cpu.matmul import SCRATCH
>>> from nbdl.kernels.cpu.winograd_points import winograd_points
>>> x, w, y = np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), np.empty((1, 4, 4, 1))
>>> points, scratch = np.empty((4, 4, 1, 1)), np.empty(SCRATCH)
>>> winograd_points(w, points, 2, scratch)
>>> winograd(x, points, y, 2, 1, 1, scratch)
>>> y[0, :, :, 0]
array([[4., 6., 6., 4.],
       [6., 9., 9., 6.],
       [6., 9., 9., 6.],
       [4., 6., 6., 4.]])

Images are (n, height, width, channels); `top` lines and `left` pixels of zeros lie before them, and as many behind as
the result asks for; `tile` is one of TILES. All arrays are C-contiguous and of one dtype, float32 or
float64, and don't overlap. `scratch` has as many elements as `room` says in `kernels/winograd.py`.

Source: A. Lavin, S. Gray, Fast algorithms for convolutional neural networks, CVPR 2016, arXiv 1509.09308. With these
points a result's rounding error is up to twice that of the plain sum, a gradient's up to three and a half times.
"""

from typing import Any, Final

from numba import njit, types

from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.vector import offset, pointer, vector_lanes
from nbdl.kernels.cpu.winograd_maps import (
    add_input_back,
    add_weights_back,
    map_input,
    map_output,
    map_output_back,
    map_weights_back,
)
from nbdl.kernels.cpu.winograd_products import multiply_points
from nbdl.kernels.winograd import CACHE, MORE, STRIP, TOGETHER, TOGETHER_SUMMED

RESULT: Final = 0
IMAGE: Final = 1
WEIGHTS: Final = 2
"""What is computed from the two others."""

inline = njit(inline="always")
"""For the parts of the one compiled function."""


@inline
def _clipped(number: int, most: int) -> int:
    return 0 if number < 0 else most if number > most else number


@inline
def _clear(start: Any, count: int) -> None:
    for i in range(count):
        start[i] = 0


@inline
def _clear_sides(lines: Any, count: int, pixels: int, channels: int, before: int, end: int) -> None:
    """Clear what some lines have outside of an image."""
    for i in range(count):
        _clear(offset(lines, i * pixels * channels), before * channels)
        _clear(offset(lines, (i * pixels + end) * channels), (pixels - end) * channels)


@inline
def _plane(tiles: int, channels: int, lanes: int) -> int:
    """Numbers for a point of some tiles: an odd number of vectors, as planes that lie a page apart would meet in the
    same places of the caches.
    """
    return ((tiles * channels + lanes - 1) // lanes | 1) * lanes


@inline
def _place(strip: int, strips: int, down: int, tile: int, count: int) -> tuple[int, int, int]:
    """Where a strip of `count` tiles begins: image, line and pixel of the result."""
    line = strip // strips
    return line // down, tile * (line % down), tile * count * (strip % strips)


@inline
def _image_to_points(
    x: Any, height: int, width: int, channels: int, y: int, z: int, tile: int, kernel: int, count: int, points: Any,
    plane: int, lines: Any, zeros: Any,
) -> None:  # fmt: skip
    """Map the tiles of a strip, of which the first begins at y and z, maybe outside of the image."""
    side, pixels = tile + kernel - 1, tile * count + kernel - 1
    row, before, end = pixels * channels, _clipped(-z, pixels), _clipped(width - z, pixels)
    _clear_sides(lines, side, pixels, channels, before, end)
    start, inside = offset(x, (y * width + z + before) * channels), offset(lines, before * channels)
    length = (end - before) * channels
    map_input(tile, kernel, start, width * channels, 0, inside, row, 0, 1, length, -y, height - y, zeros)
    for i in range(side):
        line, place = offset(lines, i * row), offset(points, side * i * plane)
        sizes = count, channels, 0, side
        map_input(tile, kernel, line, channels, tile * channels, place, plane, channels, *sizes, zeros)


@inline
def _points_to_image(
    points: Any, plane: int, lines: Any, x: Any, height: int, width: int, channels: int, y: int, z: int, tile: int,
    kernel: int, count: int, nowhere: Any,
) -> None:  # fmt: skip
    """The same backwards: add to the image what a gradient of points means for it."""
    side, pixels = tile + kernel - 1, tile * count + kernel - 1
    row, before, end = pixels * channels, _clipped(-z, pixels), _clipped(width - z, pixels)
    _clear(lines, side * row)
    for i in range(side):
        place, line = offset(points, side * i * plane), offset(lines, i * row)
        sizes = count, channels, 0, side
        add_input_back(tile, kernel, place, plane, channels, line, channels, tile * channels, *sizes, nowhere)
    inside, start = offset(lines, before * channels), offset(x, (y * width + z + before) * channels)
    length = (end - before) * channels
    add_input_back(tile, kernel, inside, row, 0, start, width * channels, 0, 1, length, -y, height - y, nowhere)


@inline
def _points_to_result(
    points: Any, plane: int, lines: Any, out: Any, height: int, width: int, channels: int, y: int, z: int, tile: int,
    kernel: int, count: int, nowhere: Any,
) -> None:  # fmt: skip
    """Map the points of a strip to its tiles of the result, of which the last may lie partly outside."""
    side, row = tile + kernel - 1, tile * count * channels
    for i in range(side):
        place, line = offset(points, side * i * plane), offset(lines, i * row)
        map_output(
            tile, kernel, place, plane, channels, line, channels, tile * channels, count, channels, 0, tile, nowhere
        )  # fmt: skip
    start, length = offset(out, (y * width + z) * channels), _clipped(width - z, tile * count) * channels
    map_output(tile, kernel, lines, row, 0, start, width * channels, 0, 1, length, 0, height - y, nowhere)


@inline
def _result_to_points(
    g: Any, height: int, width: int, channels: int, y: int, z: int, tile: int, kernel: int, count: int, points: Any,
    plane: int, lines: Any, zeros: Any,
) -> None:  # fmt: skip
    """The same backwards: what a gradient of the result means for the points."""
    side, pixels = tile + kernel - 1, tile * count
    row, end = pixels * channels, _clipped(width - z, pixels)
    _clear_sides(lines, side, pixels, channels, 0, end)
    start = offset(g, (y * width + z) * channels)
    map_output_back(tile, kernel, start, width * channels, 0, lines, row, 0, 1, end * channels, 0, height - y, zeros)
    for i in range(side):
        line, place = offset(lines, i * row), offset(points, side * i * plane)
        sizes = count, channels, 0, tile
        map_output_back(tile, kernel, line, channels, tile * channels, place, plane, channels, *sizes, zeros)


@inline
def _multiply(
    wanted: int, x_points: Any, x_plane: int, u: Any, g_points: Any, g_plane: int, points: int, sizes: Any, add: bool,
    alone: bool,
) -> None:  # fmt: skip
    """Compute the points of what is wanted from those of the two others; those of weights are added up."""
    channels, outputs, tiles = sizes
    x, w, g = (x_points, channels, x_plane), (u, channels * outputs), (g_points, outputs, g_plane)
    if wanted == RESULT:
        product = g[0], x[0], x[1], 1, x[2], w[0], outputs, w[1], g[1], g[2], points, tiles, outputs, channels, 0
    elif wanted == IMAGE:
        product = x[0], g[0], g[1], 1, g[2], w[0], channels, w[1], x[1], x[2], points, tiles, channels, outputs, 0
    else:
        product = w[0], x[0], 1, x[1], x[2], g[0], g[1], g[2], outputs, w[1], points, channels, outputs, tiles, int(add)
    multiply_points(product, alone)


def _signature(scalar: types.Float) -> Any:
    pointer, n = types.CPointer(scalar), types.intp
    return types.void(pointer, pointer, pointer, pointer, n, n, n, n, n, n, n, n, n, n, n, n)


@shared(_signature)
def _run(
    x: Any, u: Any, g: Any, scratch: Any, wanted: int, images: int, height: int, width: int, channels: int, lines: int,
    pixels: int, outputs: int, top: int, left: int, tile: int, kernel: int,
) -> None:  # fmt: skip
    """Go over the images strip by strip: to points, the products, and back. `g` is the result, or its gradient."""
    lanes, side = vector_lanes(x), tile + kernel - 1
    across, down, points = (pixels + tile - 1) // tile, (lines + tile - 1) // tile, side * side
    strips = (across * tile + STRIP - 1) // STRIP
    count = (across + strips - 1) // strips
    least = (TOGETHER_SUMMED if wanted == WEIGHTS else TOGETHER) * (1 if points * channels * outputs <= CACHE else MORE)
    most = (least + count - 1) // count
    x_plane, g_plane = _plane(most * count, channels, lanes), _plane(most * count, outputs, lanes)
    line = (tile * count + kernel - 1) * (channels if channels > outputs else outputs)
    zeros, nowhere, part = scratch, offset(scratch, line), offset(scratch, 2 * line)
    x_points = offset(scratch, (2 + side) * line)
    g_points = offset(x_points, points * x_plane)
    _clear(zeros, line)
    total = images * down * strips
    for first in range(0, total, most):
        together = total - first if total - first < most else most
        tiles = together * count
        for number in range(first, first + together):
            image, y, z = _place(number, strips, down, tile, count)
            before = (number - first) * count
            if wanted != IMAGE:
                place = offset(x_points, before * channels)
                whole = offset(x, image * height * width * channels)
                _image_to_points(
                    whole, height, width, channels, y - top, z - left, tile, kernel, count, place, x_plane, part, zeros
                )  # fmt: skip
            if wanted != RESULT:
                place = offset(g_points, before * outputs)
                whole = offset(g, image * lines * pixels * outputs)
                _result_to_points(whole, lines, pixels, outputs, y, z, tile, kernel, count, place, g_plane, part, zeros)
        sizes = channels, outputs, tiles
        _multiply(wanted, x_points, x_plane, u, g_points, g_plane, points, sizes, first > 0, images == 1)
        for number in range(first, first + together):
            image, y, z = _place(number, strips, down, tile, count)
            before = (number - first) * count
            if wanted == RESULT:
                place = offset(g_points, before * outputs)
                whole = offset(g, image * lines * pixels * outputs)
                _points_to_result(
                    place, g_plane, part, whole, lines, pixels, outputs, y, z, tile, kernel, count, nowhere
                )
            elif wanted == IMAGE:
                place = offset(x_points, before * channels)
                whole = offset(x, image * height * width * channels)
                y, z = y - top, z - left
                _points_to_image(
                    place, x_plane, part, whole, height, width, channels, y, z, tile, kernel, count, nowhere
                )  # fmt: skip


@kernel
def winograd(x: Any, u: Any, out: Any, tile: int, top: int, left: int, scratch: Any) -> None:
    """out[i, y, z, o] = sum x[i, y - top + ky, z - left + kx, c] * w[ky, kx, c, o], u being the points of w."""
    n, height, width, channels = x.shape
    _, lines, pixels, outputs = out.shape
    sizes = n, height, width, channels, lines, pixels, outputs, top, left
    _run((pointer(x), pointer(u), pointer(out), pointer(scratch), RESULT, *sizes, tile, u.shape[0] - tile + 1))


@kernel
def winograd_back(g: Any, u: Any, out: Any, tile: int, top: int, left: int, scratch: Any) -> None:
    """The gradient of `winograd` with respect to x, g being that with respect to its result and u transposed points."""
    n, height, width, channels = out.shape
    _, lines, pixels, outputs = g.shape
    _clear(pointer(out), n * height * width * channels)
    sizes = n, height, width, channels, lines, pixels, outputs, top, left
    _run((pointer(out), pointer(u), pointer(g), pointer(scratch), IMAGE, *sizes, tile, u.shape[0] - tile + 1))


@kernel
def winograd_weights(x: Any, g: Any, out: Any, tile: int, top: int, left: int, scratch: Any) -> None:
    """The gradient of `winograd` with respect to w."""
    _clear(pointer(out), out.size)
    winograd_weights_add(x, g, out, tile, top, left, scratch)


@kernel
def winograd_weights_add(x: Any, g: Any, out: Any, tile: int, top: int, left: int, scratch: Any) -> None:
    """The same, added to what is there."""
    n, height, width, channels = x.shape
    _, lines, pixels, outputs = g.shape
    if n == 0:
        return
    kernel, plane = out.shape[0], channels * outputs
    side, u = tile + kernel - 1, pointer(scratch)
    rest = offset(u, side * side * plane)
    sizes = n, height, width, channels, lines, pixels, outputs, top, left
    _run((pointer(x), u, pointer(g), rest, WEIGHTS, *sizes, tile, kernel))
    whole, step = side * plane, kernel * plane
    map_weights_back(tile, kernel, u, whole, 0, rest, whole, 0, 1, whole, 0, kernel, rest)
    add_weights_back(tile, kernel, rest, plane, whole, pointer(out), plane, step, kernel, plane, 0, kernel, rest)
