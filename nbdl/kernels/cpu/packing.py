"""How matrices are copied for the matrix product to where it reads them fast: row by row, or transposed."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nbdl.kernels.cpu.vector import INDEX, POINTER, Vectors, intrinsic, outlined

_ARGUMENTS: Final = (POINTER, INDEX, INDEX, INDEX, POINTER, INDEX)
_ZERO: Final = ir.Constant(INDEX, 0)

Emit = Callable[[Vectors, Sequence[ir.Value]], None]


@intrinsic
def copy_rows(
    typingctx: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_row: Any
) -> Any:
    """Write `target[i * target_row + j] = source[i * source_row + j]` for `rows` rows of `columns` elements."""
    return _copier("nbdl.copy_rows", _emit_rows, source, target)


@intrinsic
def copy_transposed(
    typingctx: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_row: Any
) -> Any:
    """Write `target[j * target_row + i] = source[i * source_row + j]` for `rows` rows of `columns` elements.

    Rows and columns of the target are written up to the next multiple of a vector's lanes; what is in them there has no
    meaning.
    """
    return _copier("nbdl.copy_transposed", _emit_transposed, source, target)


def _copier(name: str, emit_copy: Emit, source: Any, target: Any) -> Any:
    """Return what an intrinsic returns: the signature, and what emits the call of a function that is emitted once."""
    scalar = source.dtype

    def emit_function(builder: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
        emit_copy(Vectors(builder, scalar), arguments)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        arguments = list(arguments)
        for position in (0, 4):
            arguments[position] = builder.bitcast(arguments[position], POINTER)
        builder.call(outlined(builder.module, f"{name}.{scalar}", _ARGUMENTS, emit_function), arguments)
        return context.get_dummy_value()

    number = types.intp
    return types.void(source, number, number, number, target, number), emit


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


def _emit_transposed(v: Vectors, arguments: Sequence[ir.Value]) -> None:
    """Emit squares of `lanes x lanes` that are transposed in registers; past the last row it is read again."""
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
            mask, square = v.prefix_mask(builder.sub(columns, j)), v.address(place, builder.mul(j, target_row))
            loaded = [v.load(v.address(each, j), mask) for each in starts]
            for number, vector in zip(numbers, v.transpose(loaded), strict=True):
                v.store(vector, v.address(square, builder.mul(number, target_row)))
