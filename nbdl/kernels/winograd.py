"""Which convolutions are quicker as Winograd's, and what their kernels (`cpu/winograd.py`) need.

A square of 2x2 pixels of the result comes from 4x4 *points*: 16 products for each pair of channels in place of 36, and
some work to map numbers to points and back.
"""

from __future__ import annotations

from typing import Final

from nbdl.kernels.geometry import Geometry

POINTS: Final = 16

STRIP: Final = 16
"""Squares of a line, at most, that are mapped together: four lines of their pixels stay in the first-level cache."""

TOGETHER: Final = 12
"""Squares, at least, whose points are multiplied together: two register tiles."""

TOGETHER_SUMMED: Final = 36
"""The same where the sum goes over squares, to which each product adds so many at a time."""

ROOM: Final = 2**19
"""Numbers that the kernels find room for in a worker's scratch array."""

LANES: Final = 16
"""Numbers of a vector, at most: the points of some squares begin with one of their own."""

MAPPED: Final = 10
"""Products that take as long as it takes to map a number."""

GAIN: Final = 1.15
"""How many times quicker it must seem to be."""


def room(geometry: Geometry) -> int:
    """Numbers that the kernels need room for, at most."""
    channels, outputs = geometry.image[2], geometry.outputs
    weights, widest = channels * outputs, max(channels, outputs)
    squares = POINTS * ((TOGETHER_SUMMED + STRIP) * (channels + outputs) + 4 * LANES)
    lines = 6 * (2 * STRIP + 2) * widest
    return max(2 * POINTS * weights, POINTS * weights + squares + lines)


def pays(geometry: Geometry) -> bool:
    """Whether a convolution is quicker this way: it has many channels, and its squares don't lie far outside.

    >>> pays(Geometry((13, 13, 32), (3, 3), 64)), pays(Geometry((28, 28, 1), (3, 3), 32))
    (True, False)
    """
    moves = geometry.stride, geometry.dilation, geometry.groups
    if geometry.kernel != (3, 3) or moves != ((1, 1), (1, 1), 1) or room(geometry) > ROOM:
        return False
    channels, outputs, (height, width) = geometry.image[2], geometry.outputs, geometry.result
    squares = (height + 1) // 2 * ((width + 1) // 2)
    mapped = POINTS * channels + (POINTS + 4) * outputs
    return height * width * 9 * channels * outputs > GAIN * squares * (POINTS * channels * outputs + MAPPED * mapped)
