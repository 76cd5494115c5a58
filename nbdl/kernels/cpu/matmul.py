"""The matrix product on a CPU: `matmul_nn`, `_tn`, `_nt`, `_tt` and their accumulating twins `matmul_nn_add`, ...

The letters say which operand is stored transposed. C is walked in panels of columns as wide as a register tile; a
panel is cut along k, its part of B is packed into `scratch` where that pays, and the tiles go down the rows.
All arrays are 2-D, C-contiguous and of one dtype, float32 or float64. No alignment is assumed.
"""

from typing import Any, Final

from numba import njit, types

from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.tile import TILE_ROWS, TILE_VECTORS, multiply_tile, pack_transposed_block
from nbdl.kernels.cpu.vector import VECTOR_BYTES, offset, pointer, vector_lanes

PANEL_BYTES: Final = TILE_VECTORS * VECTOR_BYTES
DEPTH: Final = 256
"""Rows of B that are packed at a time."""

SCRATCH: Final = DEPTH * PANEL_BYTES // 4
"""Elements of the scratch array each worker hands in, the same for float32 and float64."""


inline = njit(inline="always")


def _signature(scalar: types.Float) -> Any:
    pointer, index = types.CPointer(scalar), types.intp
    return types.void(pointer, index, index, pointer, index, pointer, index, index, index, index, pointer)


@inline
def _rows(
    a: Any,
    a_row: int,
    a_column: int,
    b: Any,
    b_row: int,
    vectors: int,
    columns: int,
    c: Any,
    n: int,
    m: int,
    depth: int,
    add: bool,
) -> None:
    """Go down the rows of one panel of C, tile by tile."""
    row = 0
    for tiles in range((m + TILE_ROWS - 1) // TILE_ROWS, 0, -1):
        rows = (m - row + tiles - 1) // tiles
        a_tile, c_tile = offset(a, row * a_row), offset(c, row * n)
        multiply_tile(rows, vectors, columns, a_tile, a_row, a_column, b, b_row, c_tile, n, depth, add)
        row += rows


@inline
def _pack_transposed(b: Any, b_row: int, rows: int, columns: int, packed: Any, packed_row: int, lanes: int) -> None:
    """Write B, stored as [rows, columns], transposed to `packed`; B's missing rows become zeros."""
    for i in range(0, rows, lanes):
        for j in range(0, columns, lanes):
            block, place = offset(b, i * b_row + j), offset(packed, j * packed_row + i)
            pack_transposed_block(block, b_row, min(lanes, rows - i), min(lanes, columns - j), place, packed_row)


@shared(_signature)
def _product(
    a: Any,
    a_row: int,
    a_column: int,
    b: Any,
    transposed: int,
    c: Any,
    m: int,
    n: int,
    k: int,
    add: int,
    packed: Any,
) -> None:
    """Compute C panel by panel; `transposed` says that B is stored as [n, k]."""
    lanes = vector_lanes(a)
    vectors = (n + lanes - 1) // lanes
    first = 0
    for panels in range((vectors + TILE_VECTORS - 1) // TILE_VECTORS, 0, -1):
        width = (vectors - first + panels - 1) // panels  # as even a share as there is: 5 = 3 + 2, not 4 + 1
        column = first * lanes
        columns = min(width * lanes, n - column)
        limit = DEPTH if transposed else max(k, 1)
        for start in range(0, max(k, 1), limit):
            depth = min(limit, k - start)
            part, part_row = offset(b, column), n
            if transposed:
                _pack_transposed(offset(b, column * k + start), k, columns, depth, packed, width * lanes, lanes)
                part, part_row = packed, width * lanes
            more = add != 0 or start > 0
            a_part = offset(a, start * a_column)
            _rows(a_part, a_row, a_column, part, part_row, width, columns, offset(c, column), n, m, depth, more)
        first += width


@kernel
def matmul_nn(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[m, k] @ b[k, n]"""
    m, k = a.shape
    _product((pointer(a), k, 1, pointer(b), False, pointer(c), m, b.shape[1], k, False, pointer(scratch)))


@kernel
def matmul_tn(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[k, m].T @ b[k, n]"""
    k, m = a.shape
    _product((pointer(a), 1, m, pointer(b), False, pointer(c), m, b.shape[1], k, False, pointer(scratch)))


@kernel
def matmul_nt(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[m, k] @ b[n, k].T"""
    m, k = a.shape
    _product((pointer(a), k, 1, pointer(b), True, pointer(c), m, b.shape[0], k, False, pointer(scratch)))


@kernel
def matmul_tt(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[k, m].T @ b[n, k].T"""
    k, m = a.shape
    _product((pointer(a), 1, m, pointer(b), True, pointer(c), m, b.shape[0], k, False, pointer(scratch)))


@kernel
def matmul_nn_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[m, k] @ b[k, n]"""
    m, k = a.shape
    _product((pointer(a), k, 1, pointer(b), False, pointer(c), m, b.shape[1], k, True, pointer(scratch)))


@kernel
def matmul_tn_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[k, m].T @ b[k, n]"""
    k, m = a.shape
    _product((pointer(a), 1, m, pointer(b), False, pointer(c), m, b.shape[1], k, True, pointer(scratch)))


@kernel
def matmul_nt_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[m, k] @ b[n, k].T"""
    m, k = a.shape
    _product((pointer(a), k, 1, pointer(b), True, pointer(c), m, b.shape[0], k, True, pointer(scratch)))


@kernel
def matmul_tt_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[k, m].T @ b[n, k].T"""
    k, m = a.shape
    _product((pointer(a), 1, m, pointer(b), True, pointer(c), m, b.shape[0], k, True, pointer(scratch)))
