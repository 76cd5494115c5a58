"""The matrix product on a CPU: `matmul_nn`, `_tn`, `_nt`, `_tt`, their accumulating twins `matmul_nn_add`, ...,
`matmul_tn_part`, which several workers compute together, and `matmul_blocks`, many products of matrices that lie in
larger arrays.

The letters say which operand is stored transposed. C is walked in panels of columns as wide as a register tile; a
panel is cut along k, its part of B is packed into `scratch` where that pays, and the tiles go down the rows. A is read
where it lies, with any strides, unless its elements meet in the same places of the caches.
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
2008. There A is packed and stays in the second-level cache. Here the panel of B does: tiles are wide and low, so a tile
needs ten times as much of B as of A, and packing all of A took 4 % of a product of 1024^3 and gained nothing.
"""

from typing import Any, Final

from numba import njit, types

from nbdl.kernels.cpu.copies import span
from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.packing import copy_rows, copy_transposed, write_transposed
from nbdl.kernels.cpu.row_product import multiply_together
from nbdl.kernels.cpu.shared import shared
from nbdl.kernels.cpu.tile import NARROW_ROWS, TILE_ROWS, TILE_VECTORS, multiply_tile
from nbdl.kernels.cpu.vector import VECTOR_BYTES, offset, pointer, vector_lanes
from nbdl.kernels.cpu.vector_products import multiply_vector

PANEL_BYTES: Final = TILE_VECTORS * VECTOR_BYTES
DEPTH: Final = 1024
"""Rows of B in a panel: 256 KiB at most, which stay in the second-level cache. C is read and written once for each."""

ROWS: Final = 1024
"""Rows of A that meet a packed panel before the next panel is packed: enough to repay the packing."""

PACK_ROWS: Final = 192
"""Rows of A from which packing pays although B could be read where it is, if B is wider than a panel."""

PACK_ROWS_FAR: Final = 32
"""The same where the rows of B lie FAR apart."""

FAR: Final = 4096
"""Bytes, those of a page. What lies a multiple of this apart shares a few places of the caches."""

FAR_DEPTH: Final = 512
"""So many rows that lie FAR apart are still in the caches when the next tile needs them."""

GATHERED_ROWS: Final = 512
"""Rows of a block of A that is copied: its copy takes 2 MiB of float32."""

SCRATCH: Final = DEPTH * (PANEL_BYTES + GATHERED_ROWS * 4 + VECTOR_BYTES) // 4
"""Elements of the scratch array that each worker hands in, the same for float32 and float64: a panel of B and, behind
it, a block of A. Few products touch the second part.
"""

TRANSPOSITION: Final = 8
"""Products that take as long as the transposition of one number."""

inline = njit(inline="always")
"""For the parts of the one compiled function: as functions of their own, each would compile the tiles again."""


def _signature(scalar: types.Float) -> Any:
    pointer, index = types.CPointer(scalar), types.intp
    return types.void(
        pointer, index, index, pointer, index, index, pointer, index, index, index, index, index, pointer
    )


