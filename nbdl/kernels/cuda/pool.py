"""Pooling on a card: the largest element, or the sum, of each window, each channel by itself, and their gradients.

Of equal elements the first is the largest; a window with NaN gives NaN, and its gradient goes to its first element.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from nbdl.kernels.cuda.device import device, elements, kernel, read, view
from nbdl.kernels.cuda.launch import Card
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


@device
def largest_tap(image, shape, number, row, column, channel):
    """Which tap sees the first of the largest elements of a window, or the first pixel, if there is a NaN."""
    best, first, found = -1, -1, image[number, 0, 0, channel]
    for tap in range(shape[TAP_ROWS] * shape[TAP_COLUMNS]):
        y, x, inside = seen(shape, row, column, tap)
        if inside:
            value = image[number, y, x, channel]
            if first < 0:
                first = tap
            if value != value:
                return first
            if best < 0 or value > found:
                best, found = tap, value
    return best


@cache
def _max_pool(kind: Any) -> Any:
    @kernel
    def max_pool(card, x_at, out_at, shape, images):
        image = read(card, x_at, image_shape(shape, images), kind)
        out = view(card, out_at, result_shape(shape, images), kind)
        for e in elements(card, images * shape[ROWS] * shape[COLUMNS] * shape[CHANNELS]):
            number, row, column, channel = place_of(shape, e)
            largest = kind(-float("inf"))
            for tap in range(shape[TAP_ROWS] * shape[TAP_COLUMNS]):
                y, x, inside = seen(shape, row, column, tap)
                if inside:
                    value = image[number, y, x, channel]
                    if not value <= largest and largest == largest:
                        largest = value
            out[number, row, column, channel] = largest

    return max_pool


@cache
def _max_pool_take(kind: Any) -> Any:
    @kernel
    def max_pool_take(card, x_at, other_at, out_at, shape, images):
        image = read(card, x_at, image_shape(shape, images), kind)
        other = read(card, other_at, image_shape(shape, images), kind)
        out = view(card, out_at, result_shape(shape, images), kind)
        for e in elements(card, images * shape[ROWS] * shape[COLUMNS] * shape[CHANNELS]):
            number, row, column, channel = place_of(shape, e)
            y, x, _ = seen(shape, row, column, largest_tap(image, shape, number, row, column, channel))
            out[number, row, column, channel] = other[number, y, x, channel]

    return max_pool_take


@cache
def _max_pool_back(kind: Any) -> Any:
    @kernel
    def max_pool_back(card, x_at, gradient_at, out_at, shape, images):
        image = read(card, x_at, image_shape(shape, images), kind)
        out = view(card, out_at, image_shape(shape, images), kind)
        gradient = read(card, gradient_at, result_shape(shape, images), kind)
        for e in elements(card, images * shape[HEIGHT] * shape[WIDTH] * shape[CHANNELS]):
            number, y, x, channel = pixel_of(shape, e)
            total = kind(0)
            for tap in range(shape[TAP_ROWS] * shape[TAP_COLUMNS]):
                row, column, there = seeing(shape, y, x, tap)
                if there and largest_tap(image, shape, number, row, column, channel) == tap:
                    total += gradient[number, row, column, channel]
            out[number, y, x, channel] = total

    return max_pool_back


@cache
def _sum_pool(kind: Any) -> Any:
    @kernel
    def sum_pool(card, x_at, out_at, shape, images):
        image = read(card, x_at, image_shape(shape, images), kind)
        out = view(card, out_at, result_shape(shape, images), kind)
        for e in elements(card, images * shape[ROWS] * shape[COLUMNS] * shape[CHANNELS]):
            number, row, column, channel = place_of(shape, e)
            total = kind(0)
            for tap in range(shape[TAP_ROWS] * shape[TAP_COLUMNS]):
                y, x, inside = seen(shape, row, column, tap)
                if inside:
                    total += image[number, y, x, channel]
            out[number, row, column, channel] = total

    return sum_pool


@cache
def _sum_pool_back(kind: Any) -> Any:
    @kernel
    def sum_pool_back(card, gradient_at, out_at, shape, images):
        gradient = read(card, gradient_at, result_shape(shape, images), kind)
        out = view(card, out_at, image_shape(shape, images), kind)
        for e in elements(card, images * shape[HEIGHT] * shape[WIDTH] * shape[CHANNELS]):
            number, y, x, channel = pixel_of(shape, e)
            total = kind(0)
            for tap in range(shape[TAP_ROWS] * shape[TAP_COLUMNS]):
                row, column, there = seeing(shape, y, x, tap)
                if there:
                    total += gradient[number, row, column, channel]
            out[number, y, x, channel] = total

    return sum_pool_back


def max_pool(card: Card, kind: Any, x: int, out: int, images: int, g: Geometry) -> None:
    """out[i, y, z, c] = the largest element of a window of x"""
    card.elements(_max_pool(kind), results(images, g), x, out, shape_of(g), images)


def max_pool_back(card: Card, kind: Any, x: int, gradient: int, out: int, images: int, g: Geometry) -> None:
    """The gradient of `max_pool`: it goes to the first of the largest elements of a window."""
    card.elements(_max_pool_back(kind), pixels(images, g), x, gradient, out, shape_of(g), images)


def max_pool_take(card: Card, kind: Any, x: int, other: int, out: int, images: int, g: Geometry) -> None:
    """out = the elements of `other`, of the shape of x, at the places from which `max_pool` takes its result"""
    card.elements(_max_pool_take(kind), results(images, g), x, other, out, shape_of(g), images)


def sum_pool(card: Card, kind: Any, x: int, out: int, images: int, g: Geometry) -> None:
    """out[i, y, z, c] = the sum of a window of x"""
    card.elements(_sum_pool(kind), results(images, g), x, out, shape_of(g), images)


def sum_pool_back(card: Card, kind: Any, gradient: int, out: int, images: int, g: Geometry) -> None:
    """The gradient of `sum_pool`: each element gets the sum over the windows that it is in."""
    card.elements(_sum_pool_back(kind), pixels(images, g), gradient, out, shape_of(g), images)
