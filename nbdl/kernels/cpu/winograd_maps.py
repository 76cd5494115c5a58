"""The linear maps of Winograd's convolution (see `winograd.py`), each an intrinsic made from a matrix.

    target[i] = sum over k of matrix[i][k] * source[k]                                      (or target[i] += ...)

where source[k] and target[i] are stretches of numbers: lines of an image, or the channels of pixels that lie side by
side. A square of pixels is mapped along its columns and then along its rows. The matrices hold little but 0, 1 and -1,
so a map is a handful of additions for each number that it writes.

Source of the matrices: A. Lavin, S. Gray, Fast algorithms for convolutional neural networks, CVPR 2016, section 4.1.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nbdl.kernels.cpu.vector import INDEX, Vectors, call_outlined, intrinsic

Matrix = tuple[tuple[float, ...], ...]

INPUT: Final[Matrix] = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
WEIGHTS: Final[Matrix] = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
OUTPUT: Final[Matrix] = ((1, 1, 1, 0), (0, 1, -1, -1))

_ZERO: Final = ir.Constant(INDEX, 0)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _map(name: str, matrix: Matrix, *, writes: bool = False, adds: bool = False) -> Any:
    """Return the intrinsic of a matrix, applied to `count` groups of stretches of `length` numbers.

    `source_step` lies between the stretches of a group, `source_next` between two groups; so it is with the target.
    Only the stretches from `first` to before `end` are there, of those that are read or, if it `writes`, of those that
    are written; `outside` stands for all others: zeros to read, or a place that nobody reads.
    """

    @intrinsic
    def apply(
        typingctx: Any,
        source: Any,
        source_step: Any,
        source_next: Any,
        target: Any,
        target_step: Any,
        target_next: Any,
        count: Any,
        length: Any,
        first: Any,
        end: Any,
        outside: Any,
    ) -> Any:
        n = types.intp
        signature = types.void(source, n, n, target, n, n, n, n, n, n, source)
        return call_outlined(f"nbdl.winograd.{name}", signature, partial(_emit_map, matrix, writes, adds))

    return apply


def _emit_map(matrix: Matrix, writes: bool, adds: bool, v: Vectors, arguments: Sequence[ir.Value]) -> None:
    """Emit the loops over groups and along the stretches: whole vectors and then a masked one."""
    source, source_step, source_next, target, target_step, target_next, count, length, first, end, outside = arguments
    builder = v.builder
    lanes, one = ir.Constant(INDEX, v.lanes), ir.Constant(INDEX, 1)
    rest = builder.srem(length, lanes)
    whole, mask = builder.sub(length, rest), v.prefix_mask(rest)
    some = builder.icmp_signed(">", rest, _ZERO)

    def places(start: ir.Value, step: ir.Value, size: int, edges: bool) -> list[ir.Value]:
        found = []
        for number in [ir.Constant(INDEX, i) for i in range(size)]:
            place = v.address(start, builder.mul(step, number))
            if edges:
                there = builder.icmp_signed("<=", first, number), builder.icmp_signed("<", number, end)
                place = builder.select(builder.and_(*there), place, outside)
            found.append(place)
        return found

    sources = places(source, source_step, len(matrix[0]), not writes)
    targets = places(target, target_step, len(matrix), writes)

    def emit_vector(start: ir.Value, place: ir.Value, mask: ir.Value | None) -> None:
        values = [v.load(v.address(each, start), mask) for each in sources]
        results = [_combined(v, row, values) for row in matrix]
        for each, result in zip(targets, results, strict=True):
            here = v.address(each, place)
            v.store(builder.fadd(v.load(here, mask), result) if adds else result, here, mask)

    with cgutils.for_range_slice(builder, _ZERO, count, one, INDEX) as (group, _):
        start, place = builder.mul(group, source_next), builder.mul(group, target_next)
        with cgutils.for_range_slice(builder, _ZERO, whole, lanes, INDEX) as (k, _):
            emit_vector(builder.add(start, k), builder.add(place, k), None)
        with builder.if_then(some):
            emit_vector(builder.add(start, whole), builder.add(place, whole), mask)


def _combined(v: Vectors, factors: Sequence[float], values: Sequence[ir.Value]) -> ir.Value:
    """Emit the sum of values times constant factors."""
    builder, total = v.builder, None
    for factor, value in zip(factors, values, strict=True):
        if factor == 0:
            continue
        if abs(factor) != 1:
            constant = ir.Constant(v.type, [factor] * v.lanes)
            total = builder.fmul(value, constant) if total is None else v.multiply_add(value, constant, total)
        elif total is None:
            total = value if factor > 0 else builder.fneg(value)
        else:
            total = builder.fadd(total, value) if factor > 0 else builder.fsub(total, value)
    return total


map_input = _map("input", INPUT)
add_input_back = _map("input_back", _transposed(INPUT), writes=True, adds=True)
map_output = _map("output", OUTPUT, writes=True)
map_output_back = _map("output_back", _transposed(OUTPUT))
map_weights = _map("weights", WEIGHTS)
map_weights_back = _map("weights_back", _transposed(WEIGHTS), writes=True)
add_weights_back = _map("weights_back_added", _transposed(WEIGHTS), writes=True, adds=True)
