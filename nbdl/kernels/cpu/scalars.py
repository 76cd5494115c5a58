"""Small scalar functions that generated expressions call, besides the elementary ones."""

import numpy as np

from nbdl.kernels.cpu.floats import like
from nbdl.kernels.cpu.jit import kernel


@kernel
def maximum(x, y):
    """The larger of two; NaN if one of them is."""
    return x if x > y or x != x else y


@kernel
def minimum(x, y):
    """The smaller of two; NaN if one of them is."""
    return x if x < y or x != x else y


@kernel
def sign(x):
    """-1, 0 or 1; NaN of NaN."""
    return like(1.0, x) if x > 0 else (like(-1.0, x) if x < 0 else x)


@kernel
def is_finite(x):
    """False for NaN and infinities."""
    return x - x == 0


@kernel
def floor(x):
    """The largest whole number up to x, in the type of x (Python's floor gives an integer, which holds neither NaN nor
    infinity).
    """
    return np.floor(x)
