"""Matrix products on a card: c[i, j] = sum over p of a[i, p] b[p, j], wherever the matrices lie.

A block computes a tile of the result. It brings a piece of a and a piece of b, a few columns and rows deep, into shared
memory; each thread multiplies out of there, and keeps its part of the tile in registers. While it multiplies one
pair of pieces, the next is already on its way. Edges are filled up with zeros.

A result with few tiles and long sums is computed in slices of the sums, which another kernel adds up: in the same
order each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import ALIGNED, SIMULATED, cuda, device, kernel, load, load4, view
from nbdl.kernels.cuda.launch import MULTIPROCESSORS, Card
from nbdl.kernels.cuda.reductions import add_slices

Sizes = tuple[int, int, int, int, int]
Steps = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tile:
    """What a block computes: a tile of `rows` by `columns`, from pieces `depth` deep; each thread has `height` by
    `width` numbers of it, multiples of four.
    """

    rows: int
    columns: int
    depth: int
    height: int
    width: int

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.rows // self.height * (self.columns // self.width)

    def count(self, m: int, n: int) -> int:
        """How many of them a result of m by n has."""
        return -(-m // self.rows) * -(-n // self.columns)


TILES = (
    (Tile(16, 16, 2, 8, 4), Tile(8, 8, 4, 4, 4))
    if SIMULATED
    else (Tile(128, 128, 16, 8, 8), Tile(64, 64, 16, 4, 4), Tile(32, 32, 16, 4, 4))
)
"""The largest is the fastest where there are enough of them."""


def choose_tile(m: int, n: int, count: int) -> Tile:
    """The largest tile of which there are as many as multiprocessors, or the smallest."""
    return next((tile for tile in TILES if count * tile.count(m, n) >= MULTIPROCESSORS), TILES[-1])


def _walk(threads: int, size: int, depth: int, deep_first: bool) -> Any:
    """Where, in a piece of `size` by `depth` that threads go over in turn, a thread's numbers lie: as many places
    further on than its first. Sizes and threads divide one another.
    """

    @device
    def place(each):
        if deep_first:
            return each * threads // depth, each * threads % depth
        return each * threads % size, each * threads // size

    return place


@cache
def product_kernel(kind: Any, tile: Tile, a_along: bool, b_along: bool) -> Any:
    """The kernel for a type of numbers and a tile. What lies side by side is read side by side: of a numbers of one row
    (`a_along`) or one column, of b the same.
    """
    M, N, K, H, W = tile.rows, tile.columns, tile.depth, tile.height, tile.width  # noqa: N806
    threads, across = tile.threads, tile.columns // tile.width
    a_loads, b_loads = M * K // threads, K * N // threads
    a_place, b_place = _walk(threads, M, K, a_along), _walk(threads, N, K, not b_along)
    a_size, b_size, item = K * M, K * N, np.dtype(kind).itemsize

    @kernel
    def multiply(memory, a_at, b_at, c_at, sizes, a_steps, b_steps, c_steps, length):
        _, inner, m, n, k = sizes
        rows, columns = (m + M - 1) // M, (n + N - 1) // N
        number = cuda.blockIdx.x
        block, number = number // (rows * columns), number % (rows * columns)
        row, column = number // columns * M, number % columns * N
        o, i = block // inner, block % inner
        first = cuda.blockIdx.y * length  # of this slice of the sums
        end = min(first + length, k)
        a_at += item * (o * a_steps[0] + i * a_steps[1])
        b_at += item * (o * b_steps[0] + i * b_steps[1])

        a_piece = cuda.shared.array(a_size, kind, alignment=ALIGNED)
        b_piece = cuda.shared.array(b_size, kind, alignment=ALIGNED)
        a_next = cuda.local.array(a_loads, kind)
        b_next = cuda.local.array(b_loads, kind)
        totals = cuda.local.array((H, W), kind)
        for r in range(H):
            for s in range(W):
                totals[r, s] = kind(0)
        thread = cuda.threadIdx.x
        y, x = thread // across, thread % across

        # A thread's first number of each piece; the others lie rows and columns further on, known beforehand.
        a_row, a_deep = (thread // K, thread % K) if a_along else (thread % M, thread // M)
        b_deep, b_column = (thread // N, thread % N) if b_along else (thread % K, thread // K)
        a_at += item * ((row + a_row) * a_steps[2] + a_deep * a_steps[3])
        b_at += item * (b_deep * b_steps[2] + (column + b_column) * b_steps[3])
        rows_left, columns_left = m - row - a_row, n - column - b_column

        start = first - K
        while start < end:
            following = start + K
            for each in range(a_loads):
                r, p = a_place(each)
                a_next[each] = kind(0)
                if r < rows_left and p < end - following - a_deep:
                    a_next[each] = load(memory, a_at + item * (r * a_steps[2] + (following + p) * a_steps[3]), kind)
            for each in range(b_loads):
                s, p = b_place(each)
                b_next[each] = kind(0)
                if s < columns_left and p < end - following - b_deep:
                    b_next[each] = load(memory, b_at + item * ((following + p) * b_steps[2] + s * b_steps[3]), kind)
            if start >= first:
                for p in range(K):
                    for r in range(0, H, 4):
                        a0, a1, a2, a3 = load4(a_piece, p * M + r * (M // H) + 4 * y)
                        for s in range(0, W, 4):
                            b0, b1, b2, b3 = load4(b_piece, p * N + s * (N // W) + 4 * x)
                            totals[r, s] += a0 * b0
                            totals[r, s + 1] += a0 * b1
                            totals[r, s + 2] += a0 * b2
                            totals[r, s + 3] += a0 * b3
                            totals[r + 1, s] += a1 * b0
                            totals[r + 1, s + 1] += a1 * b1
                            totals[r + 1, s + 2] += a1 * b2
                            totals[r + 1, s + 3] += a1 * b3
                            totals[r + 2, s] += a2 * b0
                            totals[r + 2, s + 1] += a2 * b1
                            totals[r + 2, s + 2] += a2 * b2
                            totals[r + 2, s + 3] += a2 * b3
                            totals[r + 3, s] += a3 * b0
                            totals[r + 3, s + 1] += a3 * b1
                            totals[r + 3, s + 2] += a3 * b2
                            totals[r + 3, s + 3] += a3 * b3
            cuda.syncthreads()
            for each in range(a_loads):
                r, p = a_place(each)
                a_piece[(a_deep + p) * M + a_row + r] = a_next[each]
            for each in range(b_loads):
                s, p = b_place(each)
                b_piece[(b_deep + p) * N + b_column + s] = b_next[each]
            cuda.syncthreads()
            start = following

        c = view(
            memory, c_at + item * (o * c_steps[0] + i * c_steps[1] + cuda.blockIdx.y * m * n), (m, c_steps[2]), kind
        )
        for r in range(H):
            for s in range(W):
                to_row = row + (r // 4) * 4 * (M // H) + 4 * y + r % 4
                to_column = column + (s // 4) * 4 * (N // W) + 4 * x + s % 4
                if to_row < m and to_column < n:
                    c[to_row, to_column] = totals[r, s]

    return multiply


def matmul_blocks(
    card: Card, kind: Any, a: int, a_steps: Steps, b: int, b_steps: Steps, c: int, c_steps: tuple[int, int, int],
    sizes: Sizes,
) -> None:  # fmt: skip
    """c[i, j] = a[i, j] @ b[i, j]: products of m by k with k by n, counted by two numbers.

    Args:
        a, b, c: the bytes at which they begin.
        a_steps: elements between two i, j, m, k.
        b_steps: elements between two i, j, k, n.
        c_steps: elements between two i, j, m; its columns follow one another.
        sizes: of i, j, m, n, k.
    """
    outer, inner, m, n, k = sizes
    if outer * inner * m * n == 0:
        return
    tile = choose_tile(m, n, outer * inner)
    blocks = outer * inner * tile.count(m, n)
    contiguous = outer * inner == 1 and c_steps[2] == n
    slices = card.slices(blocks, k // (4 * tile.depth), m * n * np.dtype(kind).itemsize) if contiguous else 1
    length = -(-k // (slices * tile.depth)) * tile.depth
    multiply = product_kernel(kind, tile, a_steps[3] == 1, b_steps[3] == 1)
    place = c if slices == 1 else card.scratch
    card.launch(multiply, (blocks, slices), (tile.threads,), a, b, place, sizes, a_steps, b_steps, c_steps, length)
    if slices > 1:
        card.elements(add_slices(kind), m * n, card.scratch, c, slices, m * n)


def _matmul(
    card: Card, kind: Any, places: tuple[int, int, int], shape: tuple[int, ...], swaps: tuple[bool, bool]
) -> None:
    (x, y, out), (count, m, n, k) = places, shape
    a_steps = (0, m * k, *((1, m) if swaps[0] else (k, 1)))
    b_steps = (0, k * n, *((1, k) if swaps[1] else (n, 1)))
    matmul_blocks(card, kind, x, a_steps, y, b_steps, out, (0, m * n, n), (1, count, m, n, k))


def matmul_nn(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x @ y, `shape` being (how many, m, n, k)."""
    _matmul(card, kind, (x, y, out), shape, (False, False))


def matmul_nt(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x @ y.T"""
    _matmul(card, kind, (x, y, out), shape, (False, True))


def matmul_tn(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x.T @ y"""
    _matmul(card, kind, (x, y, out), shape, (True, False))


def matmul_tt(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x.T @ y.T"""
    _matmul(card, kind, (x, y, out), shape, (True, True))
