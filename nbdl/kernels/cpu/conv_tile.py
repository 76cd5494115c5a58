"""The register tiles of convolutions: the tiles of the matrix product, with a sum over two axes.

    c[i, j] = sum_p sum_k a[i * a_row + p * a_block + k * a_column] * b[p * b_block + k * b_row + j]     (or c += ...)

Both axes are walked with the accumulators in registers. In a convolution p is the row of the kernel, and k its columns
and channels; in the gradient of the weights p and k are rows and columns of the image. Strides count scalars; rows of B
and C are contiguous.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types

from nbdl.kernels.cpu.tile import NARROW_ROWS, TILE_ROWS, TILE_VECTORS, call_one_of, emit_results
from nbdl.kernels.cpu.vector import BIT, INDEX, POINTER, Vectors, intrinsic, outlined

ARGUMENTS = (POINTER, INDEX, INDEX, INDEX, POINTER, INDEX, INDEX, POINTER, INDEX, INDEX, INDEX, INDEX, BIT)
_POINTERS = (0, 4, 7)


@intrinsic
def multiply_blocks(
    typingctx: Any,
    rows: Any,
    vectors: Any,
    columns: Any,
    a: Any,
    a_row: Any,
    a_block: Any,
    a_column: Any,
    b: Any,
    b_block: Any,
    b_row: Any,
    c: Any,
    c_row: Any,
    blocks: Any,
    depth: Any,
    accumulate: Any,
) -> Any:
    """Compute one tile of C: `rows` by `columns`, which fill `vectors` (1 to TILE_VECTORS) vectors.

    There are 1 to TILE_ROWS rows, or to NARROW_ROWS if one vector is filled.

    `a`, `b`, `c` are typed pointers to the tile's first elements; p runs to `blocks` and k to `depth` (zero is fine).
    Nothing outside the tile is read or written. With `accumulate` the sums are added to C, else they replace it.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, vectors, columns, *rest = arguments
        v = Vectors(builder, signature.args[3].dtype)
        before_last = builder.mul(builder.sub(vectors, ir.Constant(INDEX, 1)), ir.Constant(INDEX, v.lanes))
        tile_arguments = [*rest[:-1], builder.sub(columns, before_last), rest[-1]]
        for position in _POINTERS:
            tile_arguments[position] = builder.bitcast(tile_arguments[position], POINTER)
        number = builder.add(builder.mul(vectors, ir.Constant(INDEX, NARROW_ROWS)), rows)
        module, scalar = builder.module, signature.args[3].dtype
        functions = {
            tile_vectors * NARROW_ROWS + tile_rows: _tile_function(module, scalar, tile_rows, tile_vectors)
            for tile_vectors in range(1, TILE_VECTORS + 1)
            for tile_rows in range(1, (NARROW_ROWS if tile_vectors == 1 else TILE_ROWS) + 1)
        }
        call_one_of(builder, functions, number, tile_arguments)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, n, n, a, n, n, n, b, n, n, c, n, n, n, types.boolean), emit


def _tile_function(module: ir.Module, scalar: types.Float, rows: int, vectors: int) -> ir.Function:
    """Return the micro-kernel of one size."""

    def emit(builder: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
        a, a_row, a_block, a_column, b, b_block, b_row, c, c_row, blocks, depth, last, accumulate = arguments
        v = Vectors(builder, scalar)
        masks = [None] * (vectors - 1) + [v.prefix_mask(last)]
        a_rows = [v.address(a, builder.mul(a_row, ir.Constant(INDEX, i))) for i in range(rows)]
        steps = (a_block, a_column, b_block, b_row)
        c_rows = [v.address(c, builder.mul(c_row, ir.Constant(INDEX, i))) for i in range(rows)]
        emit_results(v, _emit_sums(v, a_rows, b, steps, blocks, depth, masks), c_rows, accumulate, masks)

    return outlined(module, f"nbdl.conv_tile.{scalar}.{rows}x{vectors}", ARGUMENTS, emit)


def _emit_sums(
    v: Vectors,
    a_rows: list[ir.Value],
    b: ir.Value,
    steps: tuple[ir.Value, ir.Value, ir.Value, ir.Value],
    blocks: ir.Value,
    depth: ir.Value,
    masks: list[ir.Value | None],
) -> list[list[ir.Value]]:
    """Emit the two loops and return the accumulators, `[row][vector]`."""
    builder = v.builder
    a_block, a_column, b_block, b_row = steps
    entry, size = builder.block, len(a_rows) * len(masks)
    outer, inner, next_block, after = (builder.append_basic_block(name) for name in ("p", "k", "next", "sums"))
    zero, one = ir.Constant(INDEX, 0), ir.Constant(INDEX, 1)
    some = builder.and_(builder.icmp_signed(">", blocks, zero), builder.icmp_signed(">", depth, zero))
    builder.cbranch(some, outer, after)

    builder.position_at_end(outer)
    place = [builder.phi(INDEX) for _ in range(3)]
    before = [builder.phi(v.type) for _ in range(size)]
    builder.branch(inner)

    builder.position_at_end(inner)
    walk = [builder.phi(INDEX) for _ in range(3)]
    old = [builder.phi(v.type) for _ in range(size)]
    _, a_offset, b_offset = walk
    b_start = v.address(b, b_offset)
    b_vectors = [v.load(v.vector_address(b_start, j), mask) for j, mask in enumerate(masks)]
    sums = []
    for i, a_start in enumerate(a_rows):
        factor = v.splat(v.address(a_start, a_offset))
        sums += [v.multiply_add(factor, b, old[i * len(masks) + j]) for j, b in enumerate(b_vectors)]
    walked = [builder.add(*pair) for pair in zip(walk, (one, a_column, b_row), strict=True)]
    _join([*walk, *old], outer, [zero, *place[1:], *before], inner, [*walked, *sums])
    builder.cbranch(builder.icmp_signed("<", walked[0], depth), inner, next_block)

    builder.position_at_end(next_block)
    following = [builder.add(*pair) for pair in zip(place, (one, a_block, b_block), strict=True)]
    _join([*place, *before], entry, [zero, zero, zero, *[v.zero] * size], next_block, [*following, *sums])
    builder.cbranch(builder.icmp_signed("<", following[0], blocks), outer, after)

    builder.position_at_end(after)
    results = [builder.phi(v.type) for _ in range(size)]
    _join(results, entry, [v.zero] * size, next_block, sums)
    return [results[i : i + len(masks)] for i in range(0, size, len(masks))]


def _join(
    phis: list[ir.Value],
    first_block: ir.Block,
    first: list[ir.Value],
    second_block: ir.Block,
    second: list[ir.Value],
) -> None:
    """Say what values have that come from one of two blocks."""
    for phi, one, other in zip(phis, first, second, strict=True):
        phi.add_incoming(one, first_block)
        phi.add_incoming(other, second_block)
