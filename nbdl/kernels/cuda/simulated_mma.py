"""What the simulator has in place of tensor cores: the threads of a warp lay their elements down, wait for each other,
and compute their own numbers of the product.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import cuda, device

THREADS = 64
"""The most of a block."""


def to_tf32(x: Any) -> np.float32:
    """A float32 rounded to 10 bits behind the point, halves away from zero."""
    bits = np.float32(x).view(np.uint32)
    return np.uint32((int(bits) + 0x1000) & 0xFFFFE000).view(np.float32)


def _to_bf16(x: Any) -> np.float32:
    """A float32 rounded to 7 bits behind the point, halves to even."""
    bits = int(np.float32(x).view(np.uint32))
    return np.uint32((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


def pair(x: Any, y: Any) -> tuple[np.float32, np.float32]:
    """Two float32 as bfloat16."""
    return _to_bf16(x), _to_bf16(y)


def _element(fragments: Any, warp: int, row: int, p: int, words: int, parts: int) -> float:
    """Element (row, p) of a matrix whose rows are cut into groups of eight, its columns into fours of words of `parts`
    numbers: the thread and the word that hold it.
    """
    lane = 4 * (row % 8) + p // parts % 4
    word = row // 8 + (2 if words == 4 else 1) * (p // (4 * parts))
    held = fragments[32 * warp + lane][word]
    return float(held[p % parts] if parts > 1 else held)


def _computed(left: Any, right: Any, thread: int, totals: tuple[Any, ...], depth: int, parts: int) -> tuple[Any, ...]:
    warp, lane = divmod(thread, 32)
    result = []
    for number, total in enumerate(totals):
        row, column = lane // 4 + 8 * (number // 2), 2 * (lane % 4) + number % 2
        products = [
            _element(left, warp, row, p, 4, parts) * _element(right, warp, column, p, 2, parts) for p in range(depth)
        ]
        result.append(np.float32(total + sum(products)))
    return tuple(result)


def _multiply(a, b, c, depth, parts):
    """What a thread has of the product, when all threads of its block have handed in their fragments."""
    left = cuda.shared.array(THREADS, object)
    right = cuda.shared.array(THREADS, object)
    thread = cuda.threadIdx.x
    left[thread], right[thread] = a, b
    cuda.syncthreads()
    result = _computed(left, right, thread, c, depth, parts)
    cuda.syncthreads()
    return result


@device
def multiply_tf32(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """c + a b for a of 16 by 8, b of 8 by 8."""
    return _multiply((a0, a1, a2, a3), (b0, b1), (c0, c1, c2, c3), 8, 1)


@device
def multiply_bf16(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """c + a b for a of 16 by 16, b of 16 by 8."""
    return _multiply((a0, a1, a2, a3), (b0, b1), (c0, c1, c2, c3), 16, 2)
