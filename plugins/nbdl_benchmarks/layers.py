"""Networks as descriptions that every framework can build: layers, the shapes that they give, and their arithmetic.

Shapes are those of one row. Operations are the additions and multiplications in products and convolutions, of one row
on the way forward; a training step does about three times as many, two on the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Dense:
    """Fully connected, on the last axis."""

    units: int
    activation: str = "linear"

    def output(self, shape: Shape) -> Shape:
        """The shape of a row that comes out."""
        return (*shape[:-1], self.units)

    def operations(self, shape: Shape) -> int:
        """Of one row on the way forward."""
        return 2 * prod(shape) * self.units

    def parameters(self, shape: Shape) -> int:
        """How many numbers are trained."""
        return (shape[-1] + 1) * self.units


@dataclass(frozen=True)
class Convolution:
    """Convolution of images (height, width, channels), without padding."""

    filters: int
    size: int = 3
    activation: str = "linear"

    def output(self, shape: Shape) -> Shape:
        """The shape of a row that comes out."""
        return shape[0] - self.size + 1, shape[1] - self.size + 1, self.filters

    def operations(self, shape: Shape) -> int:
        """Of one row on the way forward."""
        return 2 * prod(self.output(shape)) * self.size * self.size * shape[2]

    def parameters(self, shape: Shape) -> int:
        """How many numbers are trained."""
        return (self.size * self.size * shape[2] + 1) * self.filters


class _Free:
    """A layer without parameters that multiplies and adds nothing; comparisons aren't counted."""

    def operations(self, shape: Shape) -> int:
        """None."""
        return 0

    def parameters(self, shape: Shape) -> int:
        """None."""
        return 0


@dataclass(frozen=True)
class MaxPool(_Free):
    """The largest of each square of `size` by `size`."""

    size: int = 2

    def output(self, shape: Shape) -> Shape:
        """The shape of a row that comes out."""
        return shape[0] // self.size, shape[1] // self.size, shape[2]


@dataclass(frozen=True)
class Flatten(_Free):
    """All axes become one."""

    def output(self, shape: Shape) -> Shape:
        """The shape of a row that comes out."""
        return (prod(shape),)


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer over (time, features) that gives its last state; `kind` is `rnn`, `lstm` or `gru`."""

    kind: str
    units: int

    @property
    def gates(self) -> int:
        """Vectors of `units` numbers that a step works out."""
        return {"rnn": 1, "lstm": 4, "gru": 3}[self.kind]

    def output(self, shape: Shape) -> Shape:
        """The shape of a row that comes out."""
        return (self.units,)

    def operations(self, shape: Shape) -> int:
        """Of one row on the way forward."""
        return 2 * shape[0] * (shape[1] + self.units) * self.gates * self.units

    def parameters(self, shape: Shape) -> int:
        """How many numbers are trained."""
        extra = self.gates * self.units if self.kind == "gru" else 0
        return (shape[1] + self.units + 1) * self.gates * self.units + extra


@dataclass(frozen=True)
class Embedding:
    """Vectors for tokens, plus learned vectors for positions."""

    tokens: int
    width: int

    def output(self, shape: Shape) -> Shape:
        """The shape of a row that comes out."""
        return (*shape, self.width)

    def operations(self, shape: Shape) -> int:
        """Looking up isn't counted."""
        return 0

    def parameters(self, shape: Shape) -> int:
        """How many numbers are trained."""
        return (self.tokens + shape[0]) * self.width


@dataclass(frozen=True)
class EncoderBlock:
    """Self-attention and a feed-forward network with ReLU, each behind a normalisation and beside a shortcut."""

    heads: int
    feed_forward: int

    def output(self, shape: Shape) -> Shape:
        """The shape of a row that comes out."""
        return shape

    def operations(self, shape: Shape) -> int:
        """Of one row on the way forward."""
        time, width = shape
        return 2 * time * width * (4 * width + 2 * self.feed_forward) + 4 * time * time * width

    def parameters(self, shape: Shape) -> int:
        """How many numbers are trained."""
        width = shape[1]
        return 4 * (width + 1) * width + (width + 1) * self.feed_forward + (self.feed_forward + 1) * width + 4 * width


Layer = Dense | Convolution | MaxPool | Flatten | Recurrent | Embedding | EncoderBlock


def shapes(row: Shape, layers: tuple[Layer, ...]) -> list[Shape]:
    """The shape of a row before each layer, and after the last one."""
    found = [row]
    for layer in layers:
        found.append(layer.output(found[-1]))
    return found


def step_operations(row: Shape, layers: tuple[Layer, ...]) -> int:
    """Of a training step, for one row: three products for each, two for the first that has any."""
    counts = [layer.operations(shape) for layer, shape in zip(layers, shapes(row, layers), strict=False)]
    first = next((count for count in counts if count), 0)
    has_table = isinstance(layers[0], Embedding)  # the gradient of the first product's input is needed then
    return 3 * sum(counts) - (0 if has_table else first)


def parameter_count(row: Shape, layers: tuple[Layer, ...]) -> int:
    """How many numbers are trained."""
    return sum(layer.parameters(shape) for layer, shape in zip(layers, shapes(row, layers), strict=False))
