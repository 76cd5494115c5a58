"""The twelve workloads of the comparison, and neighbours of odd sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nbdl_benchmarks.layers import (
    Convolution,
    Dense,
    Embedding,
    EncoderBlock,
    Flatten,
    Layer,
    MaxPool,
    Recurrent,
    Shape,
    parameter_count,
    shapes,
    step_operations,
)

ADAM_BYTES = 28  # a parameter: itself, two moments and the gradient are read, the first three are written


@dataclass(frozen=True)
class Workload:
    """A network trained with Adam (learning rate 1e-3) in float32, on rows gathered from data in memory.

    `grows` says what else than the batch can be made larger: `width`, `depth`, `length`.
    `loss` is `mse` (targets: numbers) or `crossentropy` (targets: class numbers, for each row or each position; the
    network ends in logits). `generator` makes it a generative adversarial network: `layers` are those of the
    discriminator, and both networks take a step of Adam each.
    """

    name: str
    title: str
    row: Shape
    layers: tuple[Layer, ...]
    batch: int
    loss: str
    rows: int = 4096
    generator: tuple[Layer, ...] = ()
    grows: tuple[str, ...] = ()

    @property
    def output(self) -> Shape:
        """The shape of what comes out for a row."""
        return shapes(self.row, self.layers)[-1]

    @property
    def operations(self) -> int:
        """Additions and multiplications of a training step."""
        if self.generator:
            discriminator = sum(each.operations(shape) for each, shape in self._with_shapes(self.row, self.layers))
            generator = sum(each.operations(shape) for each, shape in self._with_shapes(self.noise, self.generator))
            # the discriminator learns from real and made rows; the generator learns through the discriminator
            return self.batch * (2 * 3 * discriminator + 2 * discriminator + 3 * generator)
        return self.batch * step_operations(self.row, self.layers)

    @property
    def bytes(self) -> int:
        """Bytes that a training step must at least move: the optimizer's vectors, and the rows."""
        return ADAM_BYTES * self.parameters + 4 * self.batch * int(np.prod(self.row))

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return parameter_count(self.row, self.layers) + parameter_count(self.noise, self.generator)

    @property
    def noise(self) -> Shape:
        """The shape of what a generator starts from."""
        return (64,)

    @staticmethod
    def _with_shapes(row: Shape, layers: tuple[Layer, ...]) -> list[tuple[Layer, Shape]]:
        return list(zip(layers, shapes(row, layers), strict=False))

    @property
    def predicting(self) -> tuple[Shape, tuple[Layer, ...]]:
        """The shape of a row and the layers of what predicts: of a generative adversarial network the generator."""
        return (self.noise, self.generator) if self.generator else (self.row, self.layers)

    @property
    def repeats(self) -> bool:
        """Whether the targets are the inputs: a batch of them is gathered once."""
        return self.loss == "mse" and self.output == self.row

    def inputs(self, rows: int) -> np.ndarray:
        """So many rows for the network that predicts."""
        data = self.data()[1 if self.generator else 0]
        return np.ascontiguousarray(data[np.arange(rows) % len(data)])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets (of a generative adversarial network: rows and noise), the same for every peer."""
        rng = np.random.default_rng(0)
        first = self.layers[0]
        if isinstance(first, Embedding):
            tokens = rng.integers(0, first.tokens, (self.rows, self.row[0] + 1))
            return tokens[:, :-1], tokens[:, 1:]
        x = rng.random((self.rows, *self.row), dtype=np.float32)
        if self.generator:
            return x, rng.standard_normal((self.rows, *self.noise), dtype=np.float32)
        if self.loss == "crossentropy":
            return x, rng.integers(0, self.output[-1], self.rows)
        return x, x if self.repeats else rng.random((self.rows, *self.output), dtype=np.float32)


def _mlp(*units: int, activation: str = "relu", last: str = "linear") -> tuple[Layer, ...]:
    return (*[Dense(each, activation) for each in units[:-1]], Dense(units[-1], last))


def _cnn(size: int, filters: int) -> tuple[Layer, ...]:
    convolutions = (Convolution(filters, size, "relu"), MaxPool(), Convolution(2 * filters, size, "relu"), MaxPool())
    return (*convolutions, Flatten(), Dense(64, "relu"), Dense(10))


def _recurrent(kind: str, units: int = 50) -> tuple[Layer, ...]:
    return Recurrent(kind, units), Dense(1)


def _encoder(tokens: int, width: int, heads: int, feed_forward: int, blocks: int) -> tuple[Layer, ...]:
    return Embedding(tokens, width), *[EncoderBlock(heads, feed_forward)] * blocks, Dense(tokens)


def grown(workload: Workload, axis: str, factor: int) -> Workload:
    """The workload with a batch, layers, a number of layers or sequences so many times as large."""
    name = f"{workload.name}, {axis} × {factor}"
    if axis == "batch":
        return replace(workload, name=name, batch=factor * workload.batch)
    if axis == "length":
        return replace(workload, name=name, row=(factor * workload.row[0], *workload.row[1:]))
    change = _wider if axis == "width" else _repeated
    *inner, last = workload.layers
    return replace(workload, name=name, layers=(*[new for each in inner for new in change(each, factor)], last))


def with_batch(workload: Workload, batch: int) -> Workload:
    """The workload with so many rows in a step."""
    return replace(workload, name=f"{workload.name}, batch {batch}", batch=batch)


def _wider(layer: Layer, factor: int) -> list[Layer]:
    for size in ("units", "filters", "feed_forward", "width"):
        if hasattr(layer, size):
            return [replace(layer, **{size: factor * getattr(layer, size)})]
    return [layer]


def _repeated(layer: Layer, factor: int) -> list[Layer]:
    return [layer] * (factor if isinstance(layer, Dense | EncoderBlock) else 1)


WORKLOADS = (
    Workload("w1", "linear regression 10-1", (10,), _mlp(1), 32, "mse"),
    Workload("w2", "logistic regression 784-10", (784,), _mlp(10), 32, "crossentropy"),
    Workload("w3", "MLP 784-64-64-10, ReLU", (784,), _mlp(64, 64, 10), 32, "crossentropy", grows=("width", "depth")),
    Workload("w4", "MLP 4-32-32-2, tanh", (4,), _mlp(32, 32, 2, activation="tanh"), 32, "crossentropy"),
    Workload("w5", "MLP 784-512-512-10, ReLU", (784,), _mlp(512, 512, 10), 128, "crossentropy"),
    Workload(
        "w6", "CNN 28x28, 32 and 64 filters", (28, 28, 1), _cnn(3, 32), 32, "crossentropy", rows=2048, grows=("width",)
    ),
    Workload("w7", "RNN, 50 steps, 10-50-1", (50, 10), _recurrent("rnn"), 32, "mse"),
    Workload("w8", "LSTM, 50 steps, 10-50-1", (50, 10), _recurrent("lstm"), 32, "mse", grows=("width", "length")),
    Workload("w9", "GRU, 50 steps, 10-50-1", (50, 10), _recurrent("gru"), 32, "mse"),
    Workload(
        "w10",
        "transformer encoder, 2 blocks",
        (64,),
        _encoder(65, 64, 4, 256, 2),
        16,
        "crossentropy",
        rows=2048,
        grows=("width", "depth", "length"),
    ),
    Workload(
        "w11", "autoencoder 784-128-32-128-784", (784,), _mlp(128, 32, 128, 784, last="sigmoid"), 64, "mse", rows=8192
    ),
    Workload(
        "w12",
        "GAN, 64-128-784 against 784-128-1",
        (784,),
        _mlp(128, 1, activation="leaky_relu"),
        64,
        "gan",
        generator=_mlp(128, 784, last="tanh"),
    ),
)

NEIGHBOURS = (
    Workload("w3odd", "MLP 784-61-257-10", (784,), _mlp(61, 257, 10), 33, "crossentropy"),
    Workload("w6odd", "CNN 27x27x3, 5x5, 31 and 62 filters", (27, 27, 3), _cnn(5, 31), 33, "crossentropy", rows=2048),
    Workload("w8odd", "LSTM, 37 steps, 11-61-1", (37, 11), _recurrent("lstm", 61), 33, "mse"),
)
"""The same kinds with sizes that fit no vector: nothing is tuned to the workloads' own sizes."""


def named(name: str) -> Workload:
    """The workload of this name."""
    return next(each for each in (*WORKLOADS, *NEIGHBOURS) if each.name == name)
