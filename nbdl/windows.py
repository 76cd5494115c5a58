"""From options to geometry: how users say where a window goes over an image, checked.

Functions of sequences hand in images of height 1; messages then show widths only.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

from nbdl.errors import OptionError, ShapeError
from nbdl.ir.shapes import Shape, show_shape
from nbdl.kernels.geometry import Geometry, Pair

Sizes = int | Sequence[int]
Padding = int | Sequence[int] | Sequence[Sequence[int]] | Literal["same", "valid"]
FlatPadding = int | Sequence[int] | Literal["same", "valid"]
Padded = tuple[Pair, Pair]


def pair(name: str, value: Sizes, least: int = 1) -> Pair:
    """An option for height and width: one number for both, or two.

    Raises `OptionError` if it is neither, or a number is below `least`.

    >>> pair("stride", 2)
    (2, 2)
    """
    numbers = (value, value) if _is_number(value) else tuple(value) if isinstance(value, list | tuple) else ()
    if len(numbers) != 2 or not all(_is_number(each) for each in numbers):
        raise OptionError(f"{name} is a whole number, or two for height and width, not {value!r}")
    if min(numbers) < least:
        raise OptionError(f"{name} must be at least {least}, not {value!r}")
    return int(numbers[0]), int(numbers[1])


def _is_number(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def resolve_padding(padding: Padding, size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Padded:
    """Padding as ((top, bottom), (left, right)) for images of a size.

    "same" gives ceil(size / stride) places: all that is missing for that, half of it before.

    Raises `OptionError` if it is nothing that padding can be.
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        missing = [
            max((-(-length // step) - 1) * step + (taps - 1) * spread + 1 - length, 0)
            for length, taps, step, spread in zip(size, kernel, stride, dilation, strict=True)
        ]
        return (missing[0] // 2, missing[0] - missing[0] // 2), (missing[1] // 2, missing[1] - missing[1] // 2)
    return explicit_padding(padding)


def explicit_padding(padding: Padding) -> Padded:
    """Padding in numbers: one for all sides, (height, width), or ((top, bottom), (left, right))."""
    if not isinstance(padding, str):
        try:
            if not _is_number(padding) and not all(_is_number(each) for each in padding):  # type: ignore[union-attr]
                top, left = padding  # type: ignore[misc]
                return pair("padding", top, 0), pair("padding", left, 0)
            height, width = pair("padding", padding, 0)  # type: ignore[arg-type]
            return (height, height), (width, width)
        except (TypeError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
    raise OptionError(
        f'padding is "valid", "same", a number, two for height and width, or ((top, bottom), (left, right)), '
        f"not {padding!r}"
    )


def flat_padding(padding: FlatPadding) -> Padding:
    """The padding of a sequence, as that of an image of height 1: a name, a number, or (before, behind)."""
    if isinstance(padding, str):
        return padding
    before, behind = pair("padding", padding, 0)
    return (0, 0), (before, behind)


def whole(name: str, shape: Shape) -> tuple[int, ...]:
    """Sizes that the batch doesn't change. Raises `ShapeError` if one depends on it."""
    sizes = tuple(size for size in shape if isinstance(size, int))
    if len(sizes) < len(shape):
        raise ShapeError(f"{name} takes the batch along the first axis only, not {show_shape(shape)} behind it")
    return sizes


def check_reach(name: str, geometry: Geometry) -> None:
    """Raise `ShapeError` if the window is larger than the padded image."""
    if min(geometry.result) >= 1:
        return
    flat = name.endswith("1d")
    reach, image, padded = (_shown(each, flat) for each in (geometry.reach, geometry.image[:2], geometry.padded))
    padding = f" padded to {padded}" if padded != image else ""
    dilation = f" (dilated by {_shown(geometry.dilation, flat)})" if geometry.dilation != (1, 1) else ""
    raise ShapeError(f"{name}: a window of {reach}{dilation} is larger than the input of {image}{padding}")


def _shown(sizes: Pair, flat: bool) -> str:
    return str(sizes[1]) if flat else f"{sizes[0]}x{sizes[1]}"


def transposed_geometry(
    name: str,
    size: tuple[int, int, int],
    weights: tuple[int, int, int, int],
    stride: Pair,
    padding: Padding,
    output_padding: Pair,
    dilation: Pair,
    groups: int,
) -> Geometry:
    """The convolution whose gradient a transposed convolution of images (height, width, channels) computes.

    Its images have the size of the result: height * stride with "same", else (height - 1) * stride + reach - padding +
    output_padding.

    Raises:
        OptionError: an output padding that doesn't mean one size of several.
        ShapeError: nothing is left of the result.
    """
    height, width, channels = size
    kernel, image_channels = weights[:2], weights[2] * groups
    plain = Geometry((1, 1, image_channels), kernel, channels, stride, dilation=dilation, groups=groups)
    if padding == "same":
        if output_padding != (0, 0):
            raise OptionError(f'{name}: with padding="same" the result is stride times as large; output_padding is 0')
        result = (height * stride[0], width * stride[1])
        padded = resolve_padding("same", result, kernel, stride, dilation)
    else:
        if any(extra >= step for extra, step in zip(output_padding, stride, strict=True)):
            raise OptionError(f"{name}: output_padding must be less than the stride {stride}, not {output_padding}")
        padded = resolve_padding(padding, (height, width), kernel, stride, dilation)
        result = (
            (height - 1) * stride[0] + plain.reach[0] - sum(padded[0]) + output_padding[0],
            (width - 1) * stride[1] + plain.reach[1] - sum(padded[1]) + output_padding[1],
        )
    if min(result) < 1:
        flat = name.endswith("1d")
        raise ShapeError(
            f"{name}: of an input of {_shown((height, width), flat)} under a kernel of {_shown(kernel, flat)} the "
            f"padding {padded[1] if flat else padded} leaves nothing"
        )
    return Geometry((*result, image_channels), kernel, channels, stride, padded, dilation, groups)
