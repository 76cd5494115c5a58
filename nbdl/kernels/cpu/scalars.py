"""Small scalar functions that generated expressions call, besides the elementary ones."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from nbdl.kernels.cpu.floats import like
from nbdl.kernels.cpu.jit import kernel


def _extreme(name: str) -> Callable[..., Any]:
    """The body of an intrinsic of two numbers: LLVM's `maximum` or `minimum`, which vectorises reductions, too."""

    def body(typingctx: Any, x: Any, y: Any) -> Any:
        kind = typingctx.unify_types(x, y)
        if not isinstance(kind, types.Float | types.Integer):
            return None

        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
            one, other = (context.cast(builder, each, old, kind) for each, old in zip(arguments, (x, y), strict=True))
            if isinstance(kind, types.Float):
                function_type = ir.FunctionType(one.type, [one.type] * 2)
                function = builder.module.declare_intrinsic(f"llvm.{name}.f{kind.bitwidth}", fnty=function_type)
                return builder.call(function, [one, other], fastmath=("nsz",))
            compare = builder.icmp_signed if kind in types.signed_domain else builder.icmp_unsigned
            return builder.select(compare(">" if name == "maximum" else "<", one, other), one, other)

        return kind(x, y), emit

    body.__name__ = name
    return body


maximum = intrinsic(_extreme("maximum"))
"""The larger of two numbers; NaN if one of them is."""

minimum = intrinsic(_extreme("minimum"))
"""The smaller of two numbers; NaN if one of them is."""


@intrinsic
def fast_divide(typingctx: Any, x: Any, y: Any) -> Any:
    """x / y, without the processor's divider for whole vectors of float32.

    To know that y is no infinity is enough for LLVM to begin with an estimate of 1 / y, which it refines by a step of
    Newton's method. A vector takes an estimate and three multiplications then, in place of some six clock cycles of a
    unit that square roots need as well. An infinite y, or one whose reciprocal is infinite or subnormal, gives NaN or
    0; to ask whether a quotient is finite tells nothing, as LLVM may take it for granted.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        kind = signature.return_type
        x, y = (context.cast(builder, *each, kind) for each in zip(arguments, signature.args, strict=True))
        return builder.fdiv(x, y, flags=("arcp", "ninf", "contract"))

    kind = typingctx.unify_types(x, y)
    return (kind(x, y), emit) if isinstance(kind, types.Float) else None


@kernel
def sign(x):
    """-1, 0 or 1; NaN of NaN."""
    return like(1.0, x) if x > 0 else (like(-1.0, x) if x < 0 else x)


@kernel
def is_finite(x):
    """False for NaN and infinities."""
    return abs(x) < like(inf, x)  # not x - x == 0: sums that may be reordered cancel each other


@kernel
def floor(x):
    """The largest whole number up to x, in the type of x (Python's floor gives an integer, which holds neither NaN nor
    infinity).
    """
    return np.floor(x)
