"""Matrix products on a card: c[i, j] = sum over p of a[i, p] b[p, j], wherever the matrices lie."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import device, load, store
from nbdl.kernels.cuda.launch import Card
from nbdl.kernels.cuda.tile import Operands, launch_product

Sizes = tuple[int, int, int, int, int]
Steps = tuple[int, int, int, int]


@cache
def matrices(kind: Any, along: tuple[bool, bool]) -> Operands:
    """Matrices whose rows and columns lie evenly apart. `shape` is how many products the inner of two numbers counts,
    then the elements between two products of each matrix, outer and inner, then those between two rows and two columns.
    """
    item = np.dtype(kind).itemsize

    @device
    def begin(shape, at, block):
        o, i = block // shape[0], block % shape[0]
        a, b, c = at
        return (
            a + item * (o * shape[1] + i * shape[2]),
            b + item * (o * shape[3] + i * shape[4]),
            c + item * (o * shape[5] + i * shape[6]),
        )

    @device
    def left(card, at, shape, i, p):
        return load(card, at + item * (i * shape[7] + p * shape[8]), kind)

    @device
    def right(card, at, shape, p, j):
        return load(card, at + item * (p * shape[9] + j * shape[10]), kind)

    @device
    def put(card, at, shape, i, j, value):
        store(card, at + item * (i * shape[11] + j), value)

    return Operands(begin, left, right, put, along)


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
    shape = (inner, *a_steps[:2], *b_steps[:2], *c_steps[:2], *a_steps[2:], *b_steps[2:], c_steps[2])
    operands = matrices(kind, (a_steps[3] == 1, b_steps[3] == 1))
    whole = outer * inner == 1 and c_steps[2] == n
    launch_product(card, kind, operands, (a, b, c), (m, n, k), shape, count=outer * inner, whole=whole)


def _matmul(card: Card, kind: Any, places: tuple[int, int, int], shape: tuple[int, ...], swapped: str) -> None:
    (x, y, out), (count, m, n, k) = places, shape
    a_steps = (0, m * k, *((1, m) if swapped[0] == "t" else (k, 1)))
    b_steps = (0, k * n, *((1, k) if swapped[1] == "t" else (n, 1)))
    matmul_blocks(card, kind, x, a_steps, y, b_steps, out, (0, m * n, n), (1, count, m, n, k))


def matmul_nn(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x @ y, `shape` being (how many, m, n, k)."""
    _matmul(card, kind, (x, y, out), shape, "nn")


def matmul_nt(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x @ y.T"""
    _matmul(card, kind, (x, y, out), shape, "nt")


def matmul_tn(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x.T @ y"""
    _matmul(card, kind, (x, y, out), shape, "tn")


def matmul_tt(card: Card, kind: Any, x: int, y: int, out: int, shape: tuple[int, int, int, int]) -> None:
    """out = x.T @ y.T"""
    _matmul(card, kind, (x, y, out), shape, "tt")
