"""How matrices are copied for the matrix product to where it reads them fast: row by row, or transposed."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nbdl.kernels.cpu.vector import INDEX, Vectors, call_outlined, intrinsic

_ZERO: Final = ir.Constant(INDEX, 0)


@intrinsic
def copy_rows(
    typingctx: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_row: Any
) -> Any:
    """Write `target[i * target_row + j] = source[i * source_row + j]` for `rows` rows of `columns` elements."""
    n = types.intp
    return call_outlined("nbdl.copy_rows", types.void(source, n, n, n, target, n), _emit_rows)


@intrinsic
def copy_transposed(
    typingctx: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_row: Any
) -> Any:
    """Write `target[j * target_row + i] = source[i * source_row + j]` for `rows` rows of `columns` elements.

    Rows and columns of the target are written up to the next multiple of a vector's lanes; what is in them there has no
    meaning.
    """
    n = types.intp
    return call_outlined("nbdl.copy_transposed", types.void(source, n, n, n, target, n), _emit_transposed)


@intrinsic
def write_transposed(
    typingctx: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_row: Any
) -> Any:
    """As `copy_transposed`, but nothing is written besides the elements."""
    n = types.intp
    emit = partial(_emit_transposed, exact=True)
    return call_outlined("nbdl.write_transposed", types.void(source, n, n, n, target, n), emit)


def _emit_rows(v: Vectors, arguments: Sequence[ir.Value]) -> None:
    """Emit whole vectors of each row and then, if elements are left, one with a mask."""
    source, source_row, rows, columns, target, target_row = arguments
    builder = v.builder
    lanes, one = ir.Constant(INDEX, v.lanes), ir.Constant(INDEX, 1)
    left = builder.srem(columns, lanes)
    whole, mask = builder.sub(columns, left), v.prefix_mask(left)
    some = builder.icmp_signed(">", left, _ZERO)
    with cgutils.for_range_slice(builder, _ZERO, rows, one, INDEX) as (i, _):
        start, place = v.address(source, builder.mul(i, source_row)), v.address(target, builder.mul(i, target_row))
        with cgutils.for_range_slice(builder, _ZERO, whole, lanes, INDEX) as (j, _):
            v.store(v.load(v.address(start, j)), v.address(place, j))
        with builder.if_then(some):
            v.store(v.load(v.address(start, whole), mask), v.address(place, whole), mask)


def _emit_transposed(v: Vectors, arguments: Sequence[ir.Value], exact: bool = False) -> None:
    """Emit squares of `lanes x lanes` that are transposed in registers; past the last row it is read again.

    What lies outside of the target is written as well, unless it must be `exact`.
    """
    source, source_row, rows, columns, target, target_row = arguments
    builder = v.builder
    lanes = ir.Constant(INDEX, v.lanes)
    numbers = [ir.Constant(INDEX, number) for number in range(v.lanes)]
    with cgutils.for_range_slice(builder, _ZERO, rows, lanes, INDEX) as (i, _):
        start, place = v.address(source, builder.mul(i, source_row)), v.address(target, i)
        last = builder.sub(builder.sub(rows, i), ir.Constant(INDEX, 1))
        read = [builder.select(builder.icmp_signed("<", number, last), number, last) for number in numbers]
        starts = [v.address(start, builder.mul(number, source_row)) for number in read]
        with cgutils.for_range_slice(builder, _ZERO, columns, lanes, INDEX) as (j, _):
            left = builder.sub(columns, j)
            mask, square = v.prefix_mask(left), v.address(place, builder.mul(j, target_row))
            loaded = [v.load(v.address(each, j), mask) for each in starts]
            for number, vector in zip(numbers, v.transpose(loaded), strict=True):
                inside = None
                if exact:
                    is_row = builder.icmp_signed("<", number, left)
                    inside = v.prefix_mask(builder.select(is_row, builder.sub(rows, i), _ZERO))
                v.store(vector, v.address(square, builder.mul(number, target_row)), inside)
