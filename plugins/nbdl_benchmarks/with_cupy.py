"""CuPy on an NVIDIA card: a training step written out with NumPy's functions, for networks of dense layers; products
are cuBLAS's. Data lie on the card, rows are gathered there by index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl.benchmarking import Trainer
from nbdl_benchmarks.layers import Dense
from nbdl_benchmarks.values import starting_values
from nbdl_benchmarks.workloads import Workload


def trainers(workload: Workload) -> dict[str, Trainer]:
    """One trainer. Raises `NotImplementedError` where CuPy finds no card, or layers aren't dense."""
    import cupy

    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise NotImplementedError(f"CuPy finds no card: {error}") from error
    return {"cupy": trainer(workload, cupy, lambda: cupy.cuda.get_current_stream().synchronize())}


def trainer(workload: Workload, numpy: Any, wait: Callable[[], None]) -> Trainer:
    """The loop with the functions of `numpy`, which may be NumPy itself; `wait` lets the card come to an end."""
    if workload.generator or not all(isinstance(each, Dense) for each in workload.layers):
        raise NotImplementedError("with CuPy, steps of dense layers are written out, and nothing else")
    network = _Network(workload, numpy)
    x, y = (numpy.asarray(np.ascontiguousarray(array)) for array in workload.data())

    def run(order: np.ndarray) -> None:
        for rows in numpy.asarray(order):
            picked = x[rows]
            network.step(picked, picked if workload.repeats else y[rows])
        wait()

    return Trainer(run, lambda: float(network.loss(x, y)))


class _Network:
    """Dense layers with one vector of parameters, and Adam."""

    def __init__(self, workload: Workload, numpy: Any):
        self.np, self.loss_name = numpy, workload.loss
        self.activations = [each.activation for each in workload.layers if isinstance(each, Dense)]
        arrays = [array for layer in starting_values(workload.row, workload.layers) for array in layer]
        self.vector = numpy.asarray(np.concatenate([array.ravel() for array in arrays]))
        self.gradient, self.first, self.second = (numpy.zeros_like(self.vector) for _ in range(3))
        self.steps = 0
        ends = np.cumsum([array.size for array in arrays])
        places = [(end - array.size, end, array.shape) for end, array in zip(ends.tolist(), arrays, strict=True)]
        self.parameters, self.gradients = (
            [whole[begin:end].reshape(shape) for begin, end, shape in places] for whole in (self.vector, self.gradient)
        )

    def forward(self, x: Any) -> list[Any]:
        """What goes into each layer, and what comes out of the last."""
        values = [x]
        for place, activation in enumerate(self.activations):
            z = values[-1] @ self.parameters[2 * place] + self.parameters[2 * place + 1]
            values.append(self._activated(activation, z))
        return values

    def step(self, x: Any, y: Any) -> None:
        """A step of Adam."""
        values = self.forward(x)
        g = self._loss_gradient(values[-1], y)
        for place in reversed(range(len(self.activations))):
            g = self._behind(self.activations[place], values[place + 1], g)
            self.np.matmul(values[place].T, g, out=self.gradients[2 * place])
            g.sum(0, out=self.gradients[2 * place + 1])
            if place:
                g = g @ self.parameters[2 * place].T
        self.steps += 1
        self.first += 0.1 * (self.gradient - self.first)
        self.second += 0.001 * (self.gradient * self.gradient - self.second)
        rate = 1e-3 / (1 - 0.9**self.steps)
        self.vector -= rate * self.first / (self.np.sqrt(self.second / (1 - 0.999**self.steps)) + 1e-8)

    def loss(self, x: Any, y: Any) -> Any:
        """The loss on some rows."""
        output = self.forward(x)[-1]
        if self.loss_name == "mse":
            return ((output - y) ** 2).mean()
        return -self.np.log(self._probabilities(output)[self.np.arange(len(y)), y]).mean()

    def _loss_gradient(self, output: Any, y: Any) -> Any:
        if self.loss_name == "mse":
            return (output - y) * np.float32(2 / output.size)
        g = self._probabilities(output)
        g[self.np.arange(len(y)), y] -= 1
        return g * np.float32(1 / len(y))

    def _probabilities(self, logits: Any) -> Any:
        exponentials = self.np.exp(logits - logits.max(1, keepdims=True))
        return exponentials / exponentials.sum(1, keepdims=True)

    def _activated(self, name: str, z: Any) -> Any:
        if name == "relu":
            return self.np.maximum(z, 0)
        if name == "tanh":
            return self.np.tanh(z)
        return 1 / (1 + self.np.exp(-z)) if name == "sigmoid" else z

    @staticmethod
    def _behind(name: str, value: Any, g: Any) -> Any:
        """The gradient before an activation, given its value."""
        if name == "relu":
            return g * (value > 0)
        if name == "tanh":
            return g * (1 - value * value)
        return g * value * (1 - value) if name == "sigmoid" else g
