"""Convolution of images on a CPU, and its two gradients, as matrix products over boxes (see `boxes.py`).

>>> import numpy as np
>>> from nbdl.kernels.cpu.boxes import forward_boxes
>>> from nbdl.kernels.geometry import Geometry
>>> x, w, out = np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), np.empty((1, 2, 2, 1))
>>> table = forward_boxes(Geometry((3, 3, 1), (2, 2), 1))
>>> convolve(x, w, out, np.empty(SCRATCH), table)
>>> out.ravel()
array([4., 4., 4., 4.])

Images are (n, height, width, channels), weights (kernel height, kernel width, channels / groups, outputs). All arrays
are C-contiguous and of one dtype, float32 or float64, and don't overlap; their shapes fit the table (the callers are
generated). `scratch` has SCRATCH elements, as for the matrix product.

That a matrix product's micro-kernel with strides is a convolution: E. Georganas et al., Anatomy of high-performance
deep learning convolutions on SIMD architectures, SC18.
"""

from typing import Any

from numba import njit, types

from nbdl.kernels.cpu.boxes import BOX, SUM_IMAGES, TRANSPOSED
from nbdl.kernels.cpu.conv_tile import multiply_blocks
from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.matmul import SCRATCH
from nbdl.kernels.cpu.packing import copy_transposed
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.tile import NARROW_ROWS, TILE_ROWS, TILE_VECTORS
from nbdl.kernels.cpu.vector import offset, pointer, vector_lanes

__all__ = ["SCRATCH", "convolve", "convolve_back", "convolve_weights"]

BOX_FIELDS = len(BOX)


def _signature(scalar: types.Float) -> Any:
    pointer, index = types.CPointer(scalar), types.intp
    return types.void(pointer, pointer, pointer, pointer, types.CPointer(types.int64), index)


inline = njit(inline="always")
"""For the parts of the one compiled function: as functions of their own, each would compile the tiles again."""


@inline
def _tiles(
    a: Any, b: Any, b_block: int, b_row: int, c: Any, box: Any, images: int, a_image: int, c_image: int, columns: int,
    a_start: int, depth: int, add: int,
) -> None:  # fmt: skip
    """One box, tile by tile along its longest axis: the pixels of a line if they fill a tile, else lines or images."""
    planes, lines, pixels, blocks = images, box[3], box[4], box[10]
    a_block = box[11]
    if blocks == SUM_IMAGES:
        planes, blocks = 1, images
    a_line, a_pixel, c_line, c_pixel = box[5], box[6], box[7], box[8]
    lanes = vector_lanes(a)
    vectors = (columns + lanes - 1) // lanes
    most = NARROW_ROWS if vectors == 1 else TILE_ROWS
    if pixels < most and pixels < (lines if lines > planes else planes):
        if lines >= most or lines >= planes:
            pixels, lines, a_pixel, a_line, c_pixel, c_line = lines, pixels, a_line, a_pixel, c_line, c_pixel
        else:
            pixels, planes, a_pixel, a_image, c_pixel, c_image = planes, pixels, a_image, a_pixel, c_image, c_pixel
    tiles = (pixels + most - 1) // most
    for plane in range(planes):
        for line in range(lines):
            a_tile = offset(a, plane * a_image + line * a_line + a_start)
            c_tile = offset(c, plane * c_image + line * c_line)
            done = 0
            for left in range(tiles, 0, -1):
                rows = (pixels - done + left - 1) // left
                multiply_blocks(
                    rows, vectors, columns, a_tile, a_pixel, a_block, box[14], b, b_block, b_row, c_tile, c_pixel,
                    blocks, depth, add != 0,
                )  # fmt: skip
                a_tile, c_tile = offset(a_tile, rows * a_pixel), offset(c_tile, rows * c_pixel)
                done += rows


@shared(_signature)
def _run(a: Any, b: Any, c: Any, scratch: Any, table: Any, n: int) -> None:
    """Compute all boxes of a table for `n` images, one panel of columns after another."""
    boxes, groups, widest, chunk = table[0], table[1], table[2], table[3]
    a_image, b_image, c_image = table[4], table[5], table[6]
    transposed, b_row = table[12], table[13]
    for i in range(table[10] + n * table[11]):
        c[i] = 0
    lanes = vector_lanes(a)
    panel = TILE_VECTORS * lanes
    for part in range(groups * ((widest + panel - 1) // panel)):
        group = part % groups
        first = part // groups * panel
        for image in range(0, n, chunk):
            images = n - image if image + chunk > n else chunk
            for number in range(1, boxes + 1):
                box = offset(table, number * BOX_FIELDS)
                columns = box[9] - first if box[9] - first < panel else panel
                if columns <= 0:
                    continue
                a_box = offset(a, image * a_image + group * table[7] + box[0])
                b_box = offset(b, image * b_image + group * table[8] + box[1] + first * (b_row if transposed else 1))
                c_box = offset(c, image * c_image + group * table[9] + box[2] + first)
                start, depth, block, row = 0, box[13], box[12], b_row
                while True:
                    if transposed:
                        depth = box[13] - start if box[13] - start < TRANSPOSED else TRANSPOSED
                        row = (columns + lanes - 1) // lanes * lanes
                        block = depth * row
                        if box[16] == 0 or depth < box[13]:
                            for p in range(box[10]):
                                source = offset(b_box, p * box[12] + start)
                                copy_transposed(source, b_row, columns, depth, offset(scratch, p * block), row)
                    _tiles(
                        a_box, scratch if transposed else b_box, block, row, c_box, box, images, a_image, c_image,
                        columns, start, depth, box[15],
                    )  # fmt: skip
                    start += depth
                    if start >= box[13]:
                        break


@kernel
def convolve(x, w, out, scratch, table):
    """out[i, y, z, o] = sum x[i, y * sh - top + ky * dh, z * sw - left + kx * dw, c] * w[ky, kx, c, o]"""
    _run((pointer(x), pointer(w), pointer(out), pointer(scratch), pointer(table), x.shape[0]))


@kernel
def convolve_weights(x, g, out, scratch, table):
    """The gradient of `convolve` with respect to w, g being that with respect to its result."""
    _run((pointer(x), pointer(g), pointer(out), pointer(scratch), pointer(table), x.shape[0]))


@kernel
def convolve_back(g, w, out, scratch, table):
    """The gradient of `convolve` with respect to x: a transposed convolution."""
    _run((pointer(g), pointer(w), pointer(out), pointer(scratch), pointer(table), g.shape[0]))
