"""Products by tensor cores: of float32 numbers that are rounded to tf32 (10 bits behind the point) or bfloat16 (7
bits) before they are multiplied; sums are kept in float32.

A block's tile is shared out among warps, each of which computes a tile of its own in pieces of 16 by 8. Pieces of the
matrices have a few spare numbers between rows, so that the threads of a warp read from different banks of memory.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from nbdl.kernels.cuda.device import SIMULATED, cuda, device
from nbdl.kernels.cuda.tile import Engine, Tile, unchanged

if SIMULATED:
    from nbdl.kernels.cuda.simulated_mma import multiply_bf16, multiply_tf32, pair, to_tf32
else:
    from nbdl.kernels.cuda.mma import multiply_bf16, multiply_tf32, pair, to_tf32

WARP = 32
SMALLEST = 4 if SIMULATED else 32
"""Products with fewer rows, columns or numbers in a sum leave most of a tile empty."""
TILES = (
    (Tile(32, 16, 16, 16, 16), Tile(16, 16, 16, 16, 16))
    if SIMULATED
    else (Tile(128, 128, 32, 64, 32), Tile(64, 64, 32, 32, 32))
)
"""`height` and `width` are those of a warp's tile."""


def warps(tile: Tile) -> int:
    """How many share a tile."""
    return tile.rows // tile.height * (tile.columns // tile.width)


@device
def rounded_to_tf32(x):
    """A number as tensor cores multiply it."""
    return to_tf32(x)


@cache
def engine(tile: Tile, precision: str) -> Engine:
    """What multiplies pieces in shared memory, for a precision of `tf32` or `bf16`."""
    narrow = precision == "bf16"
    spare, rounded = (4, unchanged) if narrow else (8, rounded_to_tf32)
    down, across = tile.height // 16, tile.width // 8
    multiply = (_multiply_bf16 if narrow else _multiply_tf32)(tile, spare, down, across)
    per_row, H, W = tile.columns // tile.width, tile.height, tile.width  # noqa: N806

    @device
    def place(thread, r, s):
        warp, lane = thread // WARP, thread % WARP
        i = warp // per_row * H + r // across * 16 + lane // 4 + s // 2 * 8
        return i, warp % per_row * W + r % across * 8 + lane % 4 * 2 + s % 2

    return Engine(WARP * warps(tile), (down * across, 4), multiply, place, spare, rounded)


def _multiply_tf32(tile: Tile, spare: int, down: int, across: int) -> Any:
    K, H, W, per_row = tile.depth, tile.height, tile.width, tile.columns // tile.width  # noqa: N806
    a_column, b_row = tile.rows + spare, tile.columns + spare

    @device
    def multiply(a_piece, b_piece, totals, thread):
        warp, lane = thread // WARP, thread % WARP
        row, column = warp // per_row * H + lane // 4, warp % per_row * W + lane // 4
        for p in range(0, K, 8):
            a_at, b_at = (p + lane % 4) * a_column + row, (p + lane % 4) * b_row + column
            for r in range(down):
                a0, a1 = a_piece[a_at + 16 * r], a_piece[a_at + 16 * r + 8]
                a2, a3 = a_piece[a_at + 16 * r + 4 * a_column], a_piece[a_at + 16 * r + 8 + 4 * a_column]
                for s in range(across):
                    b0, b1 = b_piece[b_at + 8 * s], b_piece[b_at + 8 * s + 4 * b_row]
                    t = r * across + s
                    totals[t, 0], totals[t, 1], totals[t, 2], totals[t, 3] = multiply_tf32(
                        a0, a1, a2, a3, b0, b1, totals[t, 0], totals[t, 1], totals[t, 2], totals[t, 3]
                    )

    return multiply


def _multiply_bf16(tile: Tile, spare: int, down: int, across: int) -> Any:
    K, H, W, per_row = tile.depth, tile.height, tile.width, tile.columns // tile.width  # noqa: N806
    a_column, b_row = tile.rows + spare, tile.columns + spare

    @device
    def two(piece, at, step):
        return pair(piece[at], piece[at + step])

    @device
    def multiply(a_piece, b_piece, totals, thread):
        warp, lane = thread // WARP, thread % WARP
        row, column = warp // per_row * H + lane // 4, warp % per_row * W + lane // 4
        for p in range(0, K, 16):
            a_at, b_at = (p + lane % 4 * 2) * a_column + row, (p + lane % 4 * 2) * b_row + column
            for r in range(down):
                a0, a1 = two(a_piece, a_at + 16 * r, a_column), two(a_piece, a_at + 16 * r + 8, a_column)
                a2 = two(a_piece, a_at + 16 * r + 8 * a_column, a_column)
                a3 = two(a_piece, a_at + 16 * r + 8 + 8 * a_column, a_column)
                for s in range(across):
                    b0, b1 = two(b_piece, b_at + 8 * s, b_row), two(b_piece, b_at + 8 * s + 8 * b_row, b_row)
                    t = r * across + s
                    totals[t, 0], totals[t, 1], totals[t, 2], totals[t, 3] = multiply_bf16(
                        a0, a1, a2, a3, b0, b1, totals[t, 0], totals[t, 1], totals[t, 2], totals[t, 3]
                    )

    return multiply


def capable() -> bool:
    """Whether the card's tensor cores know these precisions: those since Ampere."""
    return SIMULATED or cuda.get_current_device().compute_capability >= (8, 0)
