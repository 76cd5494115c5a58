"""A matrix times a vector, and a row times a matrix: each number of the matrix is needed once, so what counts is how it
is read.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from typing import Any, Final, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nbdl.kernels.cpu.vector import INDEX, VECTOR_REGISTERS, Vectors, call_outlined, intrinsic

VECTOR_ROWS: Final = 8
"""Rows of a matrix times a vector that go along k together: that many independent sums hide the latency."""

ROW_DEPTH: Final = 8
"""Rows of B that are added to a row of C together: it is read and written once for so many."""

ROW_BLOCKS: Final = 4
"""Blocks of a row of C that is added up in registers."""

WIDTHS: Final = (1, 2, 4) if VECTOR_REGISTERS == 32 else (1, 2)
"""Vectors of such a block: all blocks take half of the registers at most."""


@intrinsic
def multiply_vector(
    typingctx: Any, matrix: Any, row: Any, vector: Any, c: Any, rows: Any, depth: Any, accumulate: Any
) -> Any:
    """Compute `c[i] = sum_k matrix[i * row + k] * vector[k]`, or add it to c: one column of C, a vector along k."""
    n = types.intp
    return call_outlined(
        "nbdl.multiply_vector", types.void(matrix, n, vector, c, n, n, types.boolean), _emit_vector_rows
    )


def _emit_vector_rows(v: Vectors, arguments: Sequence[ir.Value]) -> None:
    """Emit the loop over the rows, VECTOR_ROWS at a time; past the last row the last one is computed again."""
    matrix, row, vector, c, rows, depth, accumulate = arguments
    builder = v.builder
    with cgutils.for_range_slice(builder, ir.Constant(INDEX, 0), rows, ir.Constant(INDEX, VECTOR_ROWS), INDEX) as (
        i,
        _,
    ):
        last = builder.sub(rows, ir.Constant(INDEX, 1))
        numbers = [builder.add(i, ir.Constant(INDEX, r)) for r in range(VECTOR_ROWS)]
        numbers = [builder.select(builder.icmp_signed("<", n, last), n, last) for n in numbers]
        starts = [v.address(matrix, builder.mul(n, row)) for n in numbers]
        places = [v.address(c, n) for n in numbers]
        old = [builder.select(accumulate, builder.load(p, typ=v.scalar), ir.Constant(v.scalar, 0.0)) for p in places]
        sums = _emit_dot_products(v, starts, vector, depth)
        for place, before, total in zip(places, old, sums, strict=True):
            builder.store(builder.fadd(before, v.sum_lanes(total)), place)


def _emit_dot_products(v: Vectors, starts: list[ir.Value], vector: ir.Value, depth: ir.Value) -> list[ir.Value]:
    """Emit the loop along k, whole vectors and then a masked one; return an unreduced sum for each row."""
    builder = v.builder
    lanes, zero = ir.Constant(INDEX, v.lanes), ir.Constant(INDEX, 0)
    whole = builder.sub(depth, builder.srem(depth, lanes))
    totals = [cgutils.alloca_once_value(builder, v.zero) for _ in starts]
    for total in totals:
        builder.store(v.zero, total)

    def step(k: ir.Value, mask: ir.Value | None) -> None:
        factor = v.load(v.address(vector, k), mask)
        for start, total in zip(starts, totals, strict=True):
            old = builder.load(total, typ=v.type)
            builder.store(v.multiply_add(v.load(v.address(start, k), mask), factor, old), total)

    with cgutils.for_range_slice(builder, zero, whole, lanes, INDEX) as (k, _):
        step(k, None)
    step(whole, v.prefix_mask(builder.sub(depth, whole)))
    return [builder.load(total, typ=v.type) for total in totals]


@intrinsic
def multiply_row(
    typingctx: Any, a: Any, a_column: Any, b: Any, b_row: Any, c: Any, columns: Any, depth: Any, accumulate: Any
) -> Any:
    """Compute `c[j] = sum_k a[k * a_column] * b[k * b_row + j]`, or add it to c: one row of C, vectors along it."""
    n = types.intp
    return call_outlined("nbdl.multiply_row", types.void(a, n, b, n, c, n, n, types.boolean), _emit_row)


class _RowProduct(NamedTuple):
    """c[j] += sum_k a[k * a_column] * b[k * b_row + j], for `columns` j and `depth` k."""

    a: ir.Value
    a_column: ir.Value
    b: ir.Value
    b_row: ir.Value
    c: ir.Value
    columns: ir.Value
    depth: ir.Value

    def factor(self, v: Vectors, k: ir.Value) -> ir.Value:
        """Where the factor of a row of B is."""
        return v.address(self.a, v.builder.mul(k, self.a_column))

    def row(self, v: Vectors, k: ir.Value) -> ir.Value:
        """Where a row of B begins."""
        return v.address(self.b, v.builder.mul(k, self.b_row))


def _emit_row(v: Vectors, arguments: Sequence[ir.Value]) -> None:
    """Emit the loops over the rows of B for rows of each width; the sums begin with what c holds."""
    product, accumulate = _RowProduct(*arguments[:-1]), arguments[-1]
    builder = v.builder
    row_bytes = builder.mul(product.columns, ir.Constant(INDEX, v.size))
    with builder.if_then(builder.not_(accumulate)):
        cgutils.memset(builder, product.c, row_bytes, 0)
    done = builder.append_basic_block("row.done")
    ways: list[tuple[int, Callable[..., None]]] = [(v.lanes, _emit_rows_of_a_vector)]
    for vectors in WIDTHS:
        ways.append((ROW_BLOCKS * vectors * v.lanes, partial(_emit_rows_in_registers, vectors=vectors)))
    for width, emit in ways:
        with builder.if_then(builder.icmp_signed("<=", product.columns, ir.Constant(INDEX, width))):
            emit(v, product)
            builder.branch(done)
    _emit_rows_in_memory(v, product)
    builder.branch(done)
    builder.position_at_end(done)


def _emit_rows_of_a_vector(v: Vectors, product: _RowProduct) -> None:
    """Emit rows that a vector holds: several at a time, in sums that don't wait for each other."""
    mask = v.prefix_mask(product.columns)
    sums = [cgutils.alloca_once_value(v.builder, v.zero) for _ in range(ROW_DEPTH)]
    for rows in _emit_some_rows(v, product):
        for total, (factor, row) in zip(sums, rows, strict=False):
            _add_product(v, total, factor, v.load(row, mask))
    loaded = [v.builder.load(each, typ=v.type) for each in sums]
    v.store(reduce(v.builder.fadd, loaded, v.load(product.c, mask)), product.c, mask)


