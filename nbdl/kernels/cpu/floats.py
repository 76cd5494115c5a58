"""Bit-level building blocks of the elementary functions, as LLVM instructions that work on float32 and float64 alike.

Plain Numba can't say these without leaving the vector lane it is in: it widens `int32 + int32` to 64 bits, has no
bit cast of a scalar, turns `a if c else b` into a branch, and types the literal `1.5` as float64. Each intrinsic here
is a handful of instructions of the width of its argument, so a loop over float32 keeps sixteen of them in a 512-bit
register. A function `c(x)` made by `constant` or `polynomial` carries one set of numbers for each precision.
"""

from collections.abc import Sequence
from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic

from nbdl.kernels.cpu.jit import KernelFunction, compiled

scalar = compiled(KernelFunction, error_model="numpy", fastmath=False, no_cpython_wrapper=True, forceinline=True)
"""Compile a scalar function that its callers' loops inline.

No fast-math flag: the flags belong to each instruction, so what is compiled here keeps its exact order of
operations inside a caller that allows reassociation. It has to be said with `fastmath=False`, as Numba lets a function
inherit the flags of the first caller. Where a fused multiply-add is wanted, `fma` says so.
"""

MANTISSA_BITS = {32: 23, 64: 52}
EXPONENT_BIAS = {32: 127, 64: 1023}
ROOT_HALF_BITS = {32: 0x3F3504F3, 64: 0x3FE6A09E667F3BCD}
SHIFT_VALUES = {32: 1.5 * 2.0**23, 64: 1.5 * 2.0**52}


def _width(value: ir.Value) -> int:
    return 32 if isinstance(value.type, ir.FloatType) else 64


def _integer(value: ir.Value) -> ir.IntType:
    return ir.IntType(_width(value))


def _shift_bits(bits: ir.Value) -> ir.Value:
    """Return the bit pattern of SHIFT: the difference of two patterns is the integer that was added to it."""
    width = bits.type.width
    kind = ir.FloatType() if width == 32 else ir.DoubleType()
    return kind(SHIFT_VALUES[width]).bitcast(bits.type)


def _call(builder: Any, name: str, *arguments: ir.Value) -> ir.Value:
    """Call the LLVM intrinsic `name` for the type of its arguments, e.g. `llvm.fma.f32`."""
    kind = arguments[0].type
    function_type = ir.FunctionType(kind, [kind] * len(arguments))
    full_name = f"llvm.{name}.f{_width(arguments[0])}"
    return builder.call(builder.module.declare_intrinsic(full_name, fnty=function_type), arguments)


def _power_of_two(builder: Any, exponent: ir.Value, kind: ir.Type) -> ir.Value:
    """Build 2**exponent from an integer in the range of normal exponents."""
    bits = exponent.type.width
    biased = builder.add(exponent, exponent.type(EXPONENT_BIAS[bits]))
    return builder.bitcast(builder.shl(biased, exponent.type(MANTISSA_BITS[bits])), kind)


def _horner(builder: Any, value: ir.Value, coefficients: list[ir.Constant]) -> ir.Value:
    *rest, total = coefficients
    for coefficient in reversed(rest):
        total = _call(builder, "fmuladd", total, value, coefficient)
    return total


