"""Winograd's convolution of images with 3x3 kernels: less than half of the multiplications.

A square of 2x2 pixels of the result depends on a square of 4x4 pixels of the image. Both that and the kernel are mapped
to 4x4 *points*, where the convolution is a product, point by point, and the products are mapped to the result:

    y = A^T [(B^T x B) * (G w G^T)] A

That is 16 products in place of 36 for each pair of channels. Summed over channels, and for many squares at a time, they
are matrix products, one for each of the points. The maps are linear (`winograd_maps.py`), so that the gradients go the
same way backwards.

>>> import numpy as np
>>> from nbdl.kernels.cpu.matmul import SCRATCH
>>> x, w, y = np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), np.empty((1, 4, 4, 1))
>>> points, scratch = np.empty((4, 4, 1, 1)), np.empty(SCRATCH)
>>> winograd_points(w, points, scratch)
>>> winograd(x, points, y, 1, 1, scratch)
>>> y[0, :, :, 0]
array([[4., 6., 6., 4.],
       [6., 9., 9., 6.],
       [6., 9., 9., 6.],
       [4., 6., 6., 4.]])

Images are (n, height, width, channels); `top` lines and `left` pixels of zeros lie before them, and as many behind as
the result asks for. All arrays are C-contiguous and of one dtype, float32 or float64, and don't overlap. `scratch` has
SCRATCH elements, as for the matrix product, of which the kernels use no more than `room` says in `kernels/winograd.py`.

Source: A. Lavin, S. Gray, Fast algorithms for convolutional neural networks, CVPR 2016, arXiv 1509.09308. With these
points the sums round no worse than the plain ones: they are shorter.
"""

from typing import Any, Final

from numba import njit, types

from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.matmul import rows_of_panel
from nbdl.kernels.cpu.packing import copy_rows, copy_transposed
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.tile import TILE_VECTORS
from nbdl.kernels.cpu.vector import offset, pointer, vector_lanes
from nbdl.kernels.cpu.winograd_maps import (
    add_input_back,
    add_weights_back,
    map_input,
    map_output,
    map_output_back,
    map_weights,
    map_weights_back,
)
from nbdl.kernels.winograd import POINTS, STRIP, TOGETHER, TOGETHER_SUMMED

RESULT: Final = 0
IMAGE: Final = 1
WEIGHTS: Final = 2
"""What is computed from the two others."""

inline = njit(inline="always")
"""For the parts of the one compiled function."""


def _product_signature(scalar: types.Float) -> Any:
    pointer, n = types.CPointer(scalar), types.intp
    return types.void(pointer, n, n, n, pointer, n, n, pointer, n, n, n, n, n, n)


