"""How a convolution becomes matrix products: tables of boxes, made once for each layer, that `conv.py` runs.

A *box* is a set of places of the result (images, lines, places of a line) for which the same taps of the kernel lie
inside the image. Its places are the rows of a matrix product whose operand A is the image itself, read with strides:
nothing is copied or padded, and no zero is multiplied. One row of the kernel, its columns and channels together, is a
contiguous stretch of the sum, unless dilation or groups come in between.

A table is an array of int64: a line with the fields of `HEAD`, and one with those of `BOX` for each box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import gcd
from typing import Final

import numpy as np

from nbdl.kernels.geometry import NO_PADDING, Geometry, Segment

HEAD: Final = (
    "boxes groups columns chunk a_image b_image c_image a_group b_group c_group clear clear_image transposed b_row"
).split()
"""What holds for all boxes: `columns` of the widest one, images that are done at a time (`chunk`), elements from image
to image and from group to group, elements of C to set to zero at first (altogether, and for each image), whether B is
stored transposed, and the elements from one of its rows to the next."""

BOX: Final = (
    "a b c lines pixels a_line a_pixel c_line c_pixel columns blocks a_block b_block depth a_column add again".split()
)
"""Where a box begins in A, B and C; its extent, and the steps to the next line and pixel; its columns; the two loops of
its sum; whether it is added to C, and whether its B is that of the box before."""

POOL_HEAD: Final = "boxes x_image y_image channels row_step tap_step kernel_row overlapping clear kernel".split()
POOL_BOX: Final = "x y w lines pixels x_line x_pixel y_line y_pixel rows taps".split()
"""The same for pooling: x is the image, y the result, w a kernel with a number for each tap and channel, of `kernel`
elements to set to zero at first; `rows` and `taps` of the window lie inside the image; `clear` says that some of the
image lies in no window."""

SUM_IMAGES: Final = -1
"""As a number of blocks: as many as there are images, which are added up."""

ALL: Final = 2**40

SUMMED_PIXELS: Final = 1024
"""Places that the gradient of the weights adds up at a time: their part of both images stays in the caches."""

FEW_PLACES: Final = 48
"""Below, the gradient of the weights adds up over images rather than over lines: a tile's sum should be long."""

RESIDENT: Final = 65536
"""Elements of images and gradients that the taps of the kernel run over one after another: they stay in the caches."""

TRANSPOSED: Final = 1024
"""Rows of the weights, transposed, that the gradient of the image adds up over at a time: they stay in the caches, too.
"""

NARROW: Final = 32
"""Channels below which the gradient of the image does the taps of a row of the kernel together."""

Box = dict[str, int]


def forward_boxes(g: Geometry) -> np.ndarray:
    """The boxes of a convolution: A is the image, B the weights, C the result."""
    sizes = _Sizes(g)
    head = {
        "groups": g.groups,
        "columns": g.channels_out,
        "chunk": ALL,
        "a_image": sizes.image,
        "c_image": sizes.result,
        "a_group": g.channels_in,
        "b_group": g.channels_out,
        "c_group": g.channels_out,
        "b_row": g.outputs,
    }
    return _table(head, _forward(g, sizes))


def _forward(g: Geometry, sizes: _Sizes) -> Iterator[Box]:
    for y, y_end, ky, ky_end in g.segments(0):
        for x, x_end, kx, kx_end in g.segments(1):
            box = {
                "c": sizes.in_result(y, x),
                "lines": y_end - y,
                "pixels": x_end - x,
                "a_line": sizes.down,
                "a_pixel": sizes.right,
                "c_line": sizes.result_line,
                "c_pixel": g.outputs,
                "columns": g.channels_out,
                "a_column": 1,
            }
            if ky == ky_end or kx == kx_end:  # the kernel lies outside of the image: the sum is empty
                yield box
            elif _joins_taps(g):
                yield box | {
                    "a": sizes.in_image(y, x, ky, kx),
                    "b": sizes.in_kernel(ky, kx),
                    "blocks": ky_end - ky,
                    "a_block": g.dilation[0] * sizes.image_line,
                    "b_block": sizes.in_kernel(1, 0),
                    "depth": (kx_end - kx) * g.channels_in,
                }
            else:
                for row in range(ky, ky_end):
                    yield box | {
                        "a": sizes.in_image(y, x, row, kx),
                        "b": sizes.in_kernel(row, kx),
                        "blocks": kx_end - kx,
                        "a_block": g.dilation[1] * g.image[2],
                        "b_block": sizes.in_kernel(0, 1),
                        "depth": g.channels_in,
                        "add": int(row > ky),
                    }


