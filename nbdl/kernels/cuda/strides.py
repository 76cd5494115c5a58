"""The loop of a thread over its share of the work: every so many places from its own on.

Numba's `range` divides numbers of 64 bits to count its steps, and doesn't know that no place is negative, so that each
index is checked for that. Here places have 32 bits without a sign: a kernel goes over fewer than 2**31 of them. The
steps that are left are counted down, in the way in which LLVM sees that it can do four at once; what a kernel only
reads is then read for all four before the first is written.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.core.imputils import RefType, impl_ret_untracked, iternext_impl
from numba.cuda.cudaimpl import lower
from numba.cuda.extending import intrinsic, models, register_model

COUNTER, LEFT = ir.IntType(32), ir.IntType(64)


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
    """Where a loop is, how many steps are left, and how far one goes."""

    def __init__(self, manager: Any, kind: Any) -> None:
        place, left = types.EphemeralPointer(types.uint32), types.EphemeralPointer(types.int64)
        super().__init__(manager, kind, [("place", place), ("left", left), ("step", types.uint32)])


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
    place, left = cgutils.alloca_once(builder, COUNTER), cgutils.alloca_once(builder, LEFT)
    builder.store(given.start, place)
    inside = builder.icmp_unsigned("<", given.start, given.stop)
    builder.store(LEFT(0), left)
    with builder.if_then(inside):
        further = builder.udiv(builder.sub(builder.sub(given.stop, given.start), COUNTER(1)), given.step)
        builder.store(builder.zext(builder.add(further, COUNTER(1)), LEFT), left)
    iterator.place, iterator.left, iterator.step = place, left, given.step
    return impl_ret_untracked(context, builder, STRIDES_ITERATOR, iterator._getvalue())


@lower("iternext", STRIDES_ITERATOR)
@iternext_impl(RefType.UNTRACKED)
def next_stride(context: Any, builder: Any, signature: Any, arguments: Any, result: Any) -> None:
    """Take a step, unless the loop has come to its end."""
    iterator = cgutils.create_struct_proxy(STRIDES_ITERATOR)(context, builder, arguments[0])
    left, place = builder.load(iterator.left), builder.load(iterator.place)
    result.set_valid(builder.icmp_signed(">", left, LEFT(0)))
    result.yield_(builder.zext(place, LEFT))
    builder.store(builder.add(place, iterator.step), iterator.place)
    builder.store(builder.sub(left, LEFT(1), flags=("nsw",)), iterator.left)
