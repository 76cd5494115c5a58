"""Lay blocks out in memory so that blocks alive at the same time don't overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(frozen=True)
class Block:
    """`size` bytes that are in use from kernel number `first` to kernel number `last`."""

    size: int
    first: int
    last: int


def align(size: int, to: int = ALIGNMENT) -> int:
    """Round up to a multiple.

    >>> align(65)
    128
    """
    return -(-size // to) * to


def lay_out(blocks: Sequence[Block], alignment: int = ALIGNMENT) -> tuple[list[int], int]:
    """Return an offset for every block, and the total size: large blocks first, each at the lowest place that is free.

    >>> lay_out([Block(64, 0, 1), Block(64, 1, 2), Block(64, 2, 3)])
    ([0, 64, 0], 128)
    """
    offsets = [0] * len(blocks)
    placed: list[int] = []
    for number in sorted(range(len(blocks)), key=lambda each: -blocks[each].size):
        block = blocks[number]
        rivals = sorted(
            (offsets[each], offsets[each] + align(blocks[each].size, alignment))
            for each in placed
            if blocks[each].first <= block.last and block.first <= blocks[each].last
        )
        start = 0
        for low, high in rivals:
            if start + block.size <= low:
                break
            start = max(start, high)
        offsets[number] = start
        placed.append(number)
    total = max(
        (offset + align(block.size, alignment) for offset, block in zip(offsets, blocks, strict=True)), default=0
    )
    return offsets, total
