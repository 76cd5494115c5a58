"""The loop of a thread over its share of the work: every so many places from its own on.

Numba's `range` counts its steps first, which is a division of 64-bit numbers, and doesn't know that places aren't
negative, so that each index is checked for that. These loops count in 32 bits without a sign: a kernel goes over fewer
than 2**31 places.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.core.imputils import RefType, impl_ret_untracked, iternext_impl
from numba.cuda.cudaimpl import lower
from numba.cuda.extending import intrinsic, models, register_model

COUNTER = ir.IntType(32)


class StridesIterator(types.SimpleIteratorType):  # type: ignore[misc, unused-ignore]
    """The type of a loop that is under way."""

    def __init__(self) -> None:
        super().__init__("StridesIterator", types.int64)


class Strides(types.SimpleIterableType):  # type: ignore[misc, unused-ignore]
    """The type of what `strides` returns."""

    def __init__(self) -> None:
        super().__init__("Strides", STRIDES_ITERATOR)


STRIDES_ITERATOR = StridesIterator()
STRIDES = Strides()


@register_model(Strides)
class StridesModel(models.StructModel):  # type: ignore[misc, unused-ignore]
    """Where a loop begins, ends, and how far a step goes."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, [(name, types.uint32) for name in ("start", "stop", "step")])


@register_model(StridesIterator)
class StridesIteratorModel(models.StructModel):  # type: ignore[misc, unused-ignore]
    """Where a loop is, where it ends, and how far a step goes."""

    def __init__(self, manager: Any, kind: Any) -> None:
        members = [("place", types.EphemeralPointer(types.uint32)), ("stop", types.uint32), ("step", types.uint32)]
        super().__init__(manager, kind, members)


@intrinsic
def strides(typingctx: Any, start: Any, stop: Any, step: Any) -> Any:
    """Return the places start, start + step, ... below stop."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = cgutils.create_struct_proxy(STRIDES)(context, builder)
        for name, value, kind in zip(("start", "stop", "step"), arguments, signature.args, strict=True):
            setattr(result, name, context.cast(builder, value, kind, types.uint32))
        return result._getvalue()

    return STRIDES(start, stop, step), emit


@lower("getiter", STRIDES)
def begin_strides(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Begin a loop."""
    given = cgutils.create_struct_proxy(STRIDES)(context, builder, arguments[0])
    iterator = cgutils.create_struct_proxy(STRIDES_ITERATOR)(context, builder)
    place = cgutils.alloca_once(builder, COUNTER)
    builder.store(given.start, place)
    iterator.place, iterator.stop, iterator.step = place, given.stop, given.step
    return impl_ret_untracked(context, builder, STRIDES_ITERATOR, iterator._getvalue())


@lower("iternext", STRIDES_ITERATOR)
@iternext_impl(RefType.UNTRACKED)
def next_stride(context: Any, builder: Any, signature: Any, arguments: Any, result: Any) -> None:
    """Take a step, unless the loop has come to its end."""
    iterator = cgutils.create_struct_proxy(STRIDES_ITERATOR)(context, builder, arguments[0])
    place = builder.load(iterator.place)
    inside = builder.icmp_unsigned("<", place, iterator.stop)
    result.set_valid(inside)
    with builder.if_then(inside):
        result.yield_(builder.zext(place, ir.IntType(64)))
        builder.store(builder.add(place, iterator.step), iterator.place)
