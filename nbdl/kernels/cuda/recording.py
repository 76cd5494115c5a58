"""Which kernels a step launches: to do many steps in one launch, or to compile them without a card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numba.cuda import types

from nbdl.kernels.cuda.launch import Card

MEMORY = types.Array(types.uint8, 1, "C")
"""The type of a card's memory."""


@dataclass(frozen=True)
class Launch:
    """A kernel, its blocks and the threads of each in x and y, bytes that a block shares, and what the kernel gets."""

    kernel: Any
    grid: tuple[int, int]
    block: tuple[int, int]
    shared: int
    arguments: tuple[Any, ...]

    @property
    def blocks(self) -> int:
        """How many there are."""
        return prod(self.grid)

    @property
    def threads(self) -> int:
        """Of a block."""
        return prod(self.block)

    @property
    def types(self) -> tuple[Any, ...]:
        """Of the arguments."""
        return tuple(map(_type_of, self.arguments))


class RecordingCard(Card):
    """A card that launches nothing: it notes what is launched, in order."""

    def __init__(self, scratch_bytes: int = 2**24, precision: str = "float32", scratch: int = 0) -> None:
        super().__init__(None, scratch, scratch_bytes, precision=precision)
        self.launches: list[Launch] = []

    def launch(
        self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], *arguments: Any, shared: int = 0
    ) -> None:
        """Note a launch."""
        self.launches.append(Launch(kernel, _pair(grid), _pair(block), shared, arguments))

    @property
    def launched(self) -> dict[tuple[Any, tuple[Any, ...]], int]:
        """The kernels, each with the types of its arguments, and how often they are launched."""
        return Counter((each.kernel, each.types) for each in self.launches)


def _pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    first, second = (*sizes, 1)[:2]
    return first, second


def _type_of(argument: Any) -> Any:
    if isinstance(argument, tuple):
        return types.UniTuple(types.int64, len(argument))
    return types.float64 if isinstance(argument, float | np.floating) else types.int64
