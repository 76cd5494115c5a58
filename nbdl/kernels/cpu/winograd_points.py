"""What Winograd's convolution (see `winograd.py`) makes of weights before it begins: their points."""

from typing import Any, Final

from numba import njit

from nbdl.kernels.cpu.copies import span
from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.packing import copy_rows, copy_transposed
from nbdl.kernels.cpu.row_product import BYTES_A_SPIN, PART_BYTES
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.standby import pointer_at, share, signature, task_of
from nbdl.kernels.cpu.vector import VECTOR_BYTES, offset, pointer, vector_lanes
from nbdl.kernels.cpu.winograd_maps import map_weights

SPAN: Final = 256
"""Numbers of each place of a kernel that are mapped together: half-mapped, they stay in the first-level cache."""


@shared(signature)
def _map_span(u: Any, task: Any, part: int, parts: int) -> None:
    """Map one of several spans of a kernel's channels to points."""
    w, lines, kernel, tile, plane = pointer_at(task[1], u), pointer_at(task[2], u), task[3], task[4], task[5]
    side = tile + kernel - 1
    start, size = span(plane, part, parts)
    step = kernel * SPAN
    lines = offset(lines, part * side * step)
    for first in range(start, start + size, SPAN):
        length = SPAN if first + SPAN < start + size else start + size - first
        kernels, points = offset(w, first), offset(u, first)
        map_weights(tile, kernel, kernels, kernel * plane, plane, lines, step, SPAN, kernel, length, 0, kernel, lines)
        map_weights(tile, kernel, lines, SPAN, step, points, plane, side * plane, side, length, 0, kernel, lines)


_address_of_map = _map_span.address


@njit(inline="always")
def _weights_to_points(w: Any, kernel: int, plane: int, tile: int, u: Any, lines: Any) -> None:
    """Map a kernel to points, with the threads that stand by."""
    written = (tile + kernel - 1) ** 2 * plane * (VECTOR_BYTES // vector_lanes(u))
    task = task_of((u, w, lines, kernel, tile, plane))
    share(_address_of_map(u), task, written // PART_BYTES, written // BYTES_A_SPIN)


@kernel
def winograd_points(w: Any, u: Any, tile: int, scratch: Any) -> None:
    """u[i, j] = sum G[i, ky] * G[j, kx] * w[ky, kx]: the points of a kernel, (side, side, channels, outputs)."""
    kernel, _, channels, outputs = w.shape
    _weights_to_points(pointer(w), kernel, channels * outputs, tile, pointer(u), pointer(scratch))


@kernel
def winograd_points_transposed(w: Any, u: Any, tile: int, scratch: Any) -> None:
    """The same with the channels last: (side, side, outputs, channels)."""
    kernel, _, channels, outputs = w.shape
    plane, turned = channels * outputs, pointer(scratch)
    lanes = vector_lanes(turned)
    row, one = (channels + lanes - 1) // lanes * lanes, offset(turned, kernel * kernel * plane)
    for place in range(kernel * kernel):
        copy_transposed(offset(pointer(w), place * plane), outputs, channels, outputs, one, row)
        copy_rows(one, row, outputs, channels, offset(turned, place * plane), channels)
    _weights_to_points(turned, kernel, plane, tile, pointer(u), one)
