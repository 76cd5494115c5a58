"""LLVM vectors for hand-written kernels: the machine's width, pointers, and the instructions the tiles are made of.

Numba's vectoriser is good at elementwise loops and poor at register tiles, so those are emitted as LLVM vector
instructions from intrinsics. Everything here works for float32 and float64 and for any vector width: LLVM splits a
vector that is wider than the machine's registers, slowly but rightly.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic as numba_intrinsic

INDEX: Final = ir.IntType(64)
BIT: Final = ir.IntType(1)
POINTER: Final = ir.PointerType()

intrinsic: Any = numba_intrinsic
"""Numba's decorator, without its type: that would ask callers for the typing context."""


def machine_vector(features: str, triple: str) -> tuple[int, int]:
    """Return the bytes of the widest vector and the number of vector registers of a machine.

    `features` is LLVM's comma-separated list (`+avx2,-avx512f,...`), `triple` its name of the target.

    >>> machine_vector("+avx,+avx2,+fma", "x86_64-unknown-linux-gnu")
    (32, 16)
    >>> machine_vector("+neon", "aarch64-unknown-linux-gnu")
    (16, 32)
    """
    enabled = {name[1:] for name in features.split(",") if name.startswith("+")}
    if "avx512f" in enabled:
        return 64, 32
    if "avx" in enabled:
        return 32, 16
    return 16, 16 if triple.startswith(("x86", "i686")) else 32


# Numba's own target, not the host's features: NUMBA_CPU_NAME and NUMBA_ENABLE_AVX may have narrowed it.
_TRIPLE, _, _FEATURES = cpu_target.target_context.codegen().magic_tuple()
VECTOR_BYTES, VECTOR_REGISTERS = machine_vector(_FEATURES, _TRIPLE)


