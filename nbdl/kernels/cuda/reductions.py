"""Sums and maxima over the lanes of a block, in an order that doesn't depend on which thread comes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from nbdl.kernels.cuda.device import SIMULATED, THREADS, cuda, device, elements, kernel, read, view
from nbdl.kernels.cuda.scalars import maximum


@device
def plus(x, y):
    """x + y"""
    return x + y


def _over_lanes(kind: Any, combine: Callable[..., Any]) -> Callable[..., Any]:
    """A function that combines a number of each lane: halves of the lanes, again and again."""

    def over_lanes(value):
        cells = cuda.shared.array(THREADS, kind)
        here = cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x
        cells[here] = value
        cuda.syncthreads()
        half = cuda.blockDim.y // 2
        while half > 0:
            if cuda.threadIdx.y < half:
                cells[here] = combine(cells[here], cells[here + half * cuda.blockDim.x])
            cuda.syncthreads()
            half //= 2
        result = cells[cuda.threadIdx.x]
        cuda.syncthreads()
        return result

    return over_lanes


if SIMULATED:  # an array in shared memory is known by its line there: one for numbers of any kind
    lanes_sum = device(_over_lanes(object, plus))
    lanes_max = device(_over_lanes(object, maximum))
else:
    from nbdl.kernels.cuda.generic import by_type

    lanes_sum = by_type(lambda kind: _over_lanes(kind, plus))
    lanes_max = by_type(lambda kind: _over_lanes(kind, maximum))


def _finish(kind: Any, combine: Callable[..., Any]) -> Any:
    @kernel
    def finish(memory, parts_at, out_at, slices, size):
        parts, out = read(memory, parts_at, (slices, size), kind), view(memory, out_at, (size,), kind)
        for i in elements(size):
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
