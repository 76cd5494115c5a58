"""What models of pictures share: rows of any shape as vectors, and vectors as rows of that shape again."""

from __future__ import annotations

import numpy as np

from nbdl import nn
from nbdl.errors import OptionError, ShapeError
from nbdl.ir.shapes import Batch, Shape, has_batch, show_shape
from nbdl.nn.inputs import only
from nbdl.tensor import Tensor


class ToShape(nn.Module):
    """Vectors `(n, a * b * ...)` as rows `(n, a, b, ...)`."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x with the axes of a row."""
        x = only(inputs)
        return x.reshape(x.shape[0], *self.shape)


def row_shape(shape: Shape, model: str) -> tuple[int, ...]:
    """The sizes of a row, given the shape of a batch. Raises `ShapeError` for a single row, without a batch axis."""
    sizes = tuple(size for size in shape[1:] if isinstance(size, int))
    if len(shape) < 2 or has_batch(shape[1:]):
        raise ShapeError(
            f"{model} takes rows (n, ...), not {show_shape(shape)}; put a batch axis in front of a single row"
        )
    return sizes


def halved(shape: tuple[int, ...], times: int, model: str) -> tuple[int, int, int]:
    """Height, width and channels of an image whose sides are halved so often; without channels it has one.

    Raises `ShapeError` unless it is an image whose sides can be halved so often.
    """
    height, width, channels = (*shape, 1)[:3] if len(shape) in (2, 3) else (0, 0, 0)
    whole = 2**times
    if not channels or height % whole or width % whole:
        raise ShapeError(
            f"{model} takes images (n, height, width) or (n, height, width, channels) whose sides can be halved "
            f"{times} times, multiples of {whole}, not {show_shape((Batch(), *shape))}"
        )
    return height // whole, width // whole, channels


def as_floats(x: Tensor) -> Tensor:
    """x as floating-point numbers, whatever the pixels are stored as."""
    return x if x.dtype.kind == "f" else x.astype("float32")


def build_once(net: nn.Module, x: Tensor) -> None:
    """Build a network whose own step calls its parts, and not the network itself."""
    if not net._built:
        net.build_for([(x.shape, x.dtype)])


def built_part(net: nn.Module, name: str) -> nn.Module:
    """A part of a network that is made for the first rows that it sees. Raises `OptionError` before that."""
    if not net._built:
        raise OptionError(f"the {name} isn't there yet: it is made for the rows that the network sees first")
    part: nn.Module = getattr(net, name)
    return part


def random_codes(count: int, size: int, seed: int) -> np.ndarray:
    """Codes `(count, size)` from a normal distribution. Raises `OptionError` unless at least one is asked for."""
    if count < 1:
        raise OptionError(f"at least one row can be generated, not {count}")
    return np.random.default_rng(seed).standard_normal((count, size), np.float32)
