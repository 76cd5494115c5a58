"""Which kernels a step launches: to compile them before it is captured, or without a card."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.cuda import types

from nbdl.kernels.cuda.launch import Card

MEMORY = types.Array(types.uint8, 1, "C")
"""The type of a card's memory."""


class RecordingCard(Card):
    """A card that launches nothing: it notes the kernels that are launched, with the types of what they are given."""

    def __init__(self, scratch_bytes: int = 2**24, precision: str = "float32") -> None:
        super().__init__(None, scratch_bytes=scratch_bytes, precision=precision)
        self.launched: dict[tuple[Any, tuple[Any, ...]], int] = {}

    def launch(
        self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], *arguments: Any, shared: int = 0
    ) -> None:
        """Note a kernel."""
        key = kernel, tuple(map(_type_of, arguments))
        self.launched[key] = self.launched.get(key, 0) + 1

    def compile(self) -> None:
        """Compile for the card that is there, or find on disk, all that has been noted."""
        for kernel, arguments in self.launched:
            kernel.compile((MEMORY, *arguments))


def _type_of(argument: Any) -> Any:
    if isinstance(argument, tuple):
        return types.UniTuple(types.int64, len(argument))
    return types.float64 if isinstance(argument, float | np.floating) else types.int64