def constant(float32: float, float64: float | None = None) -> Any:
    """Return a function `c(x)` that is the constant in the type of `x`, with a value for each precision."""
    values = {32: float32, 64: float32 if float64 is None else float64}

    @intrinsic
    def typed_constant(typingctx: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
            return arguments[0].type(values[_width(arguments[0])])

        return x(x), emit

    return typed_constant


ZERO = constant(0.0)
HALF = constant(0.5)
ONE = constant(1.0)
TWO = constant(2.0)
INFINITY = constant(float("inf"))
NAN = constant(float("nan"))

SHIFT = constant(SHIFT_VALUES[32], SHIFT_VALUES[64])
"""Adding 1.5 * 2**23 (2**52) rounds to the nearest integer k and leaves k in the low bits, ready for `scale`."""


def polynomial(float32: Sequence[float], float64: Sequence[float] | None = None) -> Any:
    """Return a function `p(x)` that evaluates a polynomial, its coefficients given lowest degree first.

    Horner's rule with multiply-adds; from degree 6 on for the even and the odd powers apart, which halves the chain of
    operations that wait for each other.
    """
    tables = {32: float32, 64: float32 if float64 is None else float64}

    @intrinsic
    def horner(typingctx: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
            (value,) = arguments
            coefficients = [value.type(c) for c in tables[_width(value)]]
            if len(coefficients) < 7:
                return _horner(builder, value, coefficients)
            square = builder.fmul(value, value)
            even, odd = (_horner(builder, square, coefficients[i::2]) for i in (0, 1))
            return _call(builder, "fmuladd", odd, value, even)

        return x(x), emit

    return horner


@intrinsic
def like(typingctx: Any, value: Any, x: Any) -> Any:
    """Convert `value` (a number) to the type of `x`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return context.cast(builder, arguments[0], value, x)

    return x(value, x), emit


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c rounded once."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return _call(builder, "fma", *arguments)

    return a(a, a, a), emit


@intrinsic
def nearest(typingctx: Any, x: Any) -> Any:
    """Round to the nearest integer, ties to even."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return _call(builder, "rint", *arguments)

    return x(x), emit


@intrinsic
def magnitude(typingctx: Any, x: Any) -> Any:
    """Return |x|."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return _call(builder, "fabs", *arguments)

    return x(x), emit


@intrinsic
def with_sign(typingctx: Any, x: Any, sign: Any) -> Any:
    """Return |x| with the sign bit of `sign`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return _call(builder, "copysign", *arguments)

    return x(x, x), emit


@intrinsic
def select(typingctx: Any, condition: Any, yes: Any, no: Any) -> Any:
    """Return `yes` or `no`, both already computed: a blend of two registers instead of a branch."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return builder.select(*arguments)

    return yes(types.boolean, yes, yes), emit


@intrinsic
def limit(typingctx: Any, x: Any, low: Any, high: Any) -> Any:
    """Return x limited to [low, high]; NaN stays NaN, as both comparisons are false."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        value, low, high = arguments
        value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
        return builder.select(builder.fcmp_ordered(">", value, high), high, value)

    return x(x, x, x), emit


@intrinsic
def power_of_two(typingctx: Any, shifted: Any) -> Any:
    """Return 2**k, where `shifted` = SHIFT + k holds the integer k in its low bits; k must be a normal exponent."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        bits = builder.bitcast(arguments[0], _integer(arguments[0]))
        return _power_of_two(builder, builder.sub(bits, _shift_bits(bits)), arguments[0].type)

    return shifted(shifted), emit


@intrinsic
def scale(typingctx: Any, x: Any, shifted: Any) -> Any:
    """Return x * 2**k, where `shifted` = SHIFT + k.

    Two multiplications by half the exponent each: a single power of two can't reach a subnormal or overflowing result.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        value, magic = arguments
        bits = builder.bitcast(magic, _integer(magic))
        one = bits.type(1)
        # Halved as unsigned numbers: AVX2 has no arithmetic shift of 64-bit lanes.
        first = builder.sub(builder.lshr(bits, one), builder.lshr(_shift_bits(bits), one))
        second = builder.sub(builder.sub(bits, _shift_bits(bits)), first)
        value = builder.fmul(value, _power_of_two(builder, first, value.type))
        return builder.fmul(value, _power_of_two(builder, second, value.type))

    return x(x, x), emit


@intrinsic
def split(typingctx: Any, x: Any) -> Any:
    """Return (m, e) with x = m * 2**e, m in [sqrt(1/2), sqrt(2)) and e a float, for positive normal x."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        (value,) = arguments
        bits = builder.bitcast(value, _integer(value))
        width, field, kind = bits.type.width, bits.type(MANTISSA_BITS[bits.type.width]), value.type
        one = bits.type(EXPONENT_BIAS[width] << MANTISSA_BITS[width])
        # Moving the pattern of sqrt(1/2) to that of 1 makes the exponent field change at sqrt(1/2) instead.
        biased = builder.lshr(builder.add(bits, builder.sub(one, bits.type(ROOT_HALF_BITS[width]))), field)
        mantissa = builder.add(builder.sub(bits, builder.shl(biased, field)), one)
        # To float by way of 2**23 + biased (2**52 + biased): only AVX-512 converts 64-bit integer lanes.
        offset = float(2 ** MANTISSA_BITS[width])
        exponent = builder.bitcast(builder.or_(biased, builder.bitcast(kind(offset), bits.type)), kind)
        exponent = builder.fsub(exponent, kind(offset + EXPONENT_BIAS[width]))
        return context.make_tuple(builder, signature.return_type, [builder.bitcast(mantissa, kind), exponent])

    return types.UniTuple(x, 2)(x), emit


@intrinsic
def is_odd(typingctx: Any, shifted: Any) -> Any:
    """Return whether k in `shifted` = SHIFT + k is odd."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return builder.trunc(builder.bitcast(arguments[0], _integer(arguments[0])), ir.IntType(1))

    return types.boolean(shifted), emit


@intrinsic
def negate_half_turns(typingctx: Any, x: Any, shifted: Any) -> Any:
    """Return -x where bit 1 of k in `shifted` = SHIFT + k is set: the sign in the third and fourth quadrant."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        value, magic = arguments
        kind = _integer(value)
        turns = builder.bitcast(magic, _integer(magic))
        turns = turns if turns.type == kind else builder.trunc(turns, kind)
        sign = builder.shl(builder.and_(turns, kind(2)), kind(kind.width - 2))
        return builder.bitcast(builder.xor(builder.bitcast(value, kind), sign), value.type)

    return x(x, shifted), emit