def weight_boxes(g: Geometry, *, add: bool = False) -> np.ndarray:
    """The boxes of the gradient with respect to the weights: A is the image, its taps and channels as rows, B the
    gradient of the result, C that of the weights. The sums run over places and images, and `add` to what is there.
    """
    sizes = _Sizes(g)
    few = g.result[0] * g.result[1] < FEW_PLACES
    head = {
        "groups": g.groups,
        "columns": g.channels_out,
        "chunk": ALL if few else 1,
        "a_image": sizes.image,
        "b_image": sizes.result,
        "a_group": g.channels_in,
        "b_group": g.channels_out,
        "c_group": g.channels_out,
        "clear": 0 if add else sizes.in_kernel(g.kernel[0], 0),
        "b_row": g.outputs,
    }
    return _table(head, _weights(g, sizes, few))


def _weights(g: Geometry, sizes: _Sizes, few: bool) -> Iterator[Box]:
    for ky in range(g.kernel[0]):
        first, y_end = g.places(0, ky)
        for x, x_end, kx, kx_end in _stretches(g):
            lines = 1 if few else max(1, SUMMED_PIXELS // (x_end - x))
            for y in range(first, y_end, lines):
                box = {
                    "a": sizes.in_image(y, x, ky, kx),
                    "b": sizes.in_result(y, x),
                    "c": sizes.in_kernel(ky, kx),
                    "lines": 1,
                    "pixels": (kx_end - kx) * g.channels_in,
                    "a_pixel": 1,
                    "c_pixel": g.outputs,
                    "columns": g.channels_out,
                    "depth": x_end - x,
                    "a_column": sizes.right,
                    "add": 1,
                }
                if few:
                    yield box | {"blocks": SUM_IMAGES, "a_block": sizes.image, "b_block": sizes.result}
                else:
                    now = min(lines, y_end - y)
                    yield box | {"blocks": now, "a_block": sizes.down, "b_block": sizes.result_line}


def input_boxes(g: Geometry) -> np.ndarray:
    """The boxes of the gradient with respect to the image: A is the gradient of the result, B the weights, transposed,
    and C the gradient of the image: each place adds to the pixels under a tap what it hands them. The sums run over
    outputs, and over the rows of the kernel that hand to the same line.
    """
    sizes = _Sizes(g)
    boxes = list(_inputs(g, sizes))
    head = {
        "groups": g.groups,
        "columns": max((box["columns"] for box in boxes), default=0),
        "chunk": max(1, RESIDENT // max(1, sizes.image + sizes.result)),
        "a_image": sizes.result,
        "c_image": sizes.image,
        "a_group": g.channels_out,
        "b_group": g.channels_out,
        "c_group": g.channels_in,
        "clear_image": sizes.image,
        "transposed": 1,
        "b_row": g.outputs,
    }
    return _table(head, boxes)


def _inputs(g: Geometry, sizes: _Sizes) -> Iterator[Box]:
    stretches = _stretches(g) if g.channels_in < NARROW else _single_taps(g)
    together = max(1, TRANSPOSED // g.channels_out)
    for line, lines, rows in _lines_under(g):
        for first_row in range(0, len(rows), together):
            row, count = rows[first_row], len(rows[first_row : first_row + together])
            y = (line + g.padding[0][0] - row * g.dilation[0]) // g.stride[0]
            for first, x_end, kx, kx_end in stretches:
                apart = -(-(kx_end - kx) // g.stride[1])  # places so far from each other hand to different pixels
                for x in range(first, min(first + apart, x_end)):
                    yield {
                        "a": sizes.in_result(y, x),
                        "b": sizes.in_kernel(row, kx),
                        "c": sizes.in_image(y, x, row, kx),
                        "lines": lines,
                        "pixels": -(-(x_end - x) // apart),
                        "a_line": sizes.result_line,
                        "a_pixel": apart * g.outputs,
                        "c_line": sizes.down,
                        "c_pixel": apart * sizes.right,
                        "columns": (kx_end - kx) * g.channels_in,
                        "blocks": count,
                        "a_block": -(rows.step * g.dilation[0] // g.stride[0]) * sizes.result_line,
                        "b_block": sizes.in_kernel(rows.step, 0),
                        "depth": g.channels_out,
                        "a_column": 1,
                        "add": 1,
                        "again": int(x > first),
                    }


def _lines_under(g: Geometry) -> Iterator[tuple[int, int, range]]:
    """Lines of the image that the same rows of the kernel hand to, from places of their own: the first line (the others
    follow a stride apart), how many there are, and the rows.
    """
    stride, dilation = g.stride[0], g.dilation[0]

    def lines_of(row: int) -> range:
        first, end = g.places(0, row)
        start = row * dilation - g.padding[0][0]
        return range(first * stride + start, end * stride + start, stride)

    handed = [lines_of(row) for row in range(g.kernel[0])]
    found: dict[tuple[int, ...], list[int]] = {}
    for line in range(g.image[0]):
        rows = tuple(row for row, lines in enumerate(handed) if line in lines)
        found.setdefault(rows, []).append(line)
    for rows, lines in found.items():
        if rows:
            yield lines[0], len(lines), range(rows[0], rows[-1] + 1, stride // gcd(stride, dilation))


def pool_boxes(g: Geometry, *, add: bool = False) -> np.ndarray:
    """The boxes of a pooling, and of a convolution in as many groups as channels; `add` to a gradient of weights that
    is there.
    """
    sizes = _Sizes(g)
    tiled = tuple(places * size for places, size in zip(g.result, g.kernel, strict=True)) == g.image[:2]
    covered = tiled and g.stride == g.kernel and g.padding == NO_PADDING and g.dilation == (1, 1)
    apart = all(
        stride >= size and spread == 1 for stride, size, spread in zip(g.stride, g.kernel, g.dilation, strict=True)
    )
    head = {
        "x_image": sizes.image,
        "y_image": sizes.result,
        "channels": g.image[2],
        "row_step": g.dilation[0] * sizes.image_line,
        "tap_step": g.dilation[1] * g.image[2],
        "kernel_row": g.kernel[1] * g.outputs,
        "overlapping": int(not apart),
        "clear": int(not covered),
        "kernel": 0 if add else g.kernel[0] * g.kernel[1] * g.outputs,
    }
    boxes = [
        {
            "x": sizes.in_image(y, x, ky, kx),
            "y": sizes.in_result(y, x),
            "w": (ky * g.kernel[1] + kx) * g.outputs,
            "lines": y_end - y,
            "pixels": x_end - x,
            "x_line": sizes.down,
            "x_pixel": sizes.right,
            "y_line": sizes.result_line,
            "y_pixel": g.outputs,
            "rows": ky_end - ky,
            "taps": kx_end - kx,
        }
        for y, y_end, ky, ky_end in g.segments(0)
        for x, x_end, kx, kx_end in g.segments(1)
    ]
    return _table(head, boxes, POOL_HEAD, POOL_BOX)


class _Sizes:
    """Elements from one place of an image, of the result and of the weights to another."""

    def __init__(self, g: Geometry) -> None:
        self.geometry = g
        height, width, channels = g.image
        self.image_line, self.image = width * channels, height * width * channels
        self.result_line, self.result = g.result[1] * g.outputs, g.result[0] * g.result[1] * g.outputs
        self.down, self.right = g.stride[0] * self.image_line, g.stride[1] * channels
        """From what the kernel sees to what it sees at the place below, and at the one beside."""

    def in_image(self, y: int, x: int, ky: int, kx: int) -> int:
        """The pixel under a tap at a place of the result."""
        g = self.geometry
        line = y * g.stride[0] - g.padding[0][0] + ky * g.dilation[0]
        return line * self.image_line + (x * g.stride[1] - g.padding[1][0] + kx * g.dilation[1]) * g.image[2]

    def in_result(self, y: int, x: int) -> int:
        """A place of the result."""
        return y * self.result_line + x * self.geometry.outputs

    def in_kernel(self, ky: int, kx: int) -> int:
        """The weights of a tap."""
        g = self.geometry
        return (ky * g.kernel[1] + kx) * g.channels_in * g.outputs


def _joins_taps(g: Geometry) -> bool:
    """Whether the taps of a row of the kernel lie one after another in the image."""
    return g.groups == 1 and (g.dilation[1] == 1 or g.kernel[1] == 1)


def _stretches(g: Geometry) -> Sequence[Segment]:
    """Places of a line and the taps that lie inside the image there: as many at once as lie side by side."""
    if _joins_taps(g):
        return [each for each in g.segments(1) if each[2] < each[3]]
    return _single_taps(g)


def _single_taps(g: Geometry) -> Sequence[Segment]:
    """Places of a line for each tap of a row of the kernel."""
    found = [(*g.places(1, kx), kx, kx + 1) for kx in range(g.kernel[1])]
    return [each for each in found if each[0] < each[1]]


def _table(
    head: Mapping[str, int],
    boxes: Iterator[Box] | Sequence[Box],
    head_fields: Sequence[str] = HEAD,
    fields: Sequence[str] = BOX,
) -> np.ndarray:
    lines = [[box.get(name, 0) for name in fields] for box in boxes]
    first = [len(lines), *[head.get(name, 0) for name in head_fields[1:]]]
    return np.array([first + [0] * (len(fields) - len(first)), *lines], np.int64)