@shared(_product_signature)
def _multiply(
    a: Any, a_row: int, a_column: int, a_plane: int, b: Any, b_row: int, b_plane: int, c: Any, c_row: int, c_plane: int,
    m: int, n: int, k: int, add: int,
) -> None:  # fmt: skip
    """c[m, n] = a[m, k] @ b[k, n], or added to it, for each of the points: their planes lie so far apart."""
    lanes = vector_lanes(a)
    vectors = (n + lanes - 1) // lanes
    for point in range(POINTS):
        first = 0
        for left in range((vectors + TILE_VECTORS - 1) // TILE_VECTORS, 0, -1):
            width, column = (vectors - first + left - 1) // left, first * lanes
            columns = width * lanes if width * lanes < n - column else n - column
            a_part, b_part = offset(a, point * a_plane), offset(b, point * b_plane + column)
            c_part = offset(c, point * c_plane + column)
            rows_of_panel(a_part, a_row, a_column, b_part, b_row, width, columns, c_part, c_row, m, k, add != 0)
            first += width


@inline
def _clipped(number: int, most: int) -> int:
    return 0 if number < 0 else most if number > most else number


@inline
def _clear(start: Any, count: int) -> None:
    for i in range(count):
        start[i] = 0


@inline
def _clear_sides(lines: Any, pixels: int, channels: int, before: int, end: int) -> None:
    """Clear what four lines have outside of an image."""
    for i in range(4):
        _clear(offset(lines, i * pixels * channels), before * channels)
        _clear(offset(lines, (i * pixels + end) * channels), (pixels - end) * channels)


@inline
def _plane(squares: int, channels: int, lanes: int) -> int:
    """Numbers for a point of some squares: an odd number of vectors, as planes that lie a page apart would meet in the
    same places of the caches.
    """
    return ((squares * channels + lanes - 1) // lanes | 1) * lanes


@inline
def _place(strip: int, strips: int, down: int, wide: int) -> tuple[int, int, int]:
    """Where a strip begins: image, line and pixel of the result."""
    line = strip // strips
    return line // down, 2 * (line % down), 2 * wide * (strip % strips)


@inline
def _image_to_points(
    x: Any, height: int, width: int, channels: int, y: int, z: int, wide: int, points: Any, plane: int, lines: Any,
    zeros: Any,
) -> None:  # fmt: skip
    """Map the squares of a strip, of which the first begins at y and z, maybe outside of the image."""
    pixels = 2 * wide + 2
    row, before, end = pixels * channels, _clipped(-z, pixels), _clipped(width - z, pixels)
    _clear_sides(lines, pixels, channels, before, end)
    start, inside = offset(x, (y * width + z + before) * channels), offset(lines, before * channels)
    map_input(start, width * channels, 0, inside, row, 0, 1, (end - before) * channels, -y, height - y, zeros)
    for i in range(4):
        line, place = offset(lines, i * row), offset(points, 4 * i * plane)
        map_input(line, channels, 2 * channels, place, plane, channels, wide, channels, 0, 4, zeros)


@inline
def _points_to_image(
    points: Any, plane: int, lines: Any, x: Any, height: int, width: int, channels: int, y: int, z: int, wide: int,
    nowhere: Any,
) -> None:  # fmt: skip
    """The same backwards: add to the image what a gradient of points means for it."""
    pixels = 2 * wide + 2
    row, before, end = pixels * channels, _clipped(-z, pixels), _clipped(width - z, pixels)
    _clear(lines, 4 * row)
    for i in range(4):
        place, line = offset(points, 4 * i * plane), offset(lines, i * row)
        add_input_back(place, plane, channels, line, channels, 2 * channels, wide, channels, 0, 4, nowhere)
    inside, start = offset(lines, before * channels), offset(x, (y * width + z + before) * channels)
    add_input_back(inside, row, 0, start, width * channels, 0, 1, (end - before) * channels, -y, height - y, nowhere)


@inline
def _points_to_result(
    points: Any, plane: int, lines: Any, out: Any, height: int, width: int, channels: int, y: int, z: int, wide: int,
    nowhere: Any,
) -> None:  # fmt: skip
    """Map the points of a strip to the squares of the result, of which the last may lie partly outside."""
    row, end = 2 * wide * channels, _clipped(width - z, 2 * wide)
    for i in range(4):
        place, line = offset(points, 4 * i * plane), offset(lines, i * row)
        map_output(place, plane, channels, line, channels, 2 * channels, wide, channels, 0, 2, nowhere)
    start = offset(out, (y * width + z) * channels)
    map_output(lines, row, 0, start, width * channels, 0, 1, end * channels, 0, height - y, nowhere)


@inline
def _result_to_points(
    g: Any, height: int, width: int, channels: int, y: int, z: int, wide: int, points: Any, plane: int, lines: Any,
    zeros: Any,
) -> None:  # fmt: skip
    """The same backwards: what a gradient of the result means for the points."""
    row, end = 2 * wide * channels, _clipped(width - z, 2 * wide)
    _clear_sides(lines, 2 * wide, channels, 0, end)
    start = offset(g, (y * width + z) * channels)
    map_output_back(start, width * channels, 0, lines, row, 0, 1, end * channels, 0, height - y, zeros)
    for i in range(4):
        line, place = offset(lines, i * row), offset(points, 4 * i * plane)
        map_output_back(line, channels, 2 * channels, place, plane, channels, wide, channels, 0, 2, zeros)


def _signature(scalar: types.Float) -> Any:
    pointer, n = types.CPointer(scalar), types.intp
    return types.void(pointer, pointer, pointer, pointer, n, n, n, n, n, n, n, n, n, n)


@shared(_signature)
def _run(
    x: Any, u: Any, g: Any, scratch: Any, wanted: int, images: int, height: int, width: int, channels: int, lines: int,
    pixels: int, outputs: int, top: int, left: int,
) -> None:  # fmt: skip
    """Go over the images strip by strip: to points, the products, and back. `g` is the result, or its gradient."""
    lanes = vector_lanes(x)
    across, down = (pixels + 1) // 2, (lines + 1) // 2
    strips = (across + STRIP - 1) // STRIP
    wide = (across + strips - 1) // strips
    most = ((TOGETHER_SUMMED if wanted == WEIGHTS else TOGETHER) + wide - 1) // wide
    x_plane, g_plane = _plane(most * wide, channels, lanes), _plane(most * wide, outputs, lanes)
    line = (2 * wide + 2) * (channels if channels > outputs else outputs)
    zeros, nowhere, part = scratch, offset(scratch, line), offset(scratch, 2 * line)
    x_points = offset(scratch, 6 * line)
    g_points = offset(x_points, POINTS * x_plane)
    _clear(zeros, line)
    total = images * down * strips
    for first in range(0, total, most):
        count = total - first if total - first < most else most
        squares = count * wide
        for number in range(first, first + count):
            image, y, z = _place(number, strips, down, wide)
            square = (number - first) * wide
            if wanted != IMAGE:
                place = offset(x_points, square * channels)
                whole = offset(x, image * height * width * channels)
                _image_to_points(
                    whole, height, width, channels, y - top, z - left, wide, place, x_plane, part, zeros
                )  # fmt: skip
            if wanted != RESULT:
                place = offset(g_points, square * outputs)
                whole = offset(g, image * lines * pixels * outputs)
                _result_to_points(whole, lines, pixels, outputs, y, z, wide, place, g_plane, part, zeros)
        plane = channels * outputs
        if wanted == RESULT:
            sizes = squares, outputs, channels, 0
            _multiply((x_points, channels, 1, x_plane, u, outputs, plane, g_points, outputs, g_plane, *sizes))
        elif wanted == IMAGE:
            sizes = squares, channels, outputs, 0
            _multiply((g_points, outputs, 1, g_plane, u, channels, plane, x_points, channels, x_plane, *sizes))
        else:
            sizes = channels, outputs, squares, first > 0
            _multiply((x_points, 1, channels, x_plane, g_points, outputs, g_plane, u, outputs, plane, *sizes))
        for number in range(first, first + count):
            image, y, z = _place(number, strips, down, wide)
            square = (number - first) * wide
            if wanted == RESULT:
                place = offset(g_points, square * outputs)
                whole = offset(g, image * lines * pixels * outputs)
                _points_to_result(place, g_plane, part, whole, lines, pixels, outputs, y, z, wide, nowhere)
            elif wanted == IMAGE:
                place = offset(x_points, square * channels)
                whole = offset(x, image * height * width * channels)
                _points_to_image(
                    place, x_plane, part, whole, height, width, channels, y - top, z - left, wide, nowhere
                )  # fmt: skip


@kernel
def winograd(x: Any, u: Any, out: Any, top: int, left: int, scratch: Any) -> None:
    """out[i, y, z, o] = sum x[i, y - top + ky, z - left + kx, c] * w[ky, kx, c, o], u being the points of w."""
    n, height, width, channels = x.shape
    _, lines, pixels, outputs = out.shape
    sizes = n, height, width, channels, lines, pixels, outputs, top, left
    _run((pointer(x), pointer(u), pointer(out), pointer(scratch), RESULT, *sizes))


@kernel
def winograd_back(g: Any, u: Any, out: Any, top: int, left: int, scratch: Any) -> None:
    """The gradient of `winograd` with respect to x, g being that with respect to its result and u transposed points."""
    n, height, width, channels = out.shape
    _, lines, pixels, outputs = g.shape
    _clear(pointer(out), n * height * width * channels)
    sizes = n, height, width, channels, lines, pixels, outputs, top, left
    _run((pointer(out), pointer(u), pointer(g), pointer(scratch), IMAGE, *sizes))


@kernel
def winograd_weights(x: Any, g: Any, out: Any, top: int, left: int, scratch: Any) -> None:
    """The gradient of `winograd` with respect to w."""
    _clear(pointer(out), out.size)
    winograd_weights_add(x, g, out, top, left, scratch)


@kernel
def winograd_weights_add(x: Any, g: Any, out: Any, top: int, left: int, scratch: Any) -> None:
    """The same, added to what is there."""
    n, height, width, channels = x.shape
    _, lines, pixels, outputs = g.shape
    if n == 0:
        return
    plane = channels * outputs
    u = pointer(scratch)
    rest = offset(u, POINTS * plane)
    sizes = n, height, width, channels, lines, pixels, outputs, top, left
    _run((pointer(x), u, pointer(g), rest, WEIGHTS, *sizes))
    map_weights_back(u, 4 * plane, 0, rest, 4 * plane, 0, 1, 4 * plane, 0, 3, rest)
    add_weights_back(rest, plane, 4 * plane, pointer(out), plane, 3 * plane, 3, plane, 0, 3, rest)


@kernel
def winograd_points(w: Any, u: Any, scratch: Any) -> None:
    """u[i, j] = sum G[i, ky] * G[j, kx] * w[ky, kx]: the points of a kernel, (4, 4, channels, outputs)."""
    plane, lines = w.shape[2] * w.shape[3], pointer(scratch)
    map_weights(pointer(w), 3 * plane, 0, lines, 3 * plane, 0, 1, 3 * plane, 0, 3, lines)
    map_weights(lines, plane, 3 * plane, pointer(u), plane, 4 * plane, 4, plane, 0, 3, lines)


@kernel
def winograd_points_transposed(w: Any, u: Any, scratch: Any) -> None:
    """The same with the channels last: (4, 4, outputs, channels)."""
    channels, outputs = w.shape[2:]
    plane, lines = channels * outputs, pointer(scratch)
    lanes = vector_lanes(lines)
    points = offset(lines, 12 * plane)
    turned, row = offset(points, POINTS * plane), (channels + lanes - 1) // lanes * lanes
    map_weights(pointer(w), 3 * plane, 0, lines, 3 * plane, 0, 1, 3 * plane, 0, 3, lines)
    map_weights(lines, plane, 3 * plane, points, plane, 4 * plane, 4, plane, 0, 3, lines)
    for point in range(POINTS):
        copy_transposed(offset(points, point * plane), outputs, channels, outputs, turned, row)
        copy_rows(turned, row, outputs, channels, offset(pointer(u), point * plane), channels)
