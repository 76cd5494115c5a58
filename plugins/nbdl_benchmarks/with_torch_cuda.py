"""PyTorch on an NVIDIA card: the loop of its tutorials, the same step captured as a CUDA graph, and `torch.compile`.

Data lie on the card, rows are gathered there by index; products are computed in float32, as nbdl's.
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
WARM = 3
"""Steps before one is captured: what is made at the first ones must not be made then."""


def trainers(workload: Workload) -> dict[str, Trainer]:
    """The loop, and a graph of a step. Raises `NotImplementedError` where PyTorch finds no card."""
    _prepare()
    return {"torch eager": _eager(workload), "torch graph": _captured(workload)}


def compiled_trainers(workload: Workload) -> dict[str, Trainer]:
    """`torch.compile`. Raises `NotImplementedError` where PyTorch finds no card, or can't compile for it."""
    _prepare()
    training = _training(workload)
    training.compile()
    kept = training.values()
    try:
        training.step(torch.zeros(workload.batch, dtype=torch.int64, device=CARD))
    except RuntimeError as error:
        raise NotImplementedError(f"torch.compile can't: {str(error).splitlines()[0]}") from error
    training.restart(kept)
    return {"torch.compile": training.trainer(training.step)}


def _prepare() -> None:
    if not torch.cuda.is_available():
        raise NotImplementedError("PyTorch finds no card")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


class _Training:
    """Networks, their optimizers and data on the card."""

    def __init__(self, workload: Workload, *nets: nn.Module, **options: Any):
        self.nets = [net.to(CARD) for net in nets]
        self.optimizers = [torch.optim.Adam(_trained(net), lr=1e-3, **options) for net in self.nets]
        self.x, self.y = (torch.from_numpy(np.ascontiguousarray(array)).to(CARD) for array in workload.data())

    def step(self, rows: torch.Tensor) -> None:
        """A training step on rows of the data."""
        raise NotImplementedError

    def compile(self) -> None:
        """Let `torch.compile` have what computes losses; its graphs launch them."""
        raise NotImplementedError

    def loss(self) -> torch.Tensor:
        """The loss over all rows."""
        raise NotImplementedError

    def values(self) -> list[torch.Tensor]:
        """Copies of all parameters."""
        return [each.detach().clone() for net in self.nets for each in net.parameters()]

    def restart(self, values: list[torch.Tensor]) -> None:
        """Begin anew from these parameters, in the memory that was used so far."""
        with torch.no_grad():
            parameters = [each for net in self.nets for each in net.parameters()]
            for parameter, value in zip(parameters, values, strict=True):
                parameter.copy_(value)
            for optimizer in self.optimizers:
                for state in optimizer.state.values():
                    for each in state.values():
                        each.zero_()

    def trainer(self, step: Callable[[torch.Tensor], None]) -> Trainer:
        """The trainer that takes steps this way."""

        def run(order: np.ndarray) -> None:
            for rows in torch.from_numpy(order).to(CARD):
                step(rows)
            torch.cuda.synchronize()

        def loss() -> float:
            with torch.no_grad():
                return float(self.loss())

        return Trainer(run, loss)


class _Single(_Training):
    """One network."""

    def __init__(self, workload: Workload, **options: Any):
        super().__init__(workload, network(workload.row, workload.layers), **options)
        criterion: Callable[..., torch.Tensor] = nn.MSELoss() if workload.loss == "mse" else _crossentropy
        (net,) = self.nets

        def loss_of(rows: torch.Tensor) -> torch.Tensor:
            picked = self.x[rows]
            return criterion(net(picked), picked if workload.repeats else self.y[rows])

        self.loss_of = loss_of
        self.loss = lambda: criterion(net(self.x), self.y)  # type: ignore[method-assign]

    def compile(self) -> None:
        self.loss_of = torch.compile(self.loss_of, mode="reduce-overhead")

    def step(self, rows: torch.Tensor) -> None:
        (optimizer,) = self.optimizers
        optimizer.zero_grad(set_to_none=True)
        self.loss_of(rows).backward()
        optimizer.step()


class _Adversaries(_Training):
    """A discriminator, and the generator that it judges; both take a step."""

    def __init__(self, workload: Workload, **options: Any):
        discriminator = network(workload.row, workload.layers)
        super().__init__(workload, discriminator, network(workload.noise, workload.generator), **options)

    def compile(self) -> None:
        self.judged, self.fooled = torch.compile(self.judged), torch.compile(self.fooled)  # type: ignore[method-assign]

    def judged(self, real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """The loss of the discriminator."""
        judge = self.nets[0]
        return _surprise(judge(real), 1.0) + _surprise(judge(made.detach()), 0.0)

    def fooled(self, made: torch.Tensor) -> torch.Tensor:
        """The loss of the generator."""
        return _surprise(self.nets[0](made), 1.0)

    def step(self, rows: torch.Tensor) -> None:
        judging, making = self.optimizers
        made = self.nets[1](self.y[rows])
        judging.zero_grad(set_to_none=True)
        self.judged(self.x[rows], made).backward()
        judging.step()
        making.zero_grad(set_to_none=True)
        self.fooled(made).backward()
        making.step()

    def loss(self) -> torch.Tensor:
        return self.judged(self.x, self.nets[1](self.y))


def _trained(net: nn.Module) -> list[nn.Parameter]:
    return [each for each in net.parameters() if each.requires_grad]


def _surprise(logits: torch.Tensor, target: float) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def _training(workload: Workload, **options: Any) -> _Training:
    return (_Adversaries if workload.generator else _Single)(workload, **options)


def _eager(workload: Workload) -> Trainer:
    training = _training(workload)
    return training.trainer(training.step)


def _captured(workload: Workload) -> Trainer:
    """The whole step as a graph, replayed on rows whose numbers are copied into its input."""
    training = _training(workload, capturable=True)
    rows = torch.zeros(workload.batch, dtype=torch.int64, device=CARD)
    kept = training.values()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            training.step(rows)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    for optimizer in training.optimizers:
        optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        training.step(rows)
    training.restart(kept)

    def step(picked: torch.Tensor) -> None:
        rows.copy_(picked)
        graph.replay()

    return training.trainer(step)
