"""Kernels that move numbers, and the functions that launch them: rows of a data set, rows of a table, parts of arrays.

Those that only move don't mind what the numbers are; they are made for each width.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import nan
from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import (
    THREADS,
    block_x,
    block_y,
    device,
    elements,
    i32,
    i64,
    kernel,
    read,
    thread_x,
    threads_x,
    u8,
    view,
)
from nbdl.kernels.cuda.launch import MULTIPROCESSORS, Card, power_of_two
from nbdl.kernels.cuda.sizes import BATCH, NUMBER

WORDS = {1: u8, 4: i32, 8: i64}
"""What numbers are moved as, by their size."""


def words(dtype: Any, places: Sequence[int], counts: Sequence[int]) -> tuple[Any, tuple[int, ...]]:
    """What numbers are moved as, and how many of these each count of numbers is: words of 8 bytes, if arrays begin, and
    rows end, where such words do; a thread that moves more at once keeps more of the memory busy.

    >>> words(np.float32, (0, 64), (784,))
    (<class 'numpy.int64'>, (392,))
    """
    width = np.dtype(dtype).itemsize
    if width < 8 and not any(each % 8 for each in places) and not any(each * width % 8 for each in counts):
        return i64, tuple([each * width // 8 for each in counts])
    return WORDS[width], tuple(counts)


@device
def beginning(card):
    """Where in the order of rows this step's begin."""
    control = view(card, 0, (8,), i64)
    return control[NUMBER] * control[BATCH]


@cache
def _take_rows(kind: Any) -> Any:
    @kernel
    def take_rows(card, data_at, order_at, out_at, rows, width, stride, examples):
        order = read(card, order_at + 8 * beginning(card), (rows,), i64)
        data, out = read(card, data_at, (examples * stride + width,), kind), view(card, out_at, (rows, width), kind)
        for e in elements(card, rows * width):
            i, j = e // width, e % width
            out[i, j] = data[order[i] * stride + j]

    return take_rows


def take_rows(card: Card, dtype: Any, data: tuple[int, int, int], order: int, out: int, rows: int, width: int) -> None:
    """out[i] = data[picked[i]], where the step's rows are picked. `data` says where it lies, how many elements there
    are from one row to the next, and how many rows but one there are.
    """
    place, stride, examples = data
    kind, (width, stride) = words(dtype, (place, out), (width, stride))
    card.elements(_take_rows(kind), rows * width, place, order, out, rows, width, stride, examples)


@cache
def _put_rows(kind: Any) -> Any:
    @kernel
    def put_rows(card, values_at, order_at, out_at, rows, width, examples):
        order = read(card, order_at + 8 * beginning(card), (rows,), i64)
        values, out = read(card, values_at, (rows, width), kind), view(card, out_at, (examples, width), kind)
        for e in elements(card, rows * width):
            i, j = e // width, e % width
            out[order[i], j] = values[i, j]

    return put_rows


def put_rows(card: Card, dtype: Any, values: int, order: int, out: tuple[int, int, int], rows: int, width: int) -> None:
    """out[picked[i]] = values[i], where the step's rows are picked."""
    place, _, examples = out
    kind, (width,) = words(dtype, (place, values), (width,))
    card.elements(_put_rows(kind), rows * width, values, order, place, rows, width, examples + 1)


@cache
def _gather(kind: Any, index: Any) -> Any:
    @kernel
    def gather(card, table_at, indices_at, out_at, size, rows, width):
        table, out = read(card, table_at, (rows, width), kind), view(card, out_at, (size, width), kind)
        indices = read(card, indices_at, (size,), index)
        for e in elements(card, size * width):
            i, j = e // width, e % width
            row = i64(indices[i])
            out[i, j] = table[row, j] if 0 <= row < rows else kind(nan)

    return gather


def gather(
    card: Card, dtype: Any, index: Any, table: int, indices: int, out: int, size: int, rows: int, width: int
) -> None:
    """out[i] = table[indices[i]]; a row outside the table becomes NaN, which stops training with a message."""
    card.elements(_gather(dtype, index), size * width, table, indices, out, size, rows, width)


