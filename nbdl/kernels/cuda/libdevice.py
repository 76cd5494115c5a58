"""Functions of libdevice that Python's `math` has no name (or another meaning) for, by the type of the argument."""

from __future__ import annotations

import numpy as np
from numba.cuda import libdevice, types
from numba.cuda.extending import overload


def floor(x):
    """The largest whole number up to x, in the type of x."""
    raise NotImplementedError("only inside of kernels")


def cos_turns(x):
    """cos(2 pi x), whose reduction is exact."""
    raise NotImplementedError("only inside of kernels")


def like(number, x):
    """A number in the type of x."""
    raise NotImplementedError("only inside of kernels")


@overload(floor)
def floor_by_type(x):
    """Choose by the type."""
    if x == types.float32:
        return lambda x: libdevice.floorf(x)
    return lambda x: libdevice.floor(x)


@overload(cos_turns)
def cos_turns_by_type(x):
    """Choose by the type."""
    if x == types.float32:
        return lambda x: libdevice.cospif(x + x)
    return lambda x: libdevice.cospi(x + x)


@overload(like)
def like_by_type(number, x):
    """Choose by the type."""
    kind = np.float32 if x == types.float32 else np.float64
    return lambda number, x: kind(number)