def _emit_rows_in_registers(v: Vectors, product: _RowProduct, vectors: int) -> None:
    """Emit rows that ROW_BLOCKS blocks of some vectors hold: one after another, in registers.

    Blocks that would reach beyond the end of a row lie before it, and compute once more what others compute.
    """
    builder, width = v.builder, vectors * v.lanes
    last = builder.sub(product.columns, ir.Constant(INDEX, width))
    starts = [ir.Constant(INDEX, block * width) for block in range(ROW_BLOCKS)]
    starts = [builder.select(builder.icmp_signed("<", start, last), start, last) for start in starts]

    def places(row: ir.Value) -> list[ir.Value]:
        return [v.vector_address(v.address(row, start), j) for start in starts for j in range(vectors)]

    sums = [cgutils.alloca_once_value(builder, v.zero) for _ in range(ROW_BLOCKS * vectors)]
    for total, place in zip(sums, places(product.c), strict=True):
        builder.store(v.load(place), total)
    with cgutils.for_range(builder, product.depth, intp=INDEX) as loop:
        factor = v.splat(product.factor(v, loop.index))
        for total, place in zip(sums, places(product.row(v, loop.index)), strict=True):
            _add_product(v, total, factor, v.load(place))
    for total, place in zip(sums, places(product.c), strict=True):
        v.store(builder.load(total, typ=v.type), place)


def _emit_rows_in_memory(v: Vectors, product: _RowProduct) -> None:
    """Emit rows of any width, which are read whole and in order, as memory likes it best: several are added to c at a
    time, by whole vectors and then a masked one.
    """
    builder = v.builder
    lanes, zero = ir.Constant(INDEX, v.lanes), ir.Constant(INDEX, 0)
    rest = builder.srem(product.columns, lanes)
    whole, some, mask = builder.sub(product.columns, rest), builder.icmp_signed(">", rest, zero), v.prefix_mask(rest)

    def add(rows: list[tuple[ir.Value, ir.Value]], j: ir.Value, mask: ir.Value | None) -> None:
        place = v.address(product.c, j)
        total = v.load(place, mask)
        for factor, row in rows:
            total = v.multiply_add(factor, v.load(v.address(row, j), mask), total)
        v.store(total, place, mask)

    for rows in _emit_some_rows(v, product):
        with cgutils.for_range_slice(builder, zero, whole, lanes, INDEX) as (j, _):
            add(rows, j, None)
        with builder.if_then(some):
            add(rows, whole, mask)


def _emit_some_rows(v: Vectors, product: _RowProduct) -> Iterator[list[tuple[ir.Value, ir.Value]]]:
    """Emit a loop over ROW_DEPTH rows of B at a time, then one over those that are left; yield, inside of each, the
    rows' factors and places.
    """
    builder, depth = v.builder, product.depth
    zero, one, together = (ir.Constant(INDEX, number) for number in (0, 1, ROW_DEPTH))
    whole = builder.sub(depth, builder.srem(depth, together))
    for first, end, rows in ((zero, whole, together), (whole, depth, one)):
        with cgutils.for_range_slice(builder, first, end, rows, INDEX) as (k, _):
            places = [(product.factor(v, k), product.row(v, k))]
            for _ in range(1, rows.constant):
                places.append((v.address(places[-1][0], product.a_column), v.address(places[-1][1], product.b_row)))
            yield [(v.splat(factor), row) for factor, row in places]


def _add_product(v: Vectors, total: ir.Value, factor: ir.Value, vector: ir.Value) -> None:
    """Add a product to a sum that lies on the stack, which LLVM takes to a register."""
    v.builder.store(v.multiply_add(factor, vector, v.builder.load(total, typ=v.type)), total)
