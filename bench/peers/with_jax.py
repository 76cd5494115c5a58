"""JAX: a whole epoch in one compiled call (`lax.scan`), Adam written out, rows gathered by index."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from workloads import STRETCH, Workload

from peers import Trainer

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "linear": lambda x: x}


def prepare(workload: Workload) -> dict[str, Trainer]:
    """One trainer."""
    inner, last = ACTIVATIONS[workload.activation], ACTIVATIONS[workload.output_activation]

    def loss_of(parameters: list[Any], x: Any, y: Any) -> Any:
        for place in range(0, len(parameters), 2):
            x = x @ parameters[place] + parameters[place + 1]
            x = last(x) if place == len(parameters) - 2 else inner(x)
        if workload.loss == "mse":
            return jnp.mean((x - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))

    x, y = (jnp.asarray(array) for array in workload.data())

    def step(state: Any, rows: Any) -> Any:
        parameters, first, second, count = state
        gradients = jax.grad(loss_of)(parameters, x[rows], y[rows])
        count = count + 1
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        parameters = [
            p - 1e-3 * (m / (1 - 0.9**count)) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8)
            for p, m, v in zip(parameters, first, second, strict=True)
        ]
        return (parameters, first, second, count), None

    @jax.jit
    def steps_of(state: Any, order: Any) -> Any:
        return jax.lax.scan(step, state, order)[0]

    start = [jnp.asarray(value) for value in workload.parameters()]
    state = [(start, [jnp.zeros_like(p) for p in start], [jnp.zeros_like(p) for p in start], jnp.float32(0))]
    rng = np.random.default_rng(2)

    def run(steps: int) -> None:
        if steps % STRETCH:
            raise ValueError(f"steps must be a multiple of {STRETCH}: another length would be another compilation")
        for _ in range(steps // STRETCH):
            order = rng.permutation(workload.rows)[: STRETCH * workload.batch].reshape(STRETCH, workload.batch)
            state[0] = steps_of(state[0], jnp.asarray(order))
        jax.block_until_ready(state[0])

    return {"jax scan": Trainer(run, lambda: float(loss_of(state[0][0], x, y)))}
