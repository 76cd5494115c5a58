"""Windows of images on a CPU, each channel by itself: the largest element, the sum, the sum with weights (a convolution
in as many groups as channels), and their gradients.

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
MAX, MAX_BACK, MAX_TAKE, SUM, SUM_BACK, DEPTH, DEPTH_WEIGHTS, DEPTH_BACK = range(len(MODES))


def _signature(scalar: types.Float) -> Any:
    pointer, index = types.CPointer(scalar), types.intp
    return types.void(pointer, pointer, pointer, types.CPointer(types.int64), index, index)


@shared(_signature)
def _pool(x: Any, g: Any, out: Any, table: Any, mode: int, n: int) -> None:
    """Run over all windows of `n` images, the boxes of the table one after another."""
    boxes, x_image, y_image, channels = table[0], table[1], table[2], table[3]
    row_step, tap_step, kernel_row = table[4], table[5], table[6]
    into_image = mode in (MAX_BACK, SUM_BACK, DEPTH_BACK)
    cleared = table[9] if mode == DEPTH_WEIGHTS else n * x_image if into_image and table[8] != 0 else 0
    for i in range(cleared):
        out[i] = 0
    for image in range(n):
        for number in range(1, boxes + 1):
            box = offset(table, number * BOX_FIELDS)
            kernel = box[2]
            for line in range(box[3]):
                large, small = image * x_image + box[0] + line * box[5], image * y_image + box[1] + line * box[7]
                pool_line(
                    mode,
                    offset(x, small if mode == DEPTH_BACK else large),
                    offset(g, large if mode == MAX_TAKE else kernel if mode in (DEPTH, DEPTH_BACK) else small),
                    offset(out, large if into_image else kernel if mode == DEPTH_WEIGHTS else small),
                    box[4], box[6], box[8], box[9], row_step, box[10], tap_step, channels, kernel_row, table[7] != 0,
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


@kernel
def depthwise(x, w, out, table):
    """out[i, y, z, c] = the sum of a window of x, times w[ky, kx, 0, c]"""
    _pool((pointer(x), pointer(w), pointer(out), pointer(table), DEPTH, x.shape[0]))


@kernel
def depthwise_weights(x, g, out, table):
    """The gradient of `depthwise` with respect to w."""
    _pool((pointer(x), pointer(g), pointer(out), pointer(table), DEPTH_WEIGHTS, x.shape[0]))


@kernel
def depthwise_back(g, w, out, table):
    """The gradient of `depthwise` with respect to x."""
    _pool((pointer(g), pointer(w), pointer(out), pointer(table), DEPTH_BACK, g.shape[0]))
