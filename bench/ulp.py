"""The largest error of every float32 elementary function of one argument, over all 2**32 bit patterns.

    python bench/ulp.py [NAME ...]        # some 15 s a function on one core

The judge is the float64 function of the same name, whose own error is a few 2**-53 (measured against wider arithmetic
by `tests/kernels/test_elementary.py`), half a billion times finer than what is measured. NaN must meet NaN, infinity
the same infinity, and zero a result that rounds to zero; where they do not, the argument is printed.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from nbdl.kernels.cpu import elementary
from nbdl.kernels.cpu.jit import OPTIONS, kernel

NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "sin", "cos", "atan")
CHUNK = 1 << 12
SMALLEST = 2.0**-149
EXPONENT = 0x7FF << 52
"""The exponent field of a float64: alone, it is the power of two at or below the number."""


@kernel
def next_patterns(bits):
    """Move a chunk of bit patterns on to the next chunk."""
    for i in range(bits.size):
        bits[i] += np.uint32(bits.size)


@kernel
def set_errors(result, exact, unit, errors):
    """Write the errors in units of the last place, infinite where only one of the two is a number."""
    for i in range(errors.size):
        wide, judge = np.float64(result[i]), exact[i]
        error = abs(wide - judge) / max(unit[i] * 2.0**-23, SMALLEST)
        same = (wide == np.float64(np.float32(judge))) | ((wide != wide) & (judge != judge))
        errors[i] = error if error < np.inf else (0.0 if same else np.inf)


def looped(function: Any) -> Callable[..., None]:
    """Return a compiled loop over the scalar function, with the fast-math flags that generated code has."""

    @njit(**OPTIONS)
    def loop(x: Any, y: Any) -> None:
        for i in range(x.size):
            y[i] = function(x[i])

    return loop


def largest_error(name: str) -> tuple[float, np.float32]:
    """Return the largest error and the argument where it is; infinite where infinity or NaN do not match."""
    loop = looped(getattr(elementary, name))
    bits = np.arange(CHUNK, dtype=np.uint32)
    x, wide, y = bits.view(np.float32), np.empty(CHUNK), np.empty(CHUNK, np.float32)
    exact, unit, errors = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    worst, where = 0.0, np.float32(0)
    for _ in range((1 << 32) // CHUNK):
        wide[:] = x
        loop(x, y)
        loop(wide, exact)
        np.bitwise_and(exact.view(np.int64), EXPONENT, out=unit.view(np.int64))
        set_errors(y, exact, unit, errors)
        largest = errors.max()
        if largest > worst:
            worst, where = float(largest), x[np.argmax(errors)]
        next_patterns(bits)
    return worst, where


def main() -> None:
    """Print a row of the table in `nbdl/kernels/cpu/elementary.py` for each function."""
    with np.errstate(all="ignore"):
        for name in sys.argv[1:] or NAMES:
            worst, where = largest_error(name)
            print(f"{name:10} {worst:6.3f} ulp at {where!r}", flush=True)


if __name__ == "__main__":
    main()
