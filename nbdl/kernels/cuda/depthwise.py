"""Convolutions of each channel by itself on a card, and their gradients."""

from __future__ import annotations

from functools import cache
from typing import Any

from nbdl.kernels.cuda.device import column, columns, elements, kernel, lanes, leads, read, slices, this_slice, view
from nbdl.kernels.cuda.launch import Card
from nbdl.kernels.cuda.reductions import add_slices, lanes_sum
from nbdl.kernels.cuda.windows import (
    CHANNELS,
    COLUMNS,
    HEIGHT,
    ROWS,
    TAP_COLUMNS,
    TAP_ROWS,
    WIDTH,
    image_shape,
    pixel_of,
    pixels,
    place_of,
    result_shape,
    results,
    seeing,
    seen,
    shape_of,
)
from nbdl.kernels.geometry import Geometry


@cache
def _convolve(kind: Any) -> Any:
    @kernel
    def depthwise(card, x_at, w_at, out_at, shape, images):
        image = read(card, x_at, image_shape(shape, images), kind)
        out = view(card, out_at, result_shape(shape, images), kind)
        w = read(card, w_at, (shape[TAP_ROWS] * shape[TAP_COLUMNS], shape[CHANNELS]), kind)
        for e in elements(card, images * shape[ROWS] * shape[COLUMNS] * shape[CHANNELS]):
            number, row, column, channel = place_of(shape, e)
            total = kind(0)
            for tap in range(shape[TAP_ROWS] * shape[TAP_COLUMNS]):
                y, x, inside = seen(shape, row, column, tap)
                if inside:
                    total += image[number, y, x, channel] * w[tap, channel]
            out[number, row, column, channel] = total

    return depthwise


@cache
def _convolve_back(kind: Any) -> Any:
    @kernel
    def depthwise_back(card, gradient_at, w_at, out_at, shape, images):
        gradient = read(card, gradient_at, result_shape(shape, images), kind)
        out = view(card, out_at, image_shape(shape, images), kind)
        w = read(card, w_at, (shape[TAP_ROWS] * shape[TAP_COLUMNS], shape[CHANNELS]), kind)
        for e in elements(card, images * shape[HEIGHT] * shape[WIDTH] * shape[CHANNELS]):
            number, y, x, channel = pixel_of(shape, e)
            total = kind(0)
            for tap in range(shape[TAP_ROWS] * shape[TAP_COLUMNS]):
                row, column, there = seeing(shape, y, x, tap)
                if there:
                    total += gradient[number, row, column, channel] * w[tap, channel]
            out[number, y, x, channel] = total

    return depthwise_back


@cache
def _convolve_weights(kind: Any) -> Any:
    @kernel
    def depthwise_weights(card, x_at, gradient_at, shape, images, out_at):
        image = read(card, x_at, image_shape(shape, images), kind)
        gradient = read(card, gradient_at, result_shape(shape, images), kind)
        size, channels = shape[TAP_ROWS] * shape[TAP_COLUMNS] * shape[CHANNELS], shape[CHANNELS]
        out = view(card, out_at, (slices(card), size), kind)
        for first in columns(card, size):
            c = first + column(card)
            total = kind(0)
            if c < size:
                tap, channel = c // channels, c % channels
                for place in lanes(card, images * shape[ROWS] * shape[COLUMNS]):
                    number, row, along, _ = place_of(shape, place * channels)
                    y, x, inside = seen(shape, row, along, tap)
                    if inside:
                        total += image[number, y, x, channel] * gradient[number, row, along, channel]
            total = lanes_sum(card, total)
            if leads(card) and c < size:
                out[this_slice(card), c] = total

    return depthwise_weights


def convolve(card: Card, kind: Any, x: int, w: int, out: int, images: int, g: Geometry) -> None:
    """out[i, y, z, c] = the sum of a window of x, times w[ky, kx, 0, c]"""
    card.elements(_convolve(kind), results(images, g), x, w, out, shape_of(g), images)


def convolve_back(card: Card, kind: Any, gradient: int, w: int, out: int, images: int, g: Geometry) -> None:
    """The gradient of `convolve` with respect to x."""
    card.elements(_convolve_back(kind), pixels(images, g), gradient, w, out, shape_of(g), images)


def convolve_weights(card: Card, kind: Any, x: int, gradient: int, out: int, images: int, g: Geometry) -> None:
    """The gradient of `convolve` with respect to w."""
    size, length = g.kernel[0] * g.kernel[1] * g.image[2], images * g.result[0] * g.result[1]
    sums = [(add_slices(kind), out)]
    card.across(_convolve_weights(kind), size, length, x, gradient, shape_of(g), images, results=sums)