class Vectors:
    """The vector instructions for one scalar type, emitted at a builder's position.

    `scalar` is Numba's float32 or float64; `lanes` is how many of them fill a register of this machine.
    """

    def __init__(self, builder: ir.IRBuilder, scalar: types.Float) -> None:
        self.builder = builder
        self.scalar = ir.FloatType() if scalar == types.float32 else ir.DoubleType()
        self.size = scalar.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.size
        self.type = ir.VectorType(self.scalar, self.lanes)
        self.mask_type = ir.VectorType(BIT, self.lanes)
        self.suffix = f"v{self.lanes}f{scalar.bitwidth}"
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def address(self, pointer: ir.Value, elements: ir.Value) -> ir.Value:
        """Return `pointer + elements`, counted in scalars."""
        return self.builder.gep(pointer, [elements], source_etype=self.scalar)

    def vector_address(self, pointer: ir.Value, vectors: int) -> ir.Value:
        """Return `pointer + vectors * lanes`."""
        return self.address(pointer, ir.Constant(INDEX, vectors * self.lanes))

    def splat(self, pointer: ir.Value) -> ir.Value:
        """Load one scalar into every lane."""
        value = self.builder.load(pointer, typ=self.scalar)
        first = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(first, first, [0] * self.lanes)

    def shuffle(self, first: ir.Value, second: ir.Value, order: Sequence[int]) -> ir.Value:
        """Pick lanes of the two vectors laid side by side."""
        index = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order))
        return self.builder.shuffle_vector(first, second, index)

    def multiply_add(self, first: ir.Value, second: ir.Value, third: ir.Value) -> ir.Value:
        """Return `first * second + third`, fused where the machine can (`llvm.fma` would call libm where it can't)."""
        function = self._intrinsic("fmuladd", self.suffix, self.type, [self.type] * 3)
        return self.builder.call(function, [first, second, third])

    def sum_lanes(self, vector: ir.Value) -> ir.Value:
        """Return the sum of a vector's lanes, added in pairs (`reassoc`) and not one after another."""
        function = self._intrinsic("vector.reduce.fadd", self.suffix, self.scalar, [self.scalar, self.type])
        return self.builder.call(function, [ir.Constant(self.scalar, 0.0), vector], fastmath=("reassoc",))

    def prefix_mask(self, count: ir.Value) -> ir.Value:
        """Return the mask of the lanes below `count`, an i64 below 2^31.

        It is compared with numbers as wide as the lanes: a machine compares one vector of them, not two of i64.
        """
        number, int32 = ir.IntType(8 * self.size), ir.IntType(32)
        wide = ir.VectorType(number, self.lanes)
        limit = count if number == INDEX else self.builder.trunc(count, number)
        first = self.builder.insert_element(ir.Constant(wide, ir.Undefined), limit, ir.Constant(int32, 0))
        limits = self.shuffle(first, first, [0] * self.lanes)
        return self.builder.icmp_signed("<", ir.Constant(wide, list(range(self.lanes))), limits)

    def load(self, pointer: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """Load a vector; lanes outside the mask are zero and their memory is not touched."""
        if mask is None:
            return self.builder.load(pointer, typ=self.type, align=self.size)
        arguments = [POINTER, ir.IntType(32), self.mask_type, self.type]
        function = self._intrinsic("masked.load", f"{self.suffix}.p0", self.type, arguments)
        return self.builder.call(function, [pointer, ir.Constant(ir.IntType(32), self.size), mask, self.zero])

    def store(self, value: ir.Value, pointer: ir.Value, mask: ir.Value | None = None) -> None:
        """Store a vector; memory of the lanes outside the mask is not touched."""
        if mask is None:
            self.builder.store(value, pointer, align=self.size)
            return
        arguments = [self.type, POINTER, ir.IntType(32), self.mask_type]
        function = self._intrinsic("masked.store", f"{self.suffix}.p0", ir.VoidType(), arguments)
        self.builder.call(function, [value, pointer, ir.Constant(ir.IntType(32), self.size), mask])

    def transpose(self, rows: list[ir.Value]) -> list[ir.Value]:
        """Transpose `lanes` vectors of `lanes` scalars in registers.

        First 4x4 (or 2x2) squares within 128-bit chunks, which are cheap interleavings, then whole chunks.
        """
        chunk = 16 // self.size
        squares = [self._transpose_squares(rows[i : i + chunk]) for i in range(0, self.lanes, chunk)]
        columns = [self._gather_chunks([square[j] for square in squares]) for j in range(chunk)]
        return [columns[i % chunk][i // chunk] for i in range(self.lanes)]

    def _transpose_squares(self, rows: list[ir.Value]) -> list[ir.Value]:
        """Transpose the squares in the 128-bit chunks of as many rows as a chunk has scalars."""
        if len(rows) == 2:
            return list(self._interleave(rows[0], rows[1], 1))
        low = [self._interleave(rows[i], rows[i + 1], 1) for i in (0, 2)]
        columns: list[ir.Value] = []
        for half in (0, 1):
            columns += self._interleave(low[0][half], low[1][half], 2)
        return columns

    def _interleave(self, first: ir.Value, second: ir.Value, group: int) -> tuple[ir.Value, ir.Value]:
        """Interleave groups of scalars of the lower, and of the upper, halves of every 128-bit chunk."""
        chunk = 16 // self.size
        orders: list[list[int]] = [[], []]
        for start in range(0, self.lanes, chunk):
            for half in (0, 1):
                for scalar in range(start + half * chunk // 2, start + (half + 1) * chunk // 2, group):
                    for source in (0, self.lanes):
                        orders[half] += range(source + scalar, source + scalar + group)
        return self.shuffle(first, second, orders[0]), self.shuffle(first, second, orders[1])

    def _gather_chunks(self, rows: list[ir.Value]) -> list[ir.Value]:
        """Return vectors that hold the first chunk of every row, the second chunk of every row, and so on."""
        if len(rows) == 1:
            return rows
        chunk = 16 // self.size
        starts = range(0, 2 * self.lanes, 2 * chunk)
        even = [lane for start in starts for lane in range(start, start + chunk)]
        odd = [lane + chunk for lane in even]
        pairs = list(zip(rows[::2], rows[1::2], strict=True))
        evens = self._gather_chunks([self.shuffle(a, b, even) for a, b in pairs])
        odds = self._gather_chunks([self.shuffle(a, b, odd) for a, b in pairs])
        return [row for pair in zip(evens, odds, strict=True) for row in pair]

    def _intrinsic(self, name: str, suffix: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        function = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self.builder.module, function, f"llvm.{name}.{suffix}")


def outlined(
    module: ir.Module,
    name: str,
    arguments: Sequence[ir.Type],
    emit: Callable[[ir.IRBuilder, Sequence[ir.Value]], None],
    *,
    apart: bool = False,
) -> ir.Function:
    """Return a module's void function `name`, emitted on first use by `emit(builder, arguments)`.

    It is never inlined, so that a module holds it once, and optimised for size, which keeps LLVM from unrolling loops
    that already fill the machine: the copies doubled the compile time. If what its pointers lead to lies `apart`, it
    may keep in a register what it has read, whatever it writes meanwhile.
    """
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "linkonce_odr"
    for attribute in ("noinline", "optsize", "nounwind"):
        function.attributes.add(attribute)
    if apart:
        for argument in function.args:
            if argument.type == POINTER:
                argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    emit(builder, function.args)
    builder.ret_void()
    return function


def call_outlined(name: str, signature: Any, emit: Callable[[Vectors, Sequence[ir.Value]], None]) -> tuple[Any, Any]:
    """Return what an intrinsic returns: its signature, and what emits the call of an outlined function.

    `emit(vectors, arguments)` emits its body; vectors hold what the first argument points to.
    """
    scalar = signature.args[0].dtype
    kinds = [
        POINTER if isinstance(each, types.CPointer) else BIT if each == types.boolean else INDEX
        for each in signature.args
    ]

    def emit_body(builder: ir.IRBuilder, arguments: Sequence[ir.Value]) -> None:
        emit(Vectors(builder, scalar), arguments)

    def emit_call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Sequence[ir.Value]) -> Any:
        function = outlined(builder.module, f"{name}.{scalar}", kinds, emit_body)
        builder.call(function, [builder.bitcast(each, kind) for each, kind in zip(arguments, kinds, strict=True)])
        return context.get_dummy_value()

    return signature, emit_call


@intrinsic
def pointer(typingctx: Any, array: Any) -> Any:
    """Return the address of an array's first element as a typed pointer (`CPointer(dtype)`)."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), emit


@intrinsic
def offset(typingctx: Any, start: Any, elements: Any) -> Any:
    """Return the typed pointer `elements` scalars after `start`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        item = context.get_data_type(signature.args[0].dtype)
        return builder.gep(arguments[0], [arguments[1]], source_etype=item)

    return start(start, types.intp), emit


@intrinsic
def vector_lanes(typingctx: Any, start: Any) -> Any:
    """Return how many of a typed pointer's scalars fill a vector, as a constant."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(INDEX, VECTOR_BYTES * 8 // signature.args[0].dtype.bitwidth)

    return types.intp(start), emit
