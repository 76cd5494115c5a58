"""The register tiles of the matrix product: its micro-kernels.

A tile keeps up to `TILE_ROWS x TILE_VECTORS` accumulators in registers while it walks along k. Each of its steps
loads one row of B as vectors and broadcasts one scalar of A for every row:

    c[i, j] = sum_k a[i * a_row + k * a_column] * b[k * b_row + j]        (or c += ...)

Strides count scalars; rows of B and C are contiguous. The strides of A are arbitrary: that is what makes a transposed
A, or a convolution over a padded image, the same kernel. Every size of tile is a function of its own, never inlined:
a program that holds ten products holds the tiles once, and no size of tile sees a caller's constants. Their heights are
even, which halves the time to compile them: an odd tile computes its last row twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types

from nbdl.kernels.cpu.vector import BIT, INDEX, POINTER, VECTOR_REGISTERS, Vectors, intrinsic, outlined

TILE_ROWS: Final = 6
TILE_VECTORS: Final = 4 if VECTOR_REGISTERS == 32 else 2
"""24 accumulators, 4 vectors of B and a broadcast fit 32 registers; 12, 2 and 1 fit 16."""

NARROW_ROWS: Final = 2 * TILE_ROWS
"""Rows of a tile that is one vector wide: half as many sums would wait for each other."""

TILE_ARGUMENTS: Final = (POINTER, INDEX, INDEX, POINTER, INDEX, POINTER, INDEX, INDEX, INDEX, BIT, BIT)


@intrinsic
def multiply_tile(
    typingctx: Any,
    rows: Any,
    vectors: Any,
    columns: Any,
    a: Any,
    a_row: Any,
    a_column: Any,
    b: Any,
    b_row: Any,
    c: Any,
    c_row: Any,
    depth: Any,
    accumulate: Any,
) -> Any:
    """Compute one tile of C: `rows` by `columns`, which fill `vectors` (1 to TILE_VECTORS) vectors.

    There are 1 to TILE_ROWS rows, or to NARROW_ROWS if one vector is filled.
    `a`, `b`, `c` are typed pointers to the tile's first elements, `depth` is the length of the sum (zero is fine).
    Nothing outside the tile is read or written. With `accumulate` the sums are added to C, else they replace it.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, vectors, columns, a, a_row, a_column, b, b_row, c, c_row, depth, accumulate = arguments
        v = Vectors(builder, signature.args[3].dtype)
        before_last = builder.mul(builder.sub(vectors, ir.Constant(INDEX, 1)), ir.Constant(INDEX, v.lanes))
        last = builder.sub(columns, before_last)
        one = ir.Constant(INDEX, 1)
        odd, half = builder.trunc(rows, BIT), builder.lshr(builder.add(rows, one), one)
        tile_arguments = [a, a_row, a_column, b, b_row, c, c_row, depth, last, odd, accumulate]
        for position in (0, 3, 5):
            tile_arguments[position] = builder.bitcast(tile_arguments[position], POINTER)
        number = builder.add(builder.mul(vectors, ir.Constant(INDEX, NARROW_ROWS)), half)
        module, scalar = builder.module, signature.args[3].dtype
        functions = {
            tile_vectors * NARROW_ROWS + tile_rows // 2: _tile_function(module, scalar, tile_rows, tile_vectors)
            for tile_vectors in range(1, TILE_VECTORS + 1)
            for tile_rows in range(2, (NARROW_ROWS if tile_vectors == 1 else TILE_ROWS) + 1, 2)
        }
        call_one_of(builder, functions, number, tile_arguments)
        return context.get_dummy_value()

    numbers = types.intp
    signature = types.void(
        numbers, numbers, numbers, a, numbers, numbers, b, numbers, c, numbers, numbers, types.boolean
    )
    return signature, emit


def call_one_of(
    builder: ir.IRBuilder, functions: Mapping[int, ir.Function], number: ir.Value, arguments: Sequence[ir.Value]
) -> None:
    """Emit a call of the function that has a number, which must be one of theirs."""
    impossible, done = (builder.append_basic_block(name) for name in ("tile.impossible", "tile.done"))
    with builder.goto_block(impossible):
        builder.unreachable()
    switch = builder.switch(number, impossible)
    for key, function in functions.items():
        case = builder.append_basic_block(function.name)
        switch.add_case(key, case)
        with builder.goto_block(case):
            builder.call(function, arguments)
            builder.branch(done)
    builder.position_at_end(done)


