"""PyTorch on an NVIDIA card: the loop of its tutorials, the same step captured as a CUDA graph, and `torch.compile`.

Data lie on the card, rows are gathered there by index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from nbdl.benchmarking import Trainer
from nbdl_benchmarks.with_torch import _crossentropy, network
from nbdl_benchmarks.workloads import Workload

CARD = "cuda"


def trainers(workload: Workload) -> dict[str, Trainer]:
    """One trainer for each way. Raises `NotImplementedError` where PyTorch finds no card."""
    if not torch.cuda.is_available():
        raise NotImplementedError("PyTorch finds no card")
    if workload.generator:
        raise NotImplementedError("two networks are compared on CPUs only")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32, as nbdl's
    return {"torch eager": _eager(workload), "torch graph": _captured(workload), "torch.compile": _compiled(workload)}


class _Training:
    """A network, its optimizer and data on the card."""

    def __init__(self, workload: Workload, **options: Any):
        self.net = network(workload.row, workload.layers).to(CARD)
        trained = [each for each in self.net.parameters() if each.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=1e-3, **options)
        self.criterion: Callable[..., torch.Tensor] = nn.MSELoss() if workload.loss == "mse" else _crossentropy
        self.x, self.y = (torch.from_numpy(array).to(CARD) for array in workload.data())

    def loss_of(self, rows: torch.Tensor) -> torch.Tensor:
        """The loss on some rows."""
        return self.criterion(self.net(self.x[rows]), self.y[rows])

    def step(self, rows: torch.Tensor) -> None:
        """A training step."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss_of(rows).backward()
        self.optimizer.step()

    def trainer(self, step: Callable[[torch.Tensor], None]) -> Trainer:
        """The trainer that takes steps this way."""

        def run(order: np.ndarray) -> None:
            for rows in torch.from_numpy(order).to(CARD):
                step(rows)
            torch.cuda.synchronize()

        def loss() -> float:
            with torch.no_grad():
                return float(self.criterion(self.net(self.x), self.y))

        return Trainer(run, loss)


def _eager(workload: Workload) -> Trainer:
    training = _Training(workload)
    return training.trainer(training.step)


def _captured(workload: Workload) -> Trainer:
    """The whole step as a graph, replayed on rows whose numbers are copied into its input."""
    training = _Training(workload, capturable=True)
    rows = torch.zeros(workload.batch, dtype=torch.int64, device=CARD)
    kept = [each.detach().clone() for each in training.net.parameters()]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # what is made at the first steps must not be made while they are captured
        for _ in range(3):
            training.step(rows)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    training.optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        training.loss_of(rows).backward()
        training.optimizer.step()
    with torch.no_grad():  # begin anew, in the memory that was captured
        for parameter, value in zip(training.net.parameters(), kept, strict=True):
            parameter.copy_(value)
        for state in training.optimizer.state.values():
            for each in state.values():
                each.zero_()

    def step(picked: torch.Tensor) -> None:
        rows.copy_(picked)
        graph.replay()

    return training.trainer(step)


def _compiled(workload: Workload) -> Trainer:
    """Loss and gradients compiled, launched by graphs of its own."""
    training = _Training(workload)
    loss_of = torch.compile(training.loss_of, mode="reduce-overhead")

    def step(rows: torch.Tensor) -> None:
        training.optimizer.zero_grad(set_to_none=True)
        loss_of(rows).backward()
        training.optimizer.step()

    return training.trainer(step)
