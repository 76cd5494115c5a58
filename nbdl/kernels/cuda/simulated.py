"""What the simulator has in place of intrinsics and of the card's mathematical functions: Python and NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl.kernels.cuda.simulated_threads import Task


def view(card: Any, start: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The array of `shape` and `dtype` that begins at byte `start` of the card's memory."""
    memory = card.memory if isinstance(card, Task) else card
    whole: np.ndarray = memory._item._ary  # the simulator wraps what a kernel is given
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    assert 0 <= start <= start + size <= len(whole), f"bytes {start} to {start + size} of {len(whole)}"
    assert size == 0 or start % np.dtype(dtype).itemsize == 0, f"a view of {np.dtype(dtype)} begins at byte {start}"
    return whole[start : start + size].view(dtype).reshape(shape)


def read(card: Any, start: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As `view`, for an array that nothing writes while the kernel runs."""
    array = view(card, start, shape, dtype)
    array.flags.writeable = False
    return array


def strides(start: int, stop: int, step: int) -> range:
    """The places start, start + step, ... below stop."""
    return range(start, stop, step)


def _of_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    def compute(*numbers: Any) -> Any:
        return type(numbers[0])(function(*numbers))

    return compute


atan, cos, exp, expm1, floor, log, log1p, power, sin, sqrt, tanh = (
    _of_numpy(each)
    for each in (np.arctan, np.cos, np.exp, np.expm1, np.floor, np.log, np.log1p, np.power, np.sin, np.sqrt, np.tanh)
)
erf = _of_numpy(math.erf)


def cos_turns(x: Any) -> Any:
    """cos(2 pi x)"""
    return type(x)(np.cos(2 * np.pi * np.float64(x)))


def like(number: float, x: Any) -> Any:
    """A number in the type of x."""
    return type(x)(number)


def load(card: Any, start: int, dtype: Any) -> Any:
    """The number that begins at byte `start` of the card's memory."""
    return view(card, start, (1,), dtype)[0]


def load4(array: np.ndarray, place: int) -> tuple[Any, ...]:
    """Four numbers that follow one another."""
    assert place % 4 == 0, f"four numbers are read at once from place {place}, which four doesn't divide"
    return tuple(array[place : place + 4])


def store(card: Any, start: int, value: Any) -> None:
    """Write a number to byte `start` of the card's memory."""
    view(card, start, (1,), type(value))[0] = value


def divided(number: int, divisor: int) -> tuple[int, int]:
    """Quotient and remainder."""
    return divmod(number, divisor)
