"""Arrays that look into the memory of a card, made inside of a kernel at no cost.

The first argument of a kernel is the card's memory, or a `Task` (`threads.py`): what a kernel of many tasks reads, an
earlier one of them may have written, so that nothing is said to stay as it is there.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.cudaimpl import lower
from numba.cuda.extending import core_models, intrinsic, register_model

from nbdl.kernels.cuda.threads import TASK, address_of


class ReadArray(types.Array):  # type: ignore[misc, unused-ignore]
    """The type of an array that nothing writes while the kernel runs."""

    def __init__(self, dtype: Any, axes: int):
        super().__init__(dtype, axes, "C", readonly=True, name=f"ReadArray({dtype}, {axes})")


@register_model(ReadArray)
class ReadArrayModel(core_models.ArrayModel):  # type: ignore[misc, unused-ignore]
    """The same as other arrays in memory."""


def _read(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Load an element, and say that it stays as it is: loads may come before any store then."""
    array_type, index_type = signature.args
    array = context.make_array(array_type)(context, builder, arguments[0])
    several = isinstance(index_type, types.BaseTuple)
    places = cgutils.unpack_tuple(builder, arguments[1]) if several else [arguments[1]]
    kinds = list(index_type) if several else [index_type]
    indices = [context.cast(builder, each, kind, types.intp) for each, kind in zip(places, kinds, strict=True)]
    address = cgutils.get_item_pointer(context, builder, array_type, array, indices, wraparound=False)
    value = _unchanging(builder, address)
    return context.data_model_manager[array_type.dtype].from_data(builder, value)


def _unchanging(builder: Any, address: Any) -> Any:
    value = builder.load(address)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


lower(operator.getitem, ReadArray, types.Integer)(_read)
lower(operator.getitem, ReadArray, types.BaseTuple)(_read)


@intrinsic
def view(typingctx: Any, card: Any, start: Any, shape: Any, dtype: Any) -> Any:
    """Return the array of `shape` and `dtype` that begins at byte `start` of the card's memory."""
    return _view(types.Array(dtype.dtype, len(shape), "C"), card, start, shape, dtype)


@intrinsic
def read(typingctx: Any, card: Any, start: Any, shape: Any, dtype: Any) -> Any:
    """As `view`, for an array that nothing writes while the kernel runs."""
    kind = types.Array(dtype.dtype, len(shape), "C") if card == TASK else ReadArray(dtype.dtype, len(shape))
    return _view(kind, card, start, shape, dtype)


def _view(result: Any, card: Any, start: Any, shape: Any, dtype: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        card_type, start_type, shape_type, _ = signature.args
        data = address_of(context, builder, card_type, arguments[0])
        address = builder.gep(data, [context.cast(builder, arguments[1], start_type, types.intp)])
        sizes = [
            context.cast(builder, size, item, types.intp)
            for size, item in zip(cgutils.unpack_tuple(builder, arguments[2]), shape_type, strict=True)
        ]
        kind = context.get_data_type(signature.return_type.dtype)
        width = context.get_constant(types.intp, context.get_abi_sizeof(kind))
        strides = [width]
        for size in sizes[:0:-1]:
            strides.insert(0, builder.mul(strides[0], size))
        array = context.make_array(signature.return_type)(context, builder)
        context.populate_array(
            array,
            data=builder.bitcast(address, kind.as_pointer()),
            shape=sizes,
            strides=strides,
            itemsize=width,
            meminfo=None,
        )
        return array._getvalue()

    return result(card, start, shape, dtype), emit


@intrinsic
def load(typingctx: Any, card: Any, start: Any, dtype: Any) -> Any:
    """Return the number that begins at byte `start` of the card's memory, and that nothing writes while the
    kernel runs.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        card_type, start_type, _ = signature.args
        data = address_of(context, builder, card_type, arguments[0])
        address = builder.gep(data, [context.cast(builder, arguments[1], start_type, types.intp)])
        kind = context.get_data_type(signature.return_type)
        place = builder.bitcast(address, kind.as_pointer())
        return builder.load(place) if card_type == TASK else _unchanging(builder, place)

    return dtype.dtype(card, start, dtype), emit


@intrinsic
def load4(typingctx: Any, array: Any, place: Any) -> Any:
    """Return four numbers that follow one another in an array of one axis, from a place that four divides, as a tuple.

    The array begins at a multiple of 16 bytes: they are read at once.
    """
    result = types.UniTuple(array.dtype, 4)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.gep(data, [context.cast(builder, arguments[1], signature.args[1], types.intp)])
        vector = ir.VectorType(data.type.pointee, 4)
        four = builder.load(builder.bitcast(address, vector.as_pointer()), align=16)
        numbers = [builder.extract_element(four, ir.IntType(32)(each)) for each in range(4)]
        return context.make_tuple(builder, result, numbers)

    return result(array, place), emit


@intrinsic
def store(typingctx: Any, card: Any, start: Any, value: Any) -> Any:
    """Write a number to byte `start` of the card's memory."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        card_type, start_type, value_type = signature.args
        data = address_of(context, builder, card_type, arguments[0])
        address = builder.gep(data, [context.cast(builder, arguments[1], start_type, types.intp)])
        builder.store(arguments[2], builder.bitcast(address, context.get_data_type(value_type).as_pointer()))
        return context.get_dummy_value()

    return types.void(card, start, value), emit


@intrinsic
def divided(typingctx: Any, number: Any, divisor: Any) -> Any:
    """Return quotient and remainder of two whole numbers below 2**32 that aren't negative.

    A card divides numbers of 64 bits three times as slowly.
    """
    result = types.UniTuple(types.int64, 2)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(64)
        one, other = (
            context.cast(builder, each, kind, types.uint32)
            for each, kind in zip(arguments, signature.args, strict=True)
        )
        quotient = builder.udiv(one, other)
        remainder = builder.sub(one, builder.mul(quotient, other))
        return context.make_tuple(builder, result, [builder.zext(each, wide) for each in (quotient, remainder)])

    return result(number, divisor), emit
