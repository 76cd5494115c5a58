"""Starting values of a described network, the same for every framework.

The order of a layer's arrays: weight, bias; of a recurrent layer weight, recurrent weight, bias (gates in the order i,
f, g, o or r, z, n; a GRU has the bias of the recurrent product behind them); of an embedding table, positions; of a
block scale, offset, then weight and bias of query, key, value and output, scale, offset, then weight and bias of both
layers of the feed-forward network.
"""

from __future__ import annotations

import numpy as np

from nbdl_benchmarks.layers import Convolution, Dense, Embedding, EncoderBlock, Layer, Recurrent, Shape, shapes

Arrays = list[np.ndarray]


def starting_values(row: Shape, layers: tuple[Layer, ...]) -> list[Arrays]:
    """The arrays of each layer."""
    rng = np.random.default_rng(1)
    return [_values(layer, shape, rng) for layer, shape in zip(layers, shapes(row, layers), strict=False)]


def _values(layer: Layer, shape: Shape, rng: np.random.Generator) -> Arrays:
    if isinstance(layer, Dense):
        return [_uniform(rng, shape[-1], layer.units), _zeros(layer.units)]
    if isinstance(layer, Convolution):
        area = layer.size * layer.size
        flat = _uniform(rng, area * shape[2], layer.filters)
        return [flat.reshape(layer.size, layer.size, shape[2], layer.filters), _zeros(layer.filters)]
    if isinstance(layer, Recurrent):
        width = layer.gates * layer.units
        extra = [_zeros(width)] if layer.kind == "gru" else []
        return [_uniform(rng, shape[1], width), _uniform(rng, layer.units, width), _zeros(width), *extra]
    if isinstance(layer, Embedding):
        return [_normal(rng, layer.tokens, layer.width), _normal(rng, shape[0], layer.width)]
    if isinstance(layer, EncoderBlock):
        width = shape[1]
        attention = [each for _ in range(4) for each in (_uniform(rng, width, width), _zeros(width))]
        inner = [_uniform(rng, width, layer.feed_forward), _zeros(layer.feed_forward)]
        outer = [_uniform(rng, layer.feed_forward, width), _zeros(width)]
        return [_ones(width), _zeros(width), *attention, _ones(width), _zeros(width), *inner, *outer]
    return []


def _uniform(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    limit = np.sqrt(6 / (inputs + outputs))
    return rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (0.02 * rng.standard_normal(shape)).astype(np.float32)


def _zeros(size: int) -> np.ndarray:
    return np.zeros(size, np.float32)


def _ones(size: int) -> np.ndarray:
    return np.ones(size, np.float32)
