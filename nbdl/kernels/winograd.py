"""Which convolutions are quicker as Winograd's, in what tiles, and what their kernels (`cpu/winograd.py`) need.

A tile of the result with side x side pixels comes from (side + kernel - 1)^2 *points*: one product for each of them and
each pair of channels in place of kernel x kernel for each pixel, and some work to map numbers to points and back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

from nbdl.kernels.geometry import Geometry

Matrix = tuple[tuple[float, ...], ...]

TILES: Final = {3: (4, 2), 5: (2,)}
"""Sides of tiles, for those of kernels. Larger ones need fewer products, but more room, and round worse."""

FORMS: Final = tuple((tile, kernel) for kernel, tiles in TILES.items() for tile in tiles)

PLACES: Final = {
    4: (Fraction(0), Fraction(1), Fraction(-1)),
    6: (Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2)),
}
"""Where polynomials are evaluated, for a number of points of which the last lies at infinity. These fractions are
exact, and round less than the usual 1 and 2 (a test compares them), whose powers lie further apart.
"""

STRIP: Final = 32
"""Pixels of a line, at most, that are mapped together: some lines of them stay in the first-level cache."""

TOGETHER: Final = 24
"""Tiles, at least, whose points are multiplied together: four register tiles."""

TOGETHER_SUMMED: Final = 36
"""The same where the sum goes over tiles, to which each product adds so many at a time: more would round worse."""

CACHE: Final = 2**18
"""Numbers that stay in the second-level cache."""

MORE: Final = 3
"""How many times as many tiles are multiplied together if the points of weights lie further away."""

ROOM: Final = 2**19
"""Numbers that the kernels find room for in a worker's scratch array in any case."""

MOST_ROOM: Final = 2**24
"""Numbers that they may have room for, if they ask for it: 64 MiB of float32 for each worker."""

LANES: Final = 16
"""Numbers of a vector, at most: so many are mapped at once, and a plane of points is rounded up to whole vectors."""

MAPPED: Final = 10
"""Products that take as long as it takes to map a number."""

MAPPED_FAR: Final = 25
"""The same if it lies further away than the second-level cache."""

GAIN: Final = 1.15
"""How many times quicker it must seem to be."""


class Matrices(NamedTuple):
    """The three linear maps along one axis: y = output @ ((input @ x) * (weights @ w))."""

    input: Matrix
    weights: Matrix
    output: Matrix


@cache
def matrices(tile: int, kernel: int) -> Matrices:
    """Return the maps along the side of a tile, by the formula of Toom and Cook.

    The numbers of a kernel are coefficients of a polynomial, and so are gradients of a result. Their product has
    n = tile + kernel - 1 coefficients, so its values at n - 1 places and its highest coefficient ("at infinity") tell
    all about it. `weights` and the transpose of `output` evaluate the two, the transpose of `input` interpolates the
    product (Lagrange): that is how a gradient goes back to an image. A convolution is the same transposed.

    >>> matrices(2, 3).input
    ((-1.0, 0.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, -1.0, 0.0, 1.0))

    Source: S. Winograd, Arithmetic complexity of computations, SIAM 1980, chapters IV and V.
    """
    places = PLACES[tile + kernel - 1]
    lagrange = [_polynomial([other for other in places if other != place]) for place in places]
    scale = [_value(roots, place) for roots, place in zip(lagrange, places, strict=True)]
    inputs = [[*each, Fraction(0)] for each in lagrange] + [_polynomial(places)]
    weights = [[place**i / by for i in range(kernel)] for place, by in zip(places, scale, strict=True)]
    outputs = [[place**i for place in places] + [Fraction(i == tile - 1)] for i in range(tile)]
    return Matrices(
        _floats(inputs), _floats([*weights, [Fraction(i == kernel - 1) for i in range(kernel)]]), _floats(outputs)
    )


def _polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients of the product of all x - root, the lowest first."""
    found = [Fraction(1)]
    for root in roots:
        found = [high - root * low for high, low in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _value(polynomial: Sequence[Fraction], place: Fraction) -> Fraction:
    return sum((factor * place**i for i, factor in enumerate(polynomial)), Fraction(0))


def _floats(matrix: Sequence[Sequence[Fraction]]) -> Matrix:
    return tuple(tuple(float(each) for each in row) for row in matrix)


def room(geometry: Geometry, tile: int) -> int:
    """Numbers that the kernels need room for, at most.

    The gradient of weights needs most: their points beside those of tiles, or beside half-mapped ones. To map weights
    to points takes no more than that, as kernel^2 <= points.
    """
    channels, outputs, kernel = geometry.image[2], geometry.outputs, geometry.kernel[0]
    side = tile + kernel - 1
    weights, widest, points = channels * outputs, max(channels, outputs), side * side
    together = TOGETHER_SUMMED * (1 if points * weights <= CACHE else MORE)
    tiles = points * ((together + STRIP // tile) * (channels + outputs) + 4 * LANES)
    lines = (2 + side) * (STRIP + kernel - 1) * widest
    return points * weights + max(tiles + lines, kernel * side * weights)


def best_tile(geometry: Geometry, images: int = 1) -> int | None:
    """Return in what tiles a convolution of so many images is quickest, or None if the plain sum seems to be.

    It is where there are many channels, where the tiles don't lie far outside of the result, and where enough of them
    share the work to map the weights.

    >>> best_tile(Geometry((13, 13, 32), (3, 3), 64)), best_tile(Geometry((28, 28, 1), (3, 3), 32))
    (4, None)
    """
    (kernel, width), moves = geometry.kernel, (geometry.stride, geometry.dilation, geometry.groups)
    if kernel != width or moves != ((1, 1), (1, 1), 1):
        return None
    fitting = [tile for tile in TILES.get(kernel, ()) if room(geometry, tile) <= MOST_ROOM]
    best = min(fitting, key=lambda tile: _work(geometry, tile, images), default=None)
    plain = images * math.prod(geometry.result) * kernel * kernel * geometry.image[2] * geometry.outputs
    return best if best and plain > GAIN * _work(geometry, best, images) else None


def _work(geometry: Geometry, tile: int, images: int) -> int:
    """How long it takes, in products."""
    channels, outputs, (height, width) = geometry.image[2], geometry.outputs, geometry.result
    points = (tile + geometry.kernel[0] - 1) ** 2
    read, written = (-(-each // LANES) * LANES for each in (channels, outputs))  # a part of a vector takes as long
    mapped = points * (read + written) + tile * tile * written
    tiles, weights = images * -(-height // tile) * -(-width // tile), points * channels * outputs
    return tiles * (weights + MAPPED * mapped) + (MAPPED if weights <= CACHE else MAPPED_FAR) * weights
