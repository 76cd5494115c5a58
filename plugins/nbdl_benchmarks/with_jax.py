"""JAX: a stretch of steps in one compiled call (`lax.scan`), or one call a step; Adam written out, rows gathered by
index.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nbdl.benchmarking import STRETCH, Trainer
from nbdl_benchmarks import layers as described
from nbdl_benchmarks.values import starting_values
from nbdl_benchmarks.workloads import Workload

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "linear": lambda x: x,
}


def trainers(workload: Workload) -> dict[str, Trainer]:
    """A trainer that scans over steps, and one that calls each step."""
    step, start, loss = (_adversaries if workload.generator else _single)(workload)

    @jax.jit
    def stretch(state: Any, order: Any) -> Any:
        return jax.lax.scan(lambda state, rows: (step(state, rows), None), state, order)[0]

    single = jax.jit(step)
    scanned, called = [start], [start]

    def run_scanned(order: np.ndarray) -> None:
        for begin in range(0, len(order), STRETCH):
            scanned[0] = stretch(scanned[0], jnp.asarray(order[begin : begin + STRETCH]))
        jax.block_until_ready(scanned[0])

    def run_called(order: np.ndarray) -> None:
        for rows in order:
            called[0] = single(called[0], rows)
        jax.block_until_ready(called[0])

    return {
        "jax scan": Trainer(run_scanned, lambda: float(loss(scanned[0]))),
        "jax step": Trainer(run_called, lambda: float(loss(called[0]))),
    }


def _adam(parameters: Any, gradients: Any, state: Any) -> Any:
    """One step of Adam on a tree of arrays; the state is (first moments, second moments, count)."""
    first, second, count = state
    count = count + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    # 1 - 0.9**count and 1 - 0.999**count: in float32 the powers would leave few digits of the differences
    of_first, of_second = -jnp.expm1(count * math.log(0.9)), -jnp.expm1(count * math.log(0.999))
    new = jax.tree.map(
        lambda p, m, v: p - 1e-3 * (m / of_first) / (jnp.sqrt(v / of_second) + 1e-8),
        parameters,
        first,
        second,
    )
    return new, (first, second, count)


def _fresh(parameters: Any) -> Any:
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return zeros, zeros, jnp.float32(0)


def _start(row: described.Shape, layers: tuple[described.Layer, ...]) -> Any:
    return [[jnp.asarray(array) for array in arrays] for arrays in starting_values(row, layers)]


def _single(workload: Workload) -> tuple[Callable[..., Any], Any, Callable[[Any], Any]]:
    x, y = (jnp.asarray(array) for array in workload.data())

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        output = _forward(workload.layers, parameters, x)
        if workload.loss == "mse":
            return jnp.mean((output - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(output), y[..., None], -1))

    def step(state: Any, rows: Any) -> Any:
        parameters, adam = state
        picked = x[rows]
        gradients = jax.grad(loss_of)(parameters, picked, picked if workload.repeats else y[rows])
        return _adam(parameters, gradients, adam)

    start = _start(workload.row, workload.layers)
    return step, (start, _fresh(start)), lambda state: loss_of(state[0], x, y)


def _adversaries(workload: Workload) -> tuple[Callable[..., Any], Any, Callable[[Any], Any]]:
    x, noise = (jnp.asarray(array) for array in workload.data())

    def surprise(discriminator: Any, rows: Any, target: float) -> Any:
        logits = _forward(workload.layers, discriminator, rows)
        return jnp.mean(jnp.maximum(logits, 0) - logits * target + jnp.log1p(jnp.exp(-jnp.abs(logits))))

    def judged(discriminator: Any, real: Any, made: Any) -> Any:
        return surprise(discriminator, real, 1.0) + surprise(discriminator, made, 0.0)

    def make(generator: Any, noise: Any) -> Any:
        return _forward(workload.generator, generator, noise)

    def step(state: Any, rows: Any) -> Any:
        discriminator, generator, judging, making = state
        gradients = jax.grad(judged)(discriminator, x[rows], make(generator, noise[rows]))
        discriminator, judging = _adam(discriminator, gradients, judging)
        gradients = jax.grad(lambda g: surprise(discriminator, make(g, noise[rows]), 1.0))(generator)
        generator, making = _adam(generator, gradients, making)
        return discriminator, generator, judging, making

    networks = _start(workload.row, workload.layers), _start(workload.noise, workload.generator)
    start = (*networks, *map(_fresh, networks))
    return step, start, lambda state: judged(state[0], x, make(state[1], noise))


# --- networks ---------------------------------------------------------------------------------------------------------


def _forward(layers: tuple[described.Layer, ...], parameters: Any, x: Any) -> Any:
    for layer, arrays in zip(layers, parameters, strict=True):
        x = _layer(layer, arrays, x)
    return x


def _layer(layer: described.Layer, arrays: Any, x: Any) -> Any:
    if isinstance(layer, described.Dense):
        return ACTIVATIONS[layer.activation](x @ arrays[0] + arrays[1])
    if isinstance(layer, described.Convolution):
        y = jax.lax.conv_general_dilated(x, arrays[0], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return ACTIVATIONS[layer.activation](y + arrays[1])
    if isinstance(layer, described.MaxPool):
        size = (1, layer.size, layer.size, 1)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, size, size, "VALID")
    if isinstance(layer, described.Recurrent):
        return _recurrent(layer, arrays, x)
    if isinstance(layer, described.Embedding):
        return arrays[0][x] + arrays[1]
    if isinstance(layer, described.EncoderBlock):
        return _block(layer, arrays, x)
    return x.reshape(len(x), -1)


def _recurrent(layer: described.Recurrent, arrays: Any, x: Any) -> Any:
    zeros = jnp.zeros((len(x), layer.units), x.dtype)
    inputs = jnp.swapaxes(x, 0, 1) @ arrays[0] + arrays[2]

    def simple(h: Any, x: Any) -> Any:
        return jnp.tanh(x + h @ arrays[1]), None

    def lstm(state: Any, x: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(x + h @ arrays[1], 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    def gru(h: Any, x: Any) -> Any:
        (xr, xz, xn), (hr, hz, hn) = jnp.split(x, 3, axis=1), jnp.split(h @ arrays[1] + arrays[3], 3, axis=1)
        update = jax.nn.sigmoid(xz + hz)
        candidate = jnp.tanh(xn + jax.nn.sigmoid(xr + hr) * hn)
        return candidate + update * (h - candidate), None

    if layer.kind == "lstm":
        return jax.lax.scan(lstm, (zeros, zeros), inputs)[0][0]
    return jax.lax.scan(simple if layer.kind == "rnn" else gru, zeros, inputs)[0]


def _block(layer: described.EncoderBlock, arrays: Any, x: Any) -> Any:
    scale_1, offset_1, wq, bq, wk, bk, wv, bv, wo, bo, scale_2, offset_2, w1, b1, w2, b2 = arrays
    rows, time, width = x.shape

    def heads(x: Any) -> Any:
        return x.reshape(rows, time, layer.heads, -1).transpose(0, 2, 1, 3)

    y = _normalized(x, scale_1, offset_1)
    query, key, value = heads(y @ wq + bq), heads(y @ wk + bk), heads(y @ wv + bv)
    weights = jax.nn.softmax(query @ key.transpose(0, 1, 3, 2) / jnp.sqrt(width / layer.heads))
    x = x + (weights @ value).transpose(0, 2, 1, 3).reshape(rows, time, width) @ wo + bo
    y = _normalized(x, scale_2, offset_2)
    return x + jax.nn.relu(y @ w1 + b1) @ w2 + b2


def _normalized(x: Any, scale: Any, offset: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5) * scale + offset