def _tile_function(module: ir.Module, scalar: types.Float, rows: int, vectors: int) -> ir.Function:
    """Return the micro-kernel of one size; `rows` is even."""

    def emit(builder: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
        a, a_row, a_column, b, b_row, c, c_row, depth, last, odd, accumulate = arguments
        v = Vectors(builder, scalar)
        masks = [None] * (vectors - 1) + [v.prefix_mask(last)]
        numbers = [ir.Constant(INDEX, i) for i in range(rows)]
        numbers[-1] = builder.select(odd, numbers[-2], numbers[-1])
        a_rows, c_rows = ([v.address(x, builder.mul(row, i)) for i in numbers] for x, row in ((a, a_row), (c, c_row)))
        sums = _emit_sums(v, a_rows, a_column, b, b_row, depth, masks)
        emit_results(v, sums, c_rows, accumulate, masks)

    return outlined(module, f"nbdl.tile.{scalar}.{rows}x{vectors}", TILE_ARGUMENTS, emit)


def _emit_sums(
    v: Vectors,
    a_rows: list[ir.Value],
    a_column: ir.Value,
    b: ir.Value,
    b_row: ir.Value,
    depth: ir.Value,
    masks: list[ir.Value | None],
) -> list[list[ir.Value]]:
    """Emit the loop along k and return the accumulators, `[row][vector]`."""
    builder = v.builder
    entry = builder.block
    loop, after = builder.append_basic_block("k"), builder.append_basic_block("sums")
    zero, one = ir.Constant(INDEX, 0), ir.Constant(INDEX, 1)
    builder.cbranch(builder.icmp_signed(">", depth, zero), loop, after)

    builder.position_at_end(loop)
    k, a_offset, b_offset = (builder.phi(INDEX) for _ in range(3))
    before = [[builder.phi(v.type) for _ in masks] for _ in a_rows]
    b_start = v.address(b, b_offset)
    b_vectors = [v.load(v.vector_address(b_start, j), mask) for j, mask in enumerate(masks)]
    sums = []
    for a_start, row in zip(a_rows, before, strict=True):
        factor = v.splat(v.address(a_start, a_offset))
        sums.append([v.multiply_add(factor, b, old) for b, old in zip(b_vectors, row, strict=True)])
    following = [builder.add(k, one), builder.add(a_offset, a_column), builder.add(b_offset, b_row)]
    again = builder.icmp_signed("<", following[0], depth)
    for phi, value in zip([k, a_offset, b_offset], following, strict=True):
        phi.add_incoming(zero, entry)
        phi.add_incoming(value, loop)
    builder.cbranch(again, loop, after)

    builder.position_at_end(after)
    results = []
    for old_row, new_row in zip(before, sums, strict=True):
        result_row = []
        for old, new in zip(old_row, new_row, strict=True):
            old.add_incoming(v.zero, entry)
            old.add_incoming(new, loop)
            result = builder.phi(v.type)
            result.add_incoming(v.zero, entry)
            result.add_incoming(new, loop)
            result_row.append(result)
        results.append(result_row)
    return results


def emit_results(
    v: Vectors,
    sums: list[list[ir.Value]],
    c_rows: list[ir.Value],
    accumulate: ir.Value,
    masks: list[ir.Value | None],
) -> None:
    """Emit the store of the accumulators to the rows of C, after the addition of C if `accumulate`.

    All of C is read before any of it is written: two rows may be the same.
    """
    builder = v.builder
    add, store, done = (builder.append_basic_block(name) for name in ("add", "store", "done"))
    places = [(v.vector_address(row, j), mask) for row in c_rows for j, mask in enumerate(masks)]
    totals = [total for row in sums for total in row]
    builder.cbranch(accumulate, add, store)
    for block in (add, store):
        builder.position_at_end(block)
        values = totals
        if block is add:
            values = [builder.fadd(v.load(*place), total) for place, total in zip(places, totals, strict=True)]
        for place, value in zip(places, values, strict=True):
            v.store(value, *place)
        builder.branch(done)
    builder.position_at_end(done)
