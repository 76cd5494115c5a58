"""Arrays that look into memory owned by someone else, made at no cost inside a compiled program.

Slicing and reshaping with NumPy's methods costs compile time at every use; these views are a few instructions. They own
nothing: whoever calls the program keeps the memory alive. Rows of a view lie one after another (C order).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def view(typingctx: Any, memory: Any, start: Any, shape: Any, dtype: Any) -> Any:
    """Return the array of `shape` and `dtype` that begins at byte `start` of the byte array `memory`."""
    result = types.Array(dtype.dtype, len(shape), "C")
    signature = result(memory, start, shape, dtype)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        memory_type, start_type, shape_type, _ = signature.args
        data = _data(context, builder, memory_type, arguments[0])
        offset = context.cast(builder, arguments[1], start_type, types.intp)
        address = builder.gep(builder.bitcast(data, cgutils.voidptr_t), [offset])
        sizes = [
            context.cast(builder, size, item, types.intp)
            for size, item in zip(cgutils.unpack_tuple(builder, arguments[2]), shape_type, strict=True)
        ]
        return array_of(context, builder, signature.return_type, address, sizes)

    return signature, codegen


@intrinsic
def part(typingctx: Any, array: Any, start: Any, shape: Any) -> Any:
    """Return the array of `shape` that begins at element `start` of a C-ordered array."""
    result = types.Array(array.dtype, len(shape), "C")
    signature = result(array, start, shape)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        array_type, start_type, shape_type = signature.args
        data = _data(context, builder, array_type, arguments[0])
        offset = context.cast(builder, arguments[1], start_type, types.intp)
        address = builder.bitcast(builder.gep(data, [offset]), cgutils.voidptr_t)
        sizes = [
            context.cast(builder, size, item, types.intp)
            for size, item in zip(cgutils.unpack_tuple(builder, arguments[2]), shape_type, strict=True)
        ]
        return array_of(context, builder, signature.return_type, address, sizes)

    return signature, codegen


@intrinsic
def move(typingctx: Any, source: Any, source_start: Any, target: Any, target_start: Any, count: Any) -> Any:
    """Copy `count` elements from one C-ordered array to another of the same dtype, which doesn't overlap it."""
    signature = types.void(source, types.intp, target, types.intp, types.intp)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        source_type, _, target_type, _, _ = signature.args
        origin = _data(context, builder, source_type, arguments[0])
        goal = _data(context, builder, target_type, arguments[2])
        item_size = context.get_abi_sizeof(context.get_data_type(source_type.dtype))
        begin, place = builder.gep(origin, [arguments[1]]), builder.gep(goal, [arguments[3]])
        cgutils.raw_memcpy(builder, place, begin, arguments[4], item_size)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def prefetch(typingctx: Any, array: Any, position: Any) -> Any:
    """Ask for the cache line of an element of a C-ordered array, and don't wait for it."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: list[ir.Value]) -> ir.Value:
        address = builder.gep(_data(context, builder, signature.args[0], arguments[0]), [arguments[1]])
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        read, keep, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(function, [builder.bitcast(address, cgutils.voidptr_t), read, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


def array_of(
    context: Any, builder: ir.IRBuilder, array_type: Any, address: ir.Value, sizes: list[ir.Value]
) -> ir.Value:
    """Put together an array that owns nothing.

    As a value, and not, as Numba does it, in memory of the stack: LLVM takes time to turn that into values which grows
    with the square of a function's length, and the step of a transformer makes a thousand views.
    """
    model = context.data_model_manager[array_type]
    item_size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
    strides: list[ir.Value] = []
    stride, count = item_size, context.get_constant(types.intp, 1)
    for size in reversed(sizes):
        strides.insert(0, stride)
        stride, count = builder.mul(stride, size), builder.mul(count, size)
    array = ir.Constant(model.get_value_type(), None)  # zeros: no owner
    for name, value in (
        ("nitems", count),
        ("itemsize", item_size),
        ("data", builder.bitcast(address, model.get_value_type().elements[model.get_field_position("data")])),
        ("shape", cgutils.pack_array(builder, sizes, context.get_value_type(types.intp))),
        ("strides", cgutils.pack_array(builder, strides, context.get_value_type(types.intp))),
    ):
        array = builder.insert_value(array, value, model.get_field_position(name))
    return array


def _data(context: Any, builder: ir.IRBuilder, array_type: Any, array: ir.Value) -> ir.Value:
    """Where the elements of an array are."""
    return builder.extract_value(array, context.data_model_manager[array_type].get_field_position("data"))