@cache
def _scatter_add(kind: Any, index: Any) -> Any:
    @kernel
    def scatter_add(card, updates_at, indices_at, out_at, size, rows, width, height):
        updates, out = read(card, updates_at, (size, width), kind), view(card, out_at, (rows, width), kind)
        indices = read(card, indices_at, (size,), index)
        first = block_x(card) * height
        end = min(first + height, rows)
        j = block_y(card) * threads_x(card) + thread_x(card)
        if j < width:
            for row in range(first, end):
                out[row, j] = kind(0)
            for i in range(size):
                row = i64(indices[i])
                if first <= row < end:
                    out[row, j] += updates[i, j]

    return scatter_add


def scatter_add(
    card: Card, dtype: Any, index: Any, updates: int, indices: int, out: int, size: int, rows: int, width: int
) -> None:
    """out = 0, then out[indices[i]] += updates[i]; rows outside the table are left out.

    A block has some rows of the table, and a thread one column of them, to which it adds what belongs there in the
    order of the updates: the sum is the same each time, as it wouldn't be with atomic additions.
    """
    if rows * width:
        threads = min(THREADS, power_of_two(width))
        height = -(-rows // (4 * MULTIPROCESSORS))
        grid = (-(-rows // height), -(-width // threads))
        arguments = (updates, indices, out, size, rows, width, height)
        card.launch(_scatter_add(dtype, index), grid, (threads,), *arguments)


@cache
def _fill(kind: Any) -> Any:
    @kernel
    def fill(card, out_at, size, value):
        out = view(card, out_at, (size,), kind)
        for i in elements(card, size):
            out[i] = kind(value)

    return fill


def fill(card: Card, dtype: Any, out: int, size: int, value: float) -> None:
    """out[i] = value"""
    card.elements(_fill(dtype), size, out, size, value)


@cache
def _copy(kind: Any) -> Any:
    @kernel
    def copy(card, source_at, out_at, size):
        source, out = read(card, source_at, (size,), kind), view(card, out_at, (size,), kind)
        for i in elements(card, size):
            out[i] = source[i]

    return copy


def copy(card: Card, dtype: Any, source: int, out: int, size: int) -> None:
    """out[i] = source[i]"""
    kind, (size,) = words(dtype, (source, out), (size,))
    card.elements(_copy(kind), size, source, out, size)


@cache
def _copy_along(kind: Any) -> Any:
    @kernel
    def copy_along(card, source_at, out_at, before, size, width, length, start, step):
        source = read(card, source_at, (before, size, width), kind)
        out = view(card, out_at, (before, length, width), kind)
        for e in elements(card, before * size * width):
            a, b, c = e // (size * width), e // width % size, e % width
            out[a, start + step * b, c] = source[a, b, c]

    return copy_along


def copy_along(
    card: Card, dtype: Any, source: int, out: int, shape: tuple[int, int, int], length: int, start: int, step: int
) -> None:
    """out[a, start + step * b, c] = source[a, b, c], out having `length` places b."""
    before, size, width = shape
    kind, (width,) = words(dtype, (source, out), (width,))
    card.elements(_copy_along(kind), before * size * width, source, out, before, size, width, length, start, step)


@cache
def _argmax(kind: Any) -> Any:
    @kernel
    def argmax(card, x_at, out_at, before, size, width):
        x, out = read(card, x_at, (before, size, width), kind), view(card, out_at, (before, width), i64)
        for e in elements(card, before * width):
            a, c = e // width, e % width
            best = 0
            for b in range(1, size):
                if not x[a, b, c] <= x[a, best, c] and x[a, best, c] == x[a, best, c]:
                    best = b
            out[a, c] = best

    return argmax


def argmax(card: Card, dtype: Any, x: int, out: int, shape: tuple[int, int, int]) -> None:
    """out[a, c] = the first b with the largest x[a, b, c]; a NaN counts as largest."""
    before, size, width = shape
    card.elements(_argmax(dtype), before * width, x, out, before, size, width)
