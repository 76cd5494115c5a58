"""Pooling of images on a CPU: the largest element, or the sum, of each window and channel, and their gradients.

>>> import numpy as np
>>> from nbdl.kernels.cpu.boxes import pool_boxes
>>> from nbdl.kernels.geometry import Geometry
>>> x, out = np.arange(16.0).reshape(1, 4, 4, 1), np.empty((1, 2, 2, 1))
>>> max_pool(x, out, pool_boxes(Geometry((4, 4, 1), (2, 2), 1, stride=(2, 2))))
>>> out.ravel()
array([ 5.,  7., 13., 15.])

Images are (n, height, width, channels). All arrays are C-contiguous and of one dtype, float32 or float64, and don't
overlap; their shapes fit the table (the callers are generated). Of equal elements the first is the largest; a window
with NaN gives NaN, and its gradient goes to its first element.
"""

from typing import Any, Final

from numba import types

from nbdl.kernels.cpu.boxes import POOL_BOX
from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.pool_tile import MODES, pool_line
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.vector import offset, pointer

BOX_FIELDS: Final = len(POOL_BOX)
MAX, MAX_BACK, MAX_TAKE, SUM, SUM_BACK = range(len(MODES))


def _signature(scalar: types.Float) -> Any:
    pointer, index = types.CPointer(scalar), types.intp
    return types.void(pointer, pointer, pointer, types.CPointer(types.int64), index, index)


@shared(_signature)
def _pool(x: Any, g: Any, out: Any, table: Any, mode: int, n: int) -> None:
    """Run over all windows of `n` images, the boxes of the table one after another."""
    boxes, x_image, y_image, channels = table[0], table[1], table[2], table[3]
    row_step, tap_step, overlapping = table[4], table[5], table[6]
    into_image = mode in (MAX_BACK, SUM_BACK)
    for image in range(n):
        if into_image and table[7] != 0:
            cleared = offset(out, image * x_image)
            for i in range(x_image):
                cleared[i] = 0
        for number in range(1, boxes + 1):
            box = offset(table, number * BOX_FIELDS)
            for line in range(box[2]):
                large, small = image * x_image + box[0] + line * box[4], image * y_image + box[1] + line * box[6]
                pool_line(
                    mode, offset(x, large), offset(g, large if mode == MAX_TAKE else small),
                    offset(out, large if into_image else small), box[3], box[5], box[7], box[8], row_step, box[9],
                    tap_step, channels, overlapping != 0,
                )  # fmt: skip


@kernel
def max_pool(x, out, table):
    """out[i, y, z, c] = the largest element of a window of x"""
    _pool((pointer(x), pointer(x), pointer(out), pointer(table), MAX, x.shape[0]))


@kernel
def max_pool_back(x, g, out, table):
    """The gradient of `max_pool`: each g goes to the first of the largest elements of its window."""
    _pool((pointer(x), pointer(g), pointer(out), pointer(table), MAX_BACK, x.shape[0]))


@kernel
def max_pool_take(x, other, out, table):
    """out = the elements of `other`, of the shape of x, at the places from which `max_pool` takes its result"""
    _pool((pointer(x), pointer(other), pointer(out), pointer(table), MAX_TAKE, x.shape[0]))


@kernel
def sum_pool(x, out, table):
    """out[i, y, z, c] = the sum of a window of x"""
    _pool((pointer(x), pointer(x), pointer(out), pointer(table), SUM, x.shape[0]))


@kernel
def sum_pool_back(g, out, table):
    """The gradient of `sum_pool`: each element gets the sum of the g of all windows that it is in."""
    _pool((pointer(g), pointer(g), pointer(out), pointer(table), SUM_BACK, g.shape[0]))
