"""Instructions of tensor cores, as inline PTX: the 32 threads of a warp multiply two small matrices together.

Of which elements a thread holds which is said in the PTX manual under "Matrix Fragments for mma.m16n8k8 / m16n8k16";
`nbdl.kernels.cuda.tensor_cores` reads and writes them accordingly.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.cuda import types
from numba.cuda.extending import intrinsic

FLOAT, WORD = ir.FloatType(), ir.IntType(32)
FOUR = types.UniTuple(types.float32, 4)


def _inline(builder: Any, result: ir.Type, text: str, constraints: str, arguments: list[ir.Value]) -> ir.Value:
    """Instructions that the threads of a warp run together: LLVM may not move them to where some of them don't come."""
    kind = ir.FunctionType(result, [each.type for each in arguments])
    return builder.call(ir.InlineAsm(kind, text, constraints, side_effect=False), arguments, attrs=("convergent",))


def _multiply(name: str) -> Any:
    """The emitter of c + a b: four words of a, two of b, four numbers of c."""
    text = f"mma.sync.aligned.{name} {{$0,$1,$2,$3}}, {{$4,$5,$6,$7}}, {{$8,$9}}, {{$10,$11,$12,$13}};"
    constraints = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words = [each if each.type == WORD else builder.bitcast(each, WORD) for each in arguments[:6]]
        made = ir.LiteralStructType([FLOAT] * 4)
        result = _inline(builder, made, text, constraints, [*words, *arguments[6:]])
        numbers = [builder.extract_value(result, each) for each in range(4)]
        return context.make_tuple(builder, FOUR, numbers)

    return emit


@intrinsic
def to_tf32(typingctx: Any, x: Any) -> Any:
    """Return a float32 rounded to the 10 bits behind the point that tensor cores multiply."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(_inline(builder, WORD, "cvt.rna.tf32.f32 $0, $1;", "=r,f", list(arguments)), FLOAT)

    return types.float32(types.float32), emit


@intrinsic
def pair(typingctx: Any, x: Any, y: Any) -> Any:
    """Return two float32 as bfloat16 in one word, the first in its lower half."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        low, high = arguments
        return _inline(builder, WORD, "cvt.rn.bf16x2.f32 $0, $1, $2;", "=r,f,f", [high, low])

    return types.uint32(types.float32, types.float32), emit


@intrinsic
def multiply_tf32(
    typingctx: Any, a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any, c0: Any, c1: Any, c2: Any, c3: Any
) -> Any:
    """c + a b for a of 16 by 8, b of 8 by 8."""
    kind = types.float32
    return FOUR(*[kind] * 10), _multiply("m16n8k8.row.col.f32.tf32.tf32.f32")


@intrinsic
def multiply_bf16(
    typingctx: Any, a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any, c0: Any, c1: Any, c2: Any, c3: Any
) -> Any:
    """c + a b for a of 16 by 16, b of 16 by 8."""
    return FOUR(*[types.uint32] * 6, *[types.float32] * 4), _multiply("m16n8k16.row.col.f32.bf16.bf16.f32")
