"""The linear maps of Winograd's convolution (see `winograd.py`), each an intrinsic made from matrices.

    target[i] = sum over k of matrix[i][k] * source[k]                                      (or target[i] += ...)

where source[k] and target[i] are stretches of numbers: lines of an image, or the channels of pixels that lie side by
side. A tile is mapped along its columns and then along its rows. The rows of a matrix
(`nbdl.kernels.winograd.matrices`) hold two to six numbers other than 0, and many differ from another row only in signs,
so a map is a handful of operations for each number that it writes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nbdl.kernels.cpu.vector import INDEX, Vectors, call_outlined, intrinsic
from nbdl.kernels.winograd import FORMS, Matrix, matrices

_ZERO: Final = ir.Constant(INDEX, 0)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _map(name: str, matrix: Callable[[int, int], Matrix], *, writes: bool = False, adds: bool = False) -> Any:
    """Return the intrinsic of the matrices for the sides of tiles and kernels, `matrix(tile, kernel)`.

    It is applied to `count` groups of stretches of `length` numbers. `source_step` lies between the stretches of a
    group, `source_next` between two groups; so it is with the target. Only the stretches from `first` to before `end`
    are there, of those that are read or, if it `writes`, of those that are written; `outside` stands for all others:
    zeros to read, or a place that nobody reads.
    """

    @intrinsic
    def apply(
        typingctx: Any,
        tile: Any,
        kernel: Any,
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
        mapping = types.void(source, n, n, target, n, n, n, n, n, n, source)
        bodies = {form: partial(_emit_map, matrix(*form), writes, adds) for form in FORMS}
        calls = {
            form: call_outlined(f"nbdl.winograd.{name}.{form[0]}.{form[1]}", mapping, body)[1]
            for form, body in bodies.items()
        }

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            asked, rest = arguments[:2], arguments[2:]
            for form, call in calls.items():
                same = [builder.icmp_signed("==", one, INDEX(other)) for one, other in zip(asked, form, strict=True)]
                with builder.if_then(builder.and_(*same)):
                    call(context, builder, signature, rest)
            return context.get_dummy_value()

        return types.void(n, n, *mapping.args), emit

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
        results = _product(v, matrix, [v.load(v.address(each, start), mask) for each in sources])
        for each, result in zip(targets, results, strict=True):
            here = v.address(each, place)
            v.store(builder.fadd(v.load(here, mask), result) if adds else result, here, mask)

    with cgutils.for_range_slice(builder, _ZERO, count, one, INDEX) as (group, _):
        start, place = builder.mul(group, source_next), builder.mul(group, target_next)
        with cgutils.for_range_slice(builder, _ZERO, whole, lanes, INDEX) as (k, _):
            emit_vector(builder.add(start, k), builder.add(place, k), None)
        with builder.if_then(some):
            emit_vector(builder.add(start, whole), builder.add(place, whole), mask)


def _product(v: Vectors, matrix: Matrix, values: Sequence[ir.Value]) -> list[ir.Value]:
    """Emit a matrix times values. Rows that mirror each other share two sums: one is a + b, and the other a - b."""
    results: dict[int, ir.Value] = {}
    for i, row in enumerate(matrix):
        if i in results:
            continue
        for j in range(i + 1, len(matrix)):
            alike = [factor if factor == other else 0 for factor, other in zip(row, matrix[j], strict=True)]
            mirrored = [factor if factor == -other else 0 for factor, other in zip(row, matrix[j], strict=True)]
            if [*map(abs, row)] == [*map(abs, matrix[j])] and any(alike) and any(mirrored):
                a, b = _combined(v, alike, values), _combined(v, mirrored, values)
                results[i], results[j] = v.builder.fadd(a, b), v.builder.fsub(a, b)
                break
        else:
            results[i] = _combined(v, row, values)
    return [results[i] for i in range(len(matrix))]


def _combined(v: Vectors, factors: Sequence[float], values: Sequence[ir.Value]) -> ir.Value:
    """Emit the sum of values times constant factors, those that need no product first."""
    builder, total = v.builder, None
    terms = [each for each in zip(factors, values, strict=True) if each[0]]
    for factor, value in sorted(terms, key=lambda term: abs(term[0]) != 1):
        if abs(factor) != 1:
            constant = ir.Constant(v.type, [factor] * v.lanes)
            total = builder.fmul(value, constant) if total is None else v.multiply_add(value, constant, total)
        elif total is None:
            total = value if factor > 0 else builder.fneg(value)
        else:
            total = builder.fadd(total, value) if factor > 0 else builder.fsub(total, value)
    return total


def _part(name: str, *, transposed: bool = False) -> Callable[[int, int], Matrix]:
    """Return what picks one of the three matrices."""

    def pick(tile: int, kernel: int) -> Matrix:
        matrix: Matrix = getattr(matrices(tile, kernel), name)
        return _transposed(matrix) if transposed else matrix

    return pick


map_input = _map("input", _part("input"))
add_input_back = _map("input_back", _part("input", transposed=True), writes=True, adds=True)
map_output = _map("output", _part("output"), writes=True)
map_output_back = _map("output_back", _part("output", transposed=True))
map_weights = _map("weights", _part("weights"))
map_weights_back = _map("weights_back", _part("weights", transposed=True), writes=True)
add_weights_back = _map("weights_back_added", _part("weights", transposed=True), writes=True, adds=True)
