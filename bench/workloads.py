"""The workloads of the comparison: networks, losses and batch sizes, described once for all peers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STRETCH = 64
"""Peers are asked for multiples of so many steps; all workloads have at least as many batches."""


@dataclass(frozen=True)
class Workload:
    """A network of dense layers, trained with Adam (learning rate 1e-3) in float32 on random mini-batches.

    `loss` is `mse` (targets: numbers) or `crossentropy` (targets: class numbers; the network ends in logits).
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    batch: int
    activation: str
    loss: str
    output_activation: str = "linear"
    rows: int = 8192

    @property
    def operations(self) -> int:
        """Additions and multiplications in the matrix products of a step: three products a layer, two for the first."""
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        return sum((4 if place == 0 else 6) * self.batch * a * b for place, (a, b) in enumerate(pairs))

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets, the same for every peer."""
        rng = np.random.default_rng(0)
        x = rng.random((self.rows, self.sizes[0]), dtype=np.float32)
        if self.loss == "crossentropy":
            return x, rng.integers(0, self.sizes[-1], self.rows)
        return x, x if self.sizes[0] == self.sizes[-1] else rng.random((self.rows, self.sizes[-1]), dtype=np.float32)

    def parameters(self) -> list[np.ndarray]:
        """Starting values: weight, bias, weight, bias, ..."""
        rng = np.random.default_rng(1)
        values = []
        for inputs, outputs in zip(self.sizes, self.sizes[1:], strict=False):
            limit = np.sqrt(6 / (inputs + outputs))
            values += [rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32), np.zeros(outputs, np.float32)]
        return values


WORKLOADS = {
    each.name: each
    for each in (
        Workload("W1", "linear regression 10-1", (10, 1), 32, "linear", "mse"),
        Workload("W2", "logistic regression 784-10", (784, 10), 32, "linear", "crossentropy"),
        Workload("W3", "MLP 784-64-64-10, ReLU", (784, 64, 64, 10), 32, "relu", "crossentropy"),
        Workload("W4", "MLP 4-32-32-2, tanh", (4, 32, 32, 2), 32, "tanh", "crossentropy"),
        Workload("W5", "MLP 784-512-512-10, ReLU", (784, 512, 512, 10), 128, "relu", "crossentropy"),
        Workload("W11", "autoencoder 784-128-32-128-784", (784, 128, 32, 128, 784), 64, "relu", "mse", "sigmoid"),
    )
}
