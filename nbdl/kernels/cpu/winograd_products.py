"""The products of Winograd's convolution (see `winograd.py`): a matrix product for each point."""

from typing import Any, Final

from numba import njit

from nbdl.kernels.cpu.matmul import rows_of_panel
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.standby import pointer_at, share, signature, task_of
from nbdl.kernels.cpu.tile import TILE_VECTORS
from nbdl.kernels.cpu.vector import offset, vector_lanes

PART_PRODUCTS: Final = 2**17
"""Products of points that each thread has at least: they take a microsecond."""

PRODUCTS_A_SPIN: Final = 2**8
"""Products that are computed, at least, during a spin."""


@shared(signature)
def _multiply(c: Any, task: Any, part: int, parts: int) -> None:
    """c[m, n] = a[m, k] @ b[k, n], or added to it, for one of several spans of points; `task` has the distances."""
    # the numbers of the task, in the order in which `winograd.py` writes them behind c
    a, a_row, a_column, a_plane = pointer_at(task[1], c), task[2], task[3], task[4]
    b, b_row, b_plane, c_row, c_plane = pointer_at(task[5], c), task[6], task[7], task[8], task[9]
    points, m, n, k, add = task[10], task[11], task[12], task[13], task[14]
    lanes = vector_lanes(c)
    vectors = (n + lanes - 1) // lanes
    for point in range(part * points // parts, (part + 1) * points // parts):
        first = 0
        for left in range((vectors + TILE_VECTORS - 1) // TILE_VECTORS, 0, -1):
            width, column = (vectors - first + left - 1) // left, first * lanes
            columns = width * lanes if width * lanes < n - column else n - column
            a_part, b_part = offset(a, point * a_plane), offset(b, point * b_plane + column)
            c_part = offset(c, point * c_plane + column)
            rows_of_panel(a_part, a_row, a_column, b_part, b_row, width, columns, c_part, c_row, m, k, add != 0)
            first += width


_address_of_multiply = _multiply.address


@njit(inline="always")
def multiply_points(numbers: Any, alone: bool) -> None:
    """Multiply the points of some tiles, those of an image that is `alone` with the threads that stand by.

    `numbers` are those of the task. With more images there are workers, and no thread stands by.
    """
    points, m, n, k = numbers[10:14]
    products = points * m * n * k
    most = min(products // PART_PRODUCTS, points) if alone else 1
    share(_address_of_multiply(numbers[0]), task_of(numbers), most, products // PRODUCTS_A_SPIN)
