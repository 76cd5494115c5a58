"""Lion: only the sign of the momentum counts."""

from __future__ import annotations

from typing import ClassVar

import nbdl
from nbdl.optim.optimizer import LearningRate, Optimizer, Slots
from nbdl.tensor import Tensor
from nbdl_optimizers.corrections import check_decay, running_mean


class Lion(Optimizer):
    """Lion: every element moves by the learning rate, in the direction of the sign of a running mean.

    c = beta1 * m + (1 - beta1) * gradient; parameter -= lr * (sign(c) + weight_decay * parameter);
    m = beta2 * m + (1 - beta2) * gradient. It wants a learning rate 3 to 10 times smaller than Adam's.

    Args:
        lr: learning rate: a number or a schedule.
        beta1: share of the running mean in what gives the direction; from 0 to below 1.
        beta2: decay of the running mean; from 0 to below 1.
        weight_decay: share of a parameter that is taken away each step, times the learning rate.
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range.

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms, NeurIPS 2023, program 1.
    """

    decoupled_decay: ClassVar[bool] = True

    def __init__(
        self,
        lr: LearningRate = 1e-4,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, weight_decay=weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        check_decay("lion", beta1=beta1, beta2=beta2)
        self.beta1 = beta1
        self.beta2 = beta2

    def init(self, parameter: Tensor) -> Slots:
        """The running mean of the gradient."""
        return {"first_moment": nbdl.zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Move by the sign of the mixed momentum, and let the parameter decay."""
        rate = self.learning_rate(step.astype(parameter.dtype))
        direction = nbdl.sign(running_mean(slots["first_moment"], gradient, self.beta1))
        new = {"first_moment": running_mean(slots["first_moment"], gradient, self.beta2)}
        if self.weight_decay:
            parameter = parameter * (1 - rate * self.weight_decay)
        return parameter - rate * direction, new
