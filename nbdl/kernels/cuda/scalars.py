"""Functions of single numbers that generated kernels call. On a card they are those of NVIDIA's libdevice, at most a
few units of the last place from the truth, so that a card and a CPU agree to rounding.
"""

from math import inf

from nbdl.kernels.cuda.device import SIMULATED, device

if SIMULATED:
    from nbdl.kernels.cuda.simulated import (
        atan,
        cos,
        cos_turns,
        erf,
        exp,
        expm1,
        floor,
        like,
        log,
        log1p,
        power,
        sin,
        sqrt,
        tanh,
    )
else:
    from math import atan, cos, erf, exp, expm1, log, log1p, sin, sqrt, tanh
    from math import pow as power

    from nbdl.kernels.cuda.libdevice import cos_turns, floor, like

__all__ = [
    "atan", "cos", "cos_turns", "erf", "exp", "expm1", "fast_divide", "floor", "is_finite", "like", "log", "log1p",
    "maximum", "minimum", "power", "sigmoid", "sign", "sin", "sqrt", "tanh",
]  # fmt: skip


@device
def maximum(x, y):
    """The larger of two numbers; NaN if one of them is."""
    return x if x > y or x != x else y


@device
def minimum(x, y):
    """The smaller of two numbers; NaN if one of them is."""
    return x if x < y or x != x else y


@device
def fast_divide(x, y):
    """x / y. What a card updates, it waits for memory to bring: there is nothing to be gained."""
    return x / y


@device
def sign(x):
    """-1, 0 or 1; NaN of NaN."""
    return like(1.0, x) if x > 0 else (like(-1.0, x) if x < 0 else x)


@device
def is_finite(x):
    """False for NaN and infinities."""
    return abs(x) < like(inf, x)


@device
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    decay = exp(-abs(x))
    return (like(1.0, x) if x >= 0 else decay) / (like(1.0, x) + decay)
