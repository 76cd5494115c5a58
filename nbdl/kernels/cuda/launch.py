"""Launch kernels: how many blocks and threads a piece of work gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbdl.errors import NbdlError
from nbdl.kernels.cuda.device import SIMULATED, THREADS
from nbdl.kernels.cuda.sizes import PART_BYTES, PARTS

MULTIPROCESSORS = 3 if SIMULATED else 132
"""That many blocks at least should have something to do: an H200 has as many multiprocessors, others fewer."""

BLOCKS = 2 if SIMULATED else 8 * MULTIPROCESSORS
"""Most blocks of a kernel whose threads go over several elements."""

COLUMNS = 2 if SIMULATED else 32
"""Columns of a block."""

SLICES = 3 if SIMULATED else 64
"""The most blocks that share the rows of a column."""

WARP = 4 if SIMULATED else 32
"""Threads that run together; a barrier of a part of a block's threads counts whole warps."""

WORTH_A_SLICE = 2 if SIMULATED else 8
"""Elements that each lane should have before more blocks share a sum."""


MOST = 2**31
"""Threads count what they go over in 32 bits."""


def checked(size: int) -> int:
    """Return a number of elements. Raises `NbdlError` if a kernel can't go over so many."""
    if size >= MOST:
        raise NbdlError(f"an array of {size:,} elements is too large for a kernel ({MOST:,}); a smaller batch helps")
    return size


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least `size`.

    >>> power_of_two(33)
    64
    """
    return 1 << max(size - 1, 0).bit_length()


class Card:
    """Where kernels are launched, and the memory that they get.

    Args:
        memory: an array of bytes on the card.
        scratch: the byte from which on sums have room for their slices.
        scratch_bytes: how much room that is.
        stream: the order in which kernels run.
        precision: in which products of float32 are computed: `float32`, or by tensor cores in `tf32` or `bf16`.
    """

    def __init__(
        self,
        memory: Any,
        scratch: int = 0,
        scratch_bytes: int = 0,
        stream: Any = 0,
        precision: str = "float32",
    ):
        self.memory, self.scratch, self.scratch_bytes, self.stream = memory, scratch, scratch_bytes, stream
        self.precision = precision

    def slices(self, blocks: int, most: int, size: int) -> int:
        """Into how many slices long sums are cut whose result, of `size` bytes, has this many blocks to compute it."""
        return max(1, min(most, MULTIPROCESSORS // max(blocks, 1), self.scratch_bytes // max(size, 1)))

    def launch(
        self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], *arguments: Any, shared: int = 0
    ) -> None:
        """Launch a kernel on the memory; the threads of a block share so many bytes."""
        kernel[grid, block, self.stream, shared](self.memory, *arguments)

    def once(self, kernel: Any, *arguments: Any) -> None:
        """Launch one thread."""
        self.launch(kernel, (1,), (1,), *arguments)

    def elements(self, kernel: Any, size: int, *arguments: Any) -> None:
        """Launch a kernel that goes over `elements(size)`."""
        if checked(size) > 0:
            threads = min(THREADS, max(32, power_of_two(size))) if not SIMULATED else THREADS
            self.launch(kernel, (min(-(-size // threads), BLOCKS),), (threads,), *arguments)

    def groups(self, kernel: Any, rows: int, width: int, *arguments: Any) -> None:
        """Launch a kernel that goes over `groups(rows)`, and in each over `members(width)`."""
        if checked(rows) > 0 and checked(width) >= 0:
            lanes = min(THREADS, max(WARP, power_of_two(width)))
            self.launch(kernel, (min(rows, 8 * BLOCKS),), (1, lanes), *arguments, shared=8 * lanes)

    def across(self, kernel: Any, size: int, length: int, *arguments: Any, results: Sequence[tuple[Any, int]]) -> None:
        """Launch a kernel that goes over `columns(size)`, and in each over `lanes(length)`; with many rows, blocks
        share them, and another kernel finishes each of the results.

        Args:
            results: how each is finished (`add_slices(f32)`), and where it goes.
        """
        if checked(size) == 0 or checked(length) < 0:
            return
        width = min(COLUMNS, power_of_two(size))
        lanes = THREADS // width
        stretches = -(-size // width)
        slices = max(1, min(SLICES, length // (lanes * WORTH_A_SLICE), PARTS // (stretches * width)))
        places = [place for _, place in results]
        parts = places if slices == 1 else [self.scratch + PART_BYTES * each for each in range(len(places))]
        grid, block = (min(stretches, BLOCKS), slices), (width, lanes)
        self.launch(kernel, grid, block, *arguments, *parts, shared=8 * width * lanes)
        if slices > 1:
            for (finish, place), part in zip(results, parts, strict=True):
                self.elements(finish, size, part, place, slices, size)
