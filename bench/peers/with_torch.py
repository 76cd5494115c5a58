"""PyTorch eager, with one and two threads: the loop of its tutorials, rows gathered by index."""

from __future__ import annotations

import torch
from torch import nn
from workloads import Workload

from peers import Trainer

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def network(workload: Workload) -> nn.Module:
    """The workload's network with its starting values."""
    layers: list[nn.Module] = []
    pairs = list(zip(workload.sizes, workload.sizes[1:], strict=False))
    for place, (inputs, outputs) in enumerate(pairs):
        layers.append(nn.Linear(inputs, outputs))
        name = workload.output_activation if place == len(pairs) - 1 else workload.activation
        if name in ACTIVATIONS:
            layers.append(ACTIVATIONS[name]())
    net = nn.Sequential(*layers)
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), workload.parameters(), strict=True):
            parameter.copy_(torch.from_numpy(value.T if value.ndim == 2 else value))
    return net


def prepare(workload: Workload) -> dict[str, Trainer]:
    """A trainer with one thread and one with two."""
    return {f"torch, {threads} thread{'s' * (threads > 1)}": _trainer(workload, threads) for threads in (1, 2)}


def _trainer(workload: Workload, threads: int) -> Trainer:
    net = network(workload)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    criterion = nn.MSELoss() if workload.loss == "mse" else nn.CrossEntropyLoss()
    x, y = (torch.from_numpy(array) for array in workload.data())
    generator = torch.Generator().manual_seed(2)

    def run(steps: int) -> None:
        torch.set_num_threads(threads)
        per_epoch = workload.rows // workload.batch
        order = torch.randperm(workload.rows, generator=generator)
        for step in range(steps):
            place = step % per_epoch
            if place == 0:
                order = torch.randperm(workload.rows, generator=generator)
            rows = order[place * workload.batch : (place + 1) * workload.batch]
            optimizer.zero_grad()
            criterion(net(x[rows]), y[rows]).backward()
            optimizer.step()

    def loss() -> float:
        with torch.no_grad():
            return float(criterion(net(x), y))

    return Trainer(run, loss)
