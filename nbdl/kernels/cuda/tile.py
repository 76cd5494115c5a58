"""The product of two matrices on a card, tile by tile: c[i, j] = sum over p of a[i, p] b[p, j].

A block computes a tile of the result. It brings a piece of a and a piece of b, a few columns and rows deep, into shared
memory; each thread multiplies out of there, and keeps its part of the tile in registers. While it multiplies one
pair of pieces, the next is already on its way. A result with few tiles and long sums is computed in slices of the
sums, which another kernel adds up: in the same order each time.

Where the numbers of a and b come from, and where those of c go, is said by three functions: a convolution is a product,
too, whose first matrix is never written down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import (
    SIMULATED,
    block_x,
    block_y,
    cuda,
    device,
    kernel,
    load4,
    shared,
    store,
    syncthreads,
    thread_x,
)
from nbdl.kernels.cuda.launch import MULTIPROCESSORS, Card, checked
from nbdl.kernels.cuda.reductions import add_slices


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


def choose_tile(tiles: Sequence[Tile], m: int, n: int, count: int = 1) -> Tile:
    """The largest tile of which `count` results have as many as there are multiprocessors, or the smallest."""
    return next((tile for tile in tiles if count * tile.count(m, n) >= MULTIPROCESSORS), tiles[-1])


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


@dataclass(frozen=True)
class Engine:
    """What multiplies two pieces in shared memory.

    Args:
        threads: of a block.
        totals: how many numbers of the tile a thread keeps, in rows and columns.
        multiply: `multiply(a_piece, b_piece, totals, thread)` adds to them.
        place: `place(thread, r, s)` is where in the tile totals[r, s] belongs.
        spare: numbers between two columns of a piece, and two rows of the other, in memory.
        round: what a number becomes before it is multiplied.
    """

    threads: int
    totals: tuple[int, int]
    multiply: Callable[..., Any]
    place: Callable[..., Any]
    spare: int
    round: Callable[..., Any]


@device
def unchanged(x):
    """x"""
    return x


SPARE = 4
"""Threads that write a row of a piece, which is a column of the matrix, would else all write to one bank of memory."""


@cache
def exact(tile: Tile) -> Engine:
    """Multiplies and adds in the precision of the numbers themselves."""
    M, N, K, H, W = tile.rows, tile.columns, tile.depth, tile.height, tile.width  # noqa: N806
    across, a_column, b_row = N // W, M + SPARE, N + SPARE

    @device
    def place(thread, r, s):
        i = (r // 4) * 4 * (M // H) + 4 * (thread // across) + r % 4
        return i, (s // 4) * 4 * (N // W) + 4 * (thread % across) + s % 4

    @device
    def multiply(a_piece, b_piece, totals, thread):
        y, x = thread // across, thread % across
        for p in range(K):
            for r in range(0, H, 4):
                a0, a1, a2, a3 = load4(a_piece, p * a_column + r * (M // H) + 4 * y)
                for s in range(0, W, 4):
                    b0, b1, b2, b3 = load4(b_piece, p * b_row + s * (N // W) + 4 * x)
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

    return Engine(tile.threads, (H, W), multiply, place, SPARE, unchanged)


@dataclass(frozen=True)
class Operands:
    """Where the numbers of a product lie; `shape` is a tuple of whole numbers that the functions understand.

    Args:
        begin: `begin(shape, at, block)` is where a product's numbers begin, of those that one launch computes: three
            bytes.
        left: `left(card, at, shape, i, p)` is a[i, p], within the matrix.
        right: `right(card, at, shape, p, j)` is b[p, j].
        put: `put(card, at, shape, i, j, value)` stores c[i, j].
        along: whether numbers that follow one another in a row of a lie side by side, and in a row of b: else those in
            a column do.
    """

    begin: Callable[..., Any]
    left: Callable[..., Any]
    right: Callable[..., Any]
    put: Callable[..., Any]
    along: tuple[bool, bool] = (True, True)


@cache
def product_kernel(kind: Any, tile: Tile, engine: Engine, operands: Operands, sliced: bool) -> Any:
    """The kernel for a type of numbers, a tile, what multiplies, and matrices. With `sliced` each slice of the sums has
    a result of its own, one after another.
    """
    M, N, K = tile.rows, tile.columns, tile.depth  # noqa: N806
    H, W = engine.totals  # noqa: N806
    threads, a_column, b_row = engine.threads, M + engine.spare, N + engine.spare
    a_along, b_along = operands.along
    a_loads, b_loads, a_size, b_size = M * K // threads, K * N // threads, K * a_column, K * b_row
    a_place, b_place = _walk(threads, M, K, a_along), _walk(threads, N, K, not b_along)
    begin, left, right, put = operands.begin, operands.left, operands.right, operands.put
    multiply, place, rounded, item = engine.multiply, engine.place, engine.round, np.dtype(kind).itemsize

    @kernel
    def product(card, a_at, b_at, c_at, sizes, shape, length):
        m, n, k = sizes
        rows, columns = (m + M - 1) // M, (n + N - 1) // N
        number = block_x(card)
        block, number = number // (rows * columns), number % (rows * columns)
        row, column = number // columns * M, number % columns * N
        first = block_y(card) * length  # of this slice of the sums
        end = min(first + length, k)
        a_at, b_at, c_at = begin(shape, (a_at, b_at, c_at), block)

        a_piece = shared(card, 0, a_size, kind)
        b_piece = shared(card, item * a_size, b_size, kind)
        a_next = cuda.local.array(a_loads, kind)
        b_next = cuda.local.array(b_loads, kind)
        totals = cuda.local.array((H, W), kind)
        for r in range(H):
            for s in range(W):
                totals[r, s] = kind(0)
        thread = thread_x(card)
        # A thread's first number of each piece; the others lie rows and columns further on, known beforehand.
        a_row, a_deep = (thread // K, thread % K) if a_along else (thread % M, thread // M)
        b_deep, b_column = (thread // N, thread % N) if b_along else (thread % K, thread // K)

        start = first - K
        while start < end:
            following = start + K
            for each in range(a_loads):
                r, p = a_place(each)
                a_next[each] = kind(0)
                if row + a_row + r < m and following + a_deep + p < end:
                    a_next[each] = left(card, a_at, shape, row + a_row + r, following + a_deep + p)
            for each in range(b_loads):
                s, p = b_place(each)
                b_next[each] = kind(0)
                if column + b_column + s < n and following + b_deep + p < end:
                    b_next[each] = right(card, b_at, shape, following + b_deep + p, column + b_column + s)
            if start >= first:
                multiply(a_piece, b_piece, totals, thread)
            syncthreads(card)
            for each in range(a_loads):
                r, p = a_place(each)
                a_piece[(a_deep + p) * a_column + a_row + r] = rounded(a_next[each])
            for each in range(b_loads):
                s, p = b_place(each)
                b_piece[(b_deep + p) * b_row + b_column + s] = rounded(b_next[each])
            syncthreads(card)
            start = following

        for r in range(H):
            for s in range(W):
                i, j = place(thread, r, s)
                i += row
                j += column
                if i < m and j < n:
                    if sliced:
                        store(card, c_at + item * ((block_y(card) * m + i) * n + j), totals[r, s])
                    else:
                        put(card, c_at, shape, i, j, totals[r, s])

    return product


def _engine(card: Card, kind: Any, sizes: tuple[int, int, int], count: int) -> tuple[Tile, Engine]:
    """The tile of a product, and what multiplies: tensor cores, if they are wanted and it is large enough for them."""
    from nbdl.kernels.cuda import tensor_cores  # which is made of this module

    m, n, _ = sizes
    if card.precision == "float32" or np.dtype(kind) != np.float32 or min(sizes) < tensor_cores.SMALLEST:
        tile = choose_tile(TILES, m, n, count)
        return tile, exact(tile)
    tile = choose_tile(tensor_cores.TILES, m, n, count)
    return tile, tensor_cores.engine(tile, card.precision)


def launch_product(
    card: Card,
    kind: Any,
    operands: Operands,
    places: tuple[int, int, int],
    sizes: tuple[int, int, int],
    shape: tuple[int, ...],
    *,
    count: int = 1,
    whole: bool = False,
) -> None:
    """Compute products.

    Args:
        places: where a, b and c begin.
        sizes: m, n and k.
        shape: what the functions of the operands are told.
        count: how many products there are.
        whole: whether there is one, and its result is m n numbers that follow one another.
    """
    m, n, k = sizes
    if count * checked(m) * checked(n) == 0 or checked(k) < 0:
        return
    tile, engine = _engine(card, kind, sizes, count)
    blocks = count * tile.count(m, n)
    slices = card.slices(blocks, k // (4 * tile.depth), m * n * np.dtype(kind).itemsize) if whole else 1
    length = -(-k // (slices * tile.depth)) * tile.depth
    a, b, c = places
    product = product_kernel(kind, tile, engine, operands, slices > 1)
    place = card.scratch if slices > 1 else c
    shared = tile.depth * (tile.rows + tile.columns + 2 * engine.spare) * np.dtype(kind).itemsize
    arguments = (a, b, place, sizes, shape, length)
    card.launch(product, (blocks, slices), (engine.threads,), *arguments, shared=shared)
    if slices > 1:
        card.elements(add_slices(kind), m * n, card.scratch, c, slices, m * n)
