"""The matrix product on a CPU: `matmul_nn`, `_tn`, `_nt`, `_tt`, their accumulating twins `matmul_nn_add`, ..., and
`matmul_blocks`, many products of matrices that lie in larger arrays.

The letters say which operand is stored transposed. C is walked in panels of columns as wide as a register tile; a
panel is cut along k, its part of B is packed into `scratch` where that pays, and the tiles go down the rows.
All arrays are 2-D, C-contiguous and of one dtype, float32 or float64; C may not overlap A or B. No alignment is
assumed, no shape is checked: the callers are generated, and have checked theirs. `scratch` is 1-D, of the same dtype,
with at least SCRATCH elements, one for each worker.

>>> import numpy as np
>>> a, b, c = np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))
>>> matmul_nt(a, b, c, np.empty(SCRATCH))
>>> c
array([[1., 3.],
       [2., 4.]])

The blocking follows K. Goto and R. van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS 34(3),
2008; A is not packed, as the tiles read it with any strides.
"""

from typing import Any, Final

from numba import njit, types

from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.tile import TILE_ROWS, TILE_VECTORS, multiply_tile, multiply_vector, pack_transposed_block
from nbdl.kernels.cpu.vector import VECTOR_BYTES, offset, pointer, vector_lanes

PANEL_BYTES: Final = TILE_VECTORS * VECTOR_BYTES
DEPTH: Final = 512
"""Rows of a panel of B that are packed at a time: 128 KiB, which stay in the second-level cache."""

ROWS: Final = 960
"""Rows of A that meet a packed panel before the next panel is packed: enough to repay the packing."""

PACK_ROWS: Final = 48
"""Rows of A from which packing pays although B could be read where it is, if its rows are far apart."""

SCRATCH: Final = DEPTH * PANEL_BYTES // 4
"""Elements of the scratch array that each worker hands in, the same for float32 and float64."""

inline = njit(inline="always")
"""For the parts of the one compiled function: as functions of their own, each would compile the tiles again."""