@inline
def rows_of_panel(
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
    row, most = 0, NARROW_ROWS if vectors == 1 else TILE_ROWS
    for tiles in range((m + most - 1) // most, 0, -1):
        rows = (m - row + tiles - 1) // tiles
        rows = rows + rows % 2 if row + rows < m else rows  # tiles are even
        a_tile, c_tile = offset(a, row * a_row), offset(c, row * c_row)
        multiply_tile(rows, vectors, columns, a_tile, a_row, a_column, b, b_row, c_tile, c_row, depth, add)
        row += rows


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
            copy_transposed(offset(b, column * b_row), b_row, columns, depth, packed, part_row)
        elif pack:
            part, part_row = packed, width * lanes
            copy_rows(offset(b, column), b_row, depth, columns, packed, part_row)
        rows_of_panel(a, a_row, a_column, part, part_row, width, columns, offset(c, column), c_row, m, depth, add)
        first += width


@inline
def _blocks(
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
    add: bool,
    packed: Any,
) -> None:
    """Cut C into blocks of rows and A and B along k, and move out of the way what would not stay in the caches."""
    lanes = vector_lanes(a)
    scalar = VECTOR_BYTES // lanes
    wide, deep = n > TILE_VECTORS * lanes, k > FAR_DEPTH
    least = PACK_ROWS_FAR if deep and b_row * scalar % FAR == 0 else PACK_ROWS
    pack = transposed != 0 or (wide and m >= least)
    # A transposed A of half a page meets itself, too: the tiles read each of its cache lines three times.
    gather = wide and deep and a_row == 1 and m > TILE_ROWS and a_column * scalar % (FAR // 2) == 0
    gathered, most, top = offset(packed, DEPTH * TILE_VECTORS * lanes), GATHERED_ROWS if gather else ROWS, 0
    for row_blocks in range((m + most - 1) // most, 0, -1):
        rows, start = (m - top + row_blocks - 1) // row_blocks, 0
        for left in range((k + DEPTH - 1) // DEPTH if k > 0 else 1, 0, -1):
            depth = (k - start + left - 1) // left
            a_part, a_step = offset(a, top * a_row + start * a_column), a_column
            if gather:
                a_step = ((rows + lanes - 1) // lanes | 1) * lanes  # an odd number of vectors: spread over all places
                copy_rows(a_part, a_column, depth, rows, gathered, a_step)
                a_part = gathered
            b_part, c_part = offset(b, start * (1 if transposed else b_row)), offset(c, top * c_row)
            more = add or start > 0
            _panels(a_part, a_row, a_step, b_part, b_row, transposed, c_part, c_row, rows, n, depth, more, pack, packed)
            start += depth
        top += rows


@inline
def _turns(m: int, n: int, k: int, lanes: int) -> bool:
    """Whether `C.T = B @ A.T` takes less time than `C = A @ B.T`: few rows of A are sooner transposed than B."""
    wide, high = (n + lanes - 1) // lanes * lanes, (m + lanes - 1) // lanes * lanes
    saved = TRANSPOSITION * (n * k - m * k - m * n)
    return saved > (high * n - wide * m) * k and n * high <= DEPTH * GATHERED_ROWS


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
        multiply_together(a, 1, b, b_row, c, n, k, True, add != 0)
        return
    if k == 1 and b_row == 1:  # a column and a row lie in memory alike
        transposed = 0
    if n == 1 and a_row == 1 and c_row == 1:  # A is stored as [k, m]: C transposed is a row, B transposed times A
        step = 1 if transposed else b_row
        a, b, transposed, a_row, a_column, b_row, n, m = b, a, 0, 1, step, a_column, m, 1
    # A single row reads each number of B once: panels would only get in memory's way.
    if m == 1 and transposed == 0:
        multiply_together(a, a_column, b, b_row, c, n, k, False, add != 0)
        return
    lanes, result, result_row = vector_lanes(a), c, c_row
    turns = transposed != 0 and a_column == 1 and add == 0 and _turns(m, n, k, lanes)
    if turns:
        a, a_row, b, b_row, m, n = b, b_row, a, a_row, n, m
        c, c_row = offset(packed, DEPTH * TILE_VECTORS * lanes), (n + lanes - 1) // lanes * lanes
    _blocks(a, a_row, a_column, b, b_row, transposed, c, c_row, m, n, k, add != 0, packed)
    if turns:
        write_transposed(c, c_row, m, n, result, result_row)


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
def matmul_tn_part(a: Any, b: Any, c: Any, worker: int, workers: int, scratch: Any) -> None:
    """The worker's part of c[m, n] = a[k, m].T @ b[k, n]: a span of its rows, or of its columns if it has more."""
    (k, m), n = a.shape, b.shape[1]
    row, rows, column, columns = 0, m, 0, n
    if m < n:
        column, columns = span(n, worker, workers)
    else:
        row, rows = span(m, worker, workers)
    a_part, b_part, c_part = offset(pointer(a), row), offset(pointer(b), column), offset(pointer(c), row * n + column)
    _product((a_part, 1, m, b_part, n, False, c_part, n, rows, columns, k, False, pointer(scratch)))


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
