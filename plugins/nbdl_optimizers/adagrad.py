"""Adagrad and Adadelta: each element has its own learning rate, from the size of its past gradients."""

from __future__ import annotations

import nbdl
from nbdl.errors import OptionError
from nbdl.optim.optimizer import LearningRate, Optimizer, Slots
from nbdl.tensor import Tensor
from nbdl_optimizers.corrections import check_decay, check_epsilon, running_mean


class Adagrad(Optimizer):
    """Adagrad: steps divided by the root of the sum of all squared gradients, for rare features.

    total = total + gradient**2; parameter -= lr * gradient / (sqrt(total) + epsilon). The epsilon is added to the
    root, as in PyTorch; the paper has it inside.

    Args:
        lr: learning rate: a number or a schedule.
        initial_total: what the sum of squares starts from; more makes the first steps smaller.
        epsilon: added to the denominator; at least 1e-30.
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty).
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range.

    Source: Duchi, Hazan, Singer, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, JMLR 12
    (2011).
    """

    def __init__(
        self,
        lr: LearningRate = 0.01,
        *,
        initial_total: float = 0.0,
        epsilon: float = 1e-10,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, weight_decay=weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        if initial_total < 0:
            raise OptionError(f"adagrad takes an initial_total of at least 0, not {initial_total}")
        check_epsilon("adagrad", epsilon)
        self.initial_total = initial_total
        self.epsilon = epsilon

    def init(self, parameter: Tensor) -> Slots:
        """The sum of squared gradients."""
        return {"total": nbdl.full_like(parameter, self.initial_total)}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Move against the gradient, scaled by its history."""
        rate = self.learning_rate(step.astype(parameter.dtype))
        total = slots["total"] + gradient * gradient
        return parameter - rate * nbdl.fast_divide(gradient, nbdl.sqrt(total) + self.epsilon), {"total": total}


class Adadelta(Optimizer):
    """Adadelta: steps in the units of the parameter, from the running means of squared gradients and squared steps.

    v = rho * v + (1 - rho) * gradient**2; delta = sqrt(u + epsilon) / sqrt(v + epsilon) * gradient;
    u = rho * u + (1 - rho) * delta**2; parameter -= lr * delta. The two roots are taken as one, of the quotient.

    Args:
        lr: factor on the steps: a number or a schedule; the paper has none, which is 1.
        rho: decay of the running means; from 0 to below 1.
        epsilon: added inside the roots, at least 1e-30; it sets the size of the first steps.
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty).
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701 (2012).
    """

    def __init__(
        self,
        lr: LearningRate = 1.0,
        *,
        rho: float = 0.9,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, weight_decay=weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        check_decay("adadelta", rho=rho)
        check_epsilon("adadelta", epsilon)
        self.rho = rho
        self.epsilon = epsilon

    def init(self, parameter: Tensor) -> Slots:
        """The running means of squared gradients and of squared steps."""
        return {"squared_gradient": nbdl.zeros_like(parameter), "squared_delta": nbdl.zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Move by the typical step, scaled by how the gradient compares with its typical size."""
        rate = self.learning_rate(step.astype(parameter.dtype))
        v = running_mean(slots["squared_gradient"], gradient * gradient, self.rho)
        delta = nbdl.sqrt((slots["squared_delta"] + self.epsilon) / (v + self.epsilon)) * gradient
        u = running_mean(slots["squared_delta"], delta * delta, self.rho)
        return parameter - rate * delta, {"squared_gradient": v, "squared_delta": u}
