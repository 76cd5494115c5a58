"""RMSProp."""

from __future__ import annotations

import nbdl
from nbdl.optim.optimizer import LearningRate, Optimizer, Slots
from nbdl.tensor import Tensor
from nbdl_optimizers.corrections import check_decay, check_epsilon, running_mean


class RMSProp(Optimizer):
    """RMSProp: steps divided by the root of the running mean of the squared gradient.

    v = rho * v + (1 - rho) * gradient**2; parameter -= lr * gradient / (sqrt(v) + epsilon). Centered: the square of
    the running mean of the gradient is taken from v, which makes it a variance; where rounding would make it negative
    it counts as 0. With momentum the quotients are added up in a velocity, and parameter -= lr * velocity.

    Args:
        lr: learning rate: a number or a schedule.
        rho: decay of the running mean; from 0 to below 1.
        momentum: share of the velocity that is kept from step to step; from 0 to below 1.
        centered: whether to divide by the standard deviation of the gradient.
        epsilon: added to the denominator; at least 1e-30.
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty).
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range.

    Source: Tieleman, Hinton, Lecture 6.5, Neural Networks for Machine Learning (2012); centered: Graves, Generating
    Sequences With Recurrent Neural Networks, arXiv:1308.0850 (2013).
    """

    def __init__(
        self,
        lr: LearningRate = 0.01,
        *,
        rho: float = 0.99,
        momentum: float = 0.0,
        centered: bool = False,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, weight_decay=weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        check_decay("rmsprop", rho=rho, momentum=momentum)
        check_epsilon("rmsprop", epsilon)
        self.rho = rho
        self.momentum = momentum
        self.centered = centered
        self.epsilon = epsilon

    def init(self, parameter: Tensor) -> Slots:
        """The running mean of the squared gradient; with options, that of the gradient, and the velocity."""
        names = ["squared_gradient", *["mean_gradient"] * self.centered, *["velocity"] * bool(self.momentum)]
        return {name: nbdl.zeros_like(parameter) for name in names}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Move against the gradient, scaled by its typical size."""
        rate = self.learning_rate(step.astype(parameter.dtype))
        new = {"squared_gradient": running_mean(slots["squared_gradient"], gradient * gradient, self.rho)}
        variance = new["squared_gradient"]
        if self.centered:
            mean = new["mean_gradient"] = running_mean(slots["mean_gradient"], gradient, self.rho)
            variance = nbdl.maximum(variance - mean * mean, 0.0)
        direction = nbdl.fast_divide(gradient, nbdl.sqrt(variance) + self.epsilon)
        if self.momentum:
            direction = new["velocity"] = self.momentum * slots["velocity"] + direction
        return parameter - rate * direction, new
