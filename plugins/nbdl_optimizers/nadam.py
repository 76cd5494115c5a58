"""NAdam: Adam that looks ahead, as Nesterov's momentum does."""

from __future__ import annotations

import math

import nbdl
from nbdl.errors import OptionError
from nbdl.optim.optimizer import LearningRate, Optimizer, Slots
from nbdl.tensor import Tensor
from nbdl_optimizers.corrections import check_decay, check_epsilon, running_mean, start_correction

WARM_UP = 0.96  # base of the momentum's warm-up (section 3.2 of the report)


class NAdam(Optimizer):
    """NAdam: Adam with Nesterov momentum, whose momentum grows slowly to beta1.

    mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2), M(t) = mu(1) * ... * mu(t); m and v as in Adam, and
    v' = v / (1 - beta2**t): parameter -= lr * ((1 - mu(t)) / (1 - M(t)) * gradient + mu(t + 1) / (1 - M(t + 1)) * m)
    / (sqrt(v') + epsilon).

    Args:
        lr: learning rate: a number or a schedule.
        beta1: decay of the running mean of the gradient; from 0 to below 1.
        beta2: decay of the running mean of its square; from 0 to below 1.
        epsilon: added to the denominator; at least 1e-30.
        momentum_decay: how fast the momentum grows to beta1; at least 0.
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty).
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range.

    Source: Dozat, Incorporating Nesterov Momentum into Adam, ICLR 2016 workshop.
    """

    def __init__(
        self,
        lr: LearningRate = 2e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, weight_decay=weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        check_decay("nadam", beta1=beta1, beta2=beta2)
        check_epsilon("nadam", epsilon)
        if momentum_decay < 0:
            raise OptionError(f"nadam takes a momentum_decay of at least 0, not {momentum_decay}")
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay

    def init(self, parameter: Tensor) -> Slots:
        """The running means of the gradient and of its square, and the product of all momenta (one number)."""
        return {
            "first_moment": nbdl.zeros_like(parameter),
            "second_moment": nbdl.zeros_like(parameter),
            "momentum_product": nbdl.ones((), parameter.dtype),
        }

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Move along the gradient and the coming first moment, scaled by the second."""
        step = step.astype(parameter.dtype)
        first = running_mean(slots["first_moment"], gradient, self.beta1)
        second = running_mean(slots["second_moment"], gradient * gradient, self.beta2)
        momentum, coming = self._momentum(step + 1), self._momentum(step + 2)
        product = slots["momentum_product"] * momentum
        root = nbdl.sqrt(start_correction(self.beta2, step + 1))
        rate = self.learning_rate(step) * root
        of_gradient = rate * (1 - momentum) / (1 - product)
        of_moment = rate * coming / (1 - product * coming)
        move = of_gradient * gradient + of_moment * first
        direction = nbdl.fast_divide(move, nbdl.sqrt(second) + self.epsilon * root)
        new = {"first_moment": first, "second_moment": second, "momentum_product": product}
        return parameter - direction, new

    def _momentum(self, updates: Tensor) -> Tensor:
        return self.beta1 * (1 - 0.5 * nbdl.exp(updates * (self.momentum_decay * math.log(WARM_UP))))
