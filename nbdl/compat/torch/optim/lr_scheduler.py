"""`torch.optim.lr_scheduler`: nbdl's schedules, one step for each call of `step()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbdl.compat.naming import missing
from nbdl.compat.torch.optim.optimizer import Optimizer
from nbdl.resolve import resolve
from nbdl.tensor import Tensor


class LRScheduler:
    """Sets the learning rate of each group to a schedule's value.

    Args:
        optimizer: whose learning rates are set.
        schedule: the schedule for a learning rate at the start: a function of the number of steps.
    """

    def __init__(self, optimizer: Optimizer, schedule: Callable[[float], Callable[[int], float]]):
        self.optimizer = optimizer
        self.schedules = [schedule(group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = -1
        self.step()

    def step(self) -> None:
        """Go on to the next learning rates."""
        self.last_epoch += 1
        for group, schedule in zip(self.optimizer.param_groups, self.schedules, strict=True):
            group["lr"] = schedule(self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """The learning rates of the groups."""
        return [group["lr"] for group in self.optimizer.param_groups]


def _native(**options: Any) -> Callable[[float], Callable[[int], float]]:
    def schedule(lr: float) -> Callable[[int], float]:
        native = resolve("schedules", {**options, "lr": lr})
        return lambda number: float(native(Tensor(float(number))))

    return schedule


class LambdaLR(LRScheduler):
    """The learning rate at the start times a function of the number of steps."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]):
        super().__init__(optimizer, lambda lr: lambda number: lr * lr_lambda(number))


class StepLR(LRScheduler):
    """The schedule `step`."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        super().__init__(optimizer, _native(name="step", every=step_size, factor=gamma))


class ExponentialLR(LRScheduler):
    """The schedule `exponential`."""

    def __init__(self, optimizer: Optimizer, gamma: float):
        super().__init__(optimizer, _native(name="exponential", every=1, factor=gamma))


class CosineAnnealingLR(LRScheduler):
    """The schedule `cosine`: it stays at its end, where PyTorch's rises again."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):  # noqa: N803 - PyTorch's name
        super().__init__(optimizer, _native(name="cosine", steps=T_max, end=eta_min))


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
