"""Stochastic gradient descent."""

from __future__ import annotations

import nbdl
from nbdl.errors import OptionError
from nbdl.optim.optimizer import LearningRate, Optimizer, Slots
from nbdl.tensor import Tensor
from nbdl_optimizers.corrections import check_decay


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's variant of it.

    velocity = momentum * velocity + gradient; parameter -= lr * velocity. Nesterov: parameter -= lr * (gradient +
    momentum * velocity). The learning rate stands outside of the velocity, as in PyTorch; Sutskever et al. have it
    inside, which differs when the rate changes.

    Args:
        lr: learning rate: a number or a schedule.
        momentum: share of the velocity that is kept from step to step; from 0 to below 1.
        nesterov: whether to look ahead along the velocity; needs a momentum.
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty).
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range, or `nesterov` without momentum.

    Source: Robbins, Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics 22 (1951); Sutskever
    et al., On the Importance of Initialization and Momentum in Deep Learning, ICML 2013.
    """

    def __init__(
        self,
        lr: LearningRate = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, weight_decay=weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        check_decay("sgd", momentum=momentum)
        if nesterov and not momentum:
            raise OptionError("sgd with nesterov=True needs a momentum, such as 0.9")
        self.momentum = momentum
        self.nesterov = nesterov

    def init(self, parameter: Tensor) -> Slots:
        """The velocity, if there is momentum."""
        return {"velocity": nbdl.zeros_like(parameter)} if self.momentum else {}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Move against the gradient or the velocity."""
        rate = self.learning_rate(step.astype(parameter.dtype))
        if not self.momentum:
            return parameter - rate * gradient, {}
        velocity = self.momentum * slots["velocity"] + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return parameter - rate * direction, {"velocity": velocity}
