"""Keras: `fit` on the gathered rows, one pass, in the backend that KERAS_BACKEND names, or the first installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

BACKENDS = ("tensorflow", "jax", "torch")
if "KERAS_BACKEND" not in os.environ:  # Keras insists on TensorFlow, installed or not, unless it is told otherwise
    os.environ["KERAS_BACKEND"] = next((each for each in BACKENDS if find_spec(each)), BACKENDS[0])

import keras  # noqa: E402
import numpy as np  # noqa: E402

from nbdl.benchmarking import Trainer  # noqa: E402
from nbdl_benchmarks import layers as described  # noqa: E402
from nbdl_benchmarks.values import Arrays, starting_values  # noqa: E402
from nbdl_benchmarks.workloads import Workload  # noqa: E402

ACTIVATIONS: dict[str, Any] = {"leaky_relu": lambda x: keras.ops.leaky_relu(x, 0.2)}


def trainers(workload: Workload) -> dict[str, Trainer]:
    """One trainer, for the networks that `fit` trains."""
    if workload.generator:
        raise NotImplementedError("a training step of one's own is written for a backend, not for Keras")
    x, y = workload.data()
    net = _network(workload, x)
    loss = "mse" if workload.loss == "mse" else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-8), loss=loss)

    def run(order: np.ndarray) -> None:
        rows = order.reshape(-1)
        net.fit(x[rows], y[rows], batch_size=workload.batch, shuffle=False, verbose=0)

    return {f"keras ({keras.backend.backend()})": Trainer(run, lambda: float(net.evaluate(x, y, verbose=0)))}


def _network(workload: Workload, x: np.ndarray) -> Any:
    values = starting_values(workload.row, workload.layers)
    shapes = described.shapes(workload.row, workload.layers)
    given = result = keras.Input(x.shape[1:], dtype=str(x.dtype))
    made = []
    for layer, shape in zip(workload.layers, shapes, strict=False):
        built = list(_layers(layer, shape))
        for each in built:
            result = each(result)
        made.append(built)
    for layer, built, arrays in zip(workload.layers, made, values, strict=True):
        _fill(layer, built, arrays)
    return keras.Model(given, result)


def _layers(layer: described.Layer, shape: described.Shape) -> Iterator[Any]:
    if isinstance(layer, described.Dense):
        yield keras.layers.Dense(layer.units, ACTIVATIONS.get(layer.activation, layer.activation))
    elif isinstance(layer, described.Convolution):
        yield keras.layers.Conv2D(layer.filters, layer.size, activation=layer.activation)
    elif isinstance(layer, described.MaxPool):
        yield keras.layers.MaxPooling2D(layer.size)
    elif isinstance(layer, described.Flatten):
        yield keras.layers.Flatten()
    elif isinstance(layer, described.Recurrent):
        kinds = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
        yield kinds[layer.kind](layer.units)
    elif isinstance(layer, described.Embedding):
        yield _Tokens(layer.tokens, layer.width, shape[0])
    elif isinstance(layer, described.EncoderBlock):
        yield _Block(layer, shape[1])


def _fill(layer: described.Layer, built: list[Any], arrays: Arrays) -> None:
    if isinstance(layer, described.Recurrent) and layer.kind == "lstm":
        return built[0].set_weights(arrays)  # the gates have the same order
    if isinstance(layer, described.Recurrent) and layer.kind == "gru":
        return built[0].set_weights(_gru_weights(arrays, layer.units))
    if isinstance(layer, described.EncoderBlock):
        return built[0].fill(arrays)
    if arrays:
        built[0].set_weights(arrays)
    return None


def _gru_weights(arrays: Arrays, units: int) -> Arrays:
    """Keras has the gates in the order z, r, n, and two biases for each."""
    order = np.r_[units : 2 * units, :units, 2 * units : 3 * units]
    return [arrays[0][:, order], arrays[1][:, order], np.stack([arrays[2][order], arrays[3][order]])]


class _Tokens(keras.layers.Layer):
    """Tokens and positions as vectors."""

    def __init__(self, tokens: int, width: int, time: int):
        super().__init__()
        self.table = self.add_weight(shape=(tokens, width))
        self.positions = self.add_weight(shape=(time, width))

    def call(self, x: Any) -> Any:
        return keras.ops.take(self.table, x, axis=0) + self.positions


class _Block(keras.layers.Layer):
    """Self-attention and a feed-forward network."""

    def __init__(self, layer: described.EncoderBlock, width: int):
        super().__init__()
        self.width, self.heads = width, layer.heads
        self.norm_1 = keras.layers.LayerNormalization(epsilon=1e-5)
        self.norm_2 = keras.layers.LayerNormalization(epsilon=1e-5)
        self.attention = keras.layers.MultiHeadAttention(layer.heads, width // layer.heads)
        self.inner = keras.layers.Dense(layer.feed_forward, "relu")
        self.outer = keras.layers.Dense(width)

    def call(self, x: Any) -> Any:
        y = self.norm_1(x)
        x = x + self.attention(y, y)
        return x + self.outer(self.inner(self.norm_2(x)))

    def fill(self, arrays: Arrays) -> None:
        """Set the starting values."""
        scale_1, offset_1, *attention, scale_2, offset_2, w1, b1, w2, b2 = arrays
        self.norm_1.set_weights([scale_1, offset_1])
        self.norm_2.set_weights([scale_2, offset_2])
        per_head = (self.heads, self.width // self.heads)
        shapes = [(self.width, *per_head), per_head] * 3 + [(*per_head, self.width), (self.width,)]
        self.attention.set_weights([each.reshape(shape) for each, shape in zip(attention, shapes, strict=True)])
        self.inner.set_weights([w1, b1])
        self.outer.set_weights([w2, b2])