def _signature(scalar: types.Float) -> Any:
    pointer, index = types.CPointer(scalar), types.intp
    return types.void(
        pointer, index, index, pointer, index, index, pointer, index, index, index, index, index, pointer
    )


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
    c_row: int,
    m: int,
    depth: int,
    add: bool,
) -> None:
    """Go down the rows of one panel of C, tile by tile."""
    row = 0
    for tiles in range((m + TILE_ROWS - 1) // TILE_ROWS, 0, -1):
        rows = (m - row + tiles - 1) // tiles
        a_tile, c_tile = offset(a, row * a_row), offset(c, row * c_row)
        multiply_tile(rows, vectors, columns, a_tile, a_row, a_column, b, b_row, c_tile, c_row, depth, add)
        row += rows


@inline
def pack_transposed(b: Any, b_row: int, rows: int, columns: int, packed: Any, packed_row: int, lanes: int) -> None:
    """Write B, stored as [rows, columns], transposed to `packed`; B's missing rows become zeros."""
    for i in range(0, rows, lanes):
        for j in range(0, columns, lanes):
            block, place = offset(b, i * b_row + j), offset(packed, j * packed_row + i)
            high = lanes if lanes < rows - i else rows - i  # Numba compiles a `min` apart, for a tenth of a second
            wide = lanes if lanes < columns - j else columns - j
            pack_transposed_block(block, b_row, high, wide, place, packed_row)


@inline
def _pack_rows(b: Any, b_row: int, columns: int, rows: int, packed: Any, packed_row: int) -> None:
    """Copy B, rows of `columns` that lie `b_row` apart, to rows that lie `packed_row` apart."""
    for i in range(rows):
        source, target = offset(b, i * b_row), offset(packed, i * packed_row)
        for j in range(columns):
            target[j] = source[j]


@inline
def _panels(
    a: Any,
    a_row: int,
    a_column: int,
    b: Any,
    b_row: int,
    transposed: int,
    c: Any,
    c_row: int,
    m: int,
    n: int,
    depth: int,
    add: bool,
    pack: bool,
    packed: Any,
) -> None:
    """Compute the rows of one block of C, panel by panel, from `depth` columns of A and rows of B."""
    lanes = vector_lanes(a)
    vectors = (n + lanes - 1) // lanes
    first = 0
    for left in range((vectors + TILE_VECTORS - 1) // TILE_VECTORS, 0, -1):
        width = (vectors - first + left - 1) // left  # as even a share as there is: 5 = 3 + 2, not 4 + 1
        column = first * lanes
        columns = width * lanes if width * lanes < n - column else n - column
        part, part_row = offset(b, column), b_row
        if transposed:
            part, part_row = packed, width * lanes
            pack_transposed(offset(b, column * b_row), b_row, columns, depth, packed, part_row, lanes)
        elif pack:
            part, part_row = packed, width * lanes
            _pack_rows(offset(b, column), b_row, columns, depth, packed, part_row)
        _rows(a, a_row, a_column, part, part_row, width, columns, offset(c, column), c_row, m, depth, add)
        first += width


@shared(_signature)
def _product(
    a: Any,
    a_row: int,
    a_column: int,
    b: Any,
    b_row: int,
    transposed: int,
    c: Any,
    c_row: int,
    m: int,
    n: int,
    k: int,
    add: int,
    packed: Any,
) -> None:
    """Compute C block by block; `transposed` says that B is stored as [n, k], `b_row` apart are the rows stored."""
    if n == 1 and a_column == 1 and c_row == 1 and (transposed != 0 or b_row == 1):
        multiply_vector(a, a_row, b, c, m, k, add != 0)
        return
    if m == 1 and a_column == 1 and transposed != 0:
        multiply_vector(b, b_row, a, c, n, k, add != 0)
        return
    if k == 1 and b_row == 1:  # a column and a row lie in memory alike
        transposed = 0
    if n == 1 and a_row == 1 and c_row == 1:  # A is stored as [k, m]: C transposed is a row, B transposed times A
        step = 1 if transposed else b_row
        a, b, transposed, a_row, a_column, b_row, n, m = b, a, 0, 1, step, a_column, m, 1
    step = 1 if transposed else b_row  # between the steps of B along k
    pack = transposed != 0 or (m >= PACK_ROWS and n > TILE_VECTORS * vector_lanes(a))
    limit = DEPTH if pack else k
    depths = (k + limit - 1) // limit if k > 0 else 1
    for top in range(0, m, ROWS):
        rows, c_part = ROWS if ROWS < m - top else m - top, offset(c, top * c_row)
        start = 0
        for left in range(depths, 0, -1):
            depth = (k - start + left - 1) // left
            a_part, b_part = offset(a, top * a_row + start * a_column), offset(b, start * step)
            more = add != 0 or start > 0
            _panels(
                a_part, a_row, a_column, b_part, b_row, transposed, c_part, c_row, rows, n, depth, more, pack, packed
            )
            start += depth


@kernel
def matmul_nn(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[m, k] @ b[k, n]"""
    (m, k), n = a.shape, b.shape[1]
    _product((pointer(a), k, 1, pointer(b), n, False, pointer(c), n, m, n, k, False, pointer(scratch)))


@kernel
def matmul_tn(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[k, m].T @ b[k, n]"""
    (k, m), n = a.shape, b.shape[1]
    _product((pointer(a), 1, m, pointer(b), n, False, pointer(c), n, m, n, k, False, pointer(scratch)))


@kernel
def matmul_nt(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[m, k] @ b[n, k].T"""
    (m, k), n = a.shape, b.shape[0]
    _product((pointer(a), k, 1, pointer(b), k, True, pointer(c), n, m, n, k, False, pointer(scratch)))


@kernel
def matmul_tt(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] = a[k, m].T @ b[n, k].T"""
    (k, m), n = a.shape, b.shape[0]
    _product((pointer(a), 1, m, pointer(b), k, True, pointer(c), n, m, n, k, False, pointer(scratch)))


@kernel
def matmul_nn_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[m, k] @ b[k, n]"""
    (m, k), n = a.shape, b.shape[1]
    _product((pointer(a), k, 1, pointer(b), n, False, pointer(c), n, m, n, k, True, pointer(scratch)))


@kernel
def matmul_tn_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[k, m].T @ b[k, n]"""
    (k, m), n = a.shape, b.shape[1]
    _product((pointer(a), 1, m, pointer(b), n, False, pointer(c), n, m, n, k, True, pointer(scratch)))


@kernel
def matmul_nt_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[m, k] @ b[n, k].T"""
    (m, k), n = a.shape, b.shape[0]
    _product((pointer(a), k, 1, pointer(b), k, True, pointer(c), n, m, n, k, True, pointer(scratch)))


@kernel
def matmul_tt_add(a: Any, b: Any, c: Any, scratch: Any) -> None:
    """c[m, n] += a[k, m].T @ b[n, k].T"""
    (k, m), n = a.shape, b.shape[0]
    _product((pointer(a), 1, m, pointer(b), k, True, pointer(c), n, m, n, k, True, pointer(scratch)))


@kernel
def matmul_blocks(a: Any, a_steps: Any, b: Any, b_steps: Any, c: Any, c_steps: Any, sizes: Any, scratch: Any) -> None:
    """c[i, j] = a[i, j] @ b[i, j], where each matrix has its place and its strides in an array of any shape.

    `sizes` are those of i, j, m, n, k; `a_steps` the elements between two i, j, m, k, `b_steps` those between two i, j,
    k, n (one of the last two is 1), `c_steps` those between two i, j, m: the columns of c lie side by side. The arrays
    are 1-D.
    """
    outer, inner, m, n, k = sizes
    transposed = b_steps[3] != 1
    b_row = b_steps[3] if transposed else b_steps[2]
    for i in range(outer):
        for j in range(inner):
            block = (
                offset(pointer(a), i * a_steps[0] + j * a_steps[1]),
                a_steps[2],
                a_steps[3],
                offset(pointer(b), i * b_steps[0] + j * b_steps[1]),
                b_row,
                transposed,
                offset(pointer(c), i * c_steps[0] + j * c_steps[1]),
                c_steps[2],
                m,
                n,
                k,
                False,
                pointer(scratch),
            )
            _product(block)
