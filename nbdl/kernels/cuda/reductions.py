"""Sums and maxima over the lanes of a block, in an order that doesn't depend on which thread comes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import (
    SIMULATED,
    device,
    elements,
    kernel,
    read,
    shared,
    syncthreads,
    thread_x,
    thread_y,
    threads_x,
    threads_y,
    view,
)
from nbdl.kernels.cuda.scalars import maximum


@device
def plus(x, y):
    """x + y"""
    return x + y


def _over_lanes(kind: Any, combine: Callable[..., Any]) -> Callable[..., Any]:
    """A function that combines a number of each lane: halves of the lanes, again and again."""

    def over_lanes(card, value):
        width = threads_x(card)
        cells = shared(card, 0, width * threads_y(card), kind)
        here = thread_y(card) * width + thread_x(card)
        cells[here] = value
        syncthreads(card)
        half = threads_y(card) // 2
        while half > 0:
            if thread_y(card) < half:
                cells[here] = combine(cells[here], cells[here + half * width])
            syncthreads(card)
            half //= 2
        result = cells[thread_x(card)]
        syncthreads(card)
        return result

    return over_lanes


if SIMULATED:
    lanes_sum = device(lambda card, value: _over_lanes(np.result_type(value).type, plus)(card, value))
    lanes_max = device(lambda card, value: _over_lanes(np.result_type(value).type, maximum)(card, value))
else:
    from nbdl.kernels.cuda.generic import by_type

    lanes_sum = by_type(lambda kind: _over_lanes(kind, plus))
    lanes_max = by_type(lambda kind: _over_lanes(kind, maximum))


def _finish(kind: Any, combine: Callable[..., Any]) -> Any:
    @kernel
    def finish(card, parts_at, out_at, slices, size):
        parts, out = read(card, parts_at, (slices, size), kind), view(card, out_at, (size,), kind)
        for i in elements(card, size):
            total = parts[0, i]
            for number in range(1, slices):
                total = combine(total, parts[number, i])
            out[i] = total

    return finish


@cache
def add_slices(kind: Any) -> Any:
    """The kernel that adds up what several blocks have added up, each over its slice of the rows."""
    return _finish(kind, plus)


@cache
def largest_slices(kind: Any) -> Any:
    """As `add_slices`, with the maximum in place of the sum."""
    return _finish(kind, maximum)
