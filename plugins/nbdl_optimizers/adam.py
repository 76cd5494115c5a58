"""Adam and those that came of it: AdamW, NAdam."""

from __future__ import annotations

from typing import ClassVar

import nbdl
from nbdl.optim.optimizer import LearningRate, Optimizer, Slots
from nbdl.tensor import Tensor
from nbdl_optimizers.corrections import check_decay, check_epsilon, running_mean, start_correction


class Adam(Optimizer):
    """Adam: steps along the running mean of the gradient, divided by the root of the running mean of its square.

    m = beta1 * m + (1 - beta1) * gradient; v = beta2 * v + (1 - beta2) * gradient**2; with t the number of updates
    and m' = m / (1 - beta1**t), v' = v / (1 - beta2**t): parameter -= lr * m' / (sqrt(v') + epsilon). The corrections
    are pulled out into two scalars, so that an element costs one root and one division. With `amsgrad` the largest v
    so far takes the place of v, uncorrected as in PyTorch.

    Args:
        lr: learning rate: a number or a schedule.
        beta1: decay of the running mean of the gradient; from 0 to below 1.
        beta2: decay of the running mean of its square; from 0 to below 1.
        epsilon: added to the denominator; at least 1e-30.
        amsgrad: whether v may never fall.
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty).
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range.

    Source: Kingma, Ba, Adam: A Method for Stochastic Optimization, ICLR 2015; Reddi, Kale, Kumar, On the Convergence
    of Adam and Beyond, ICLR 2018.
    """

    def __init__(
        self,
        lr: LearningRate = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(lr, weight_decay=weight_decay, clip_value=clip_value, clip_norm=clip_norm)
        name = type(self).__name__.lower()
        check_decay(name, beta1=beta1, beta2=beta2)
        check_epsilon(name, epsilon)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def init(self, parameter: Tensor) -> Slots:
        """The running means of the gradient and of its square."""
        slots = {"first_moment": nbdl.zeros_like(parameter), "second_moment": nbdl.zeros_like(parameter)}
        return slots | ({"largest_second_moment": nbdl.zeros_like(parameter)} if self.amsgrad else {})

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Move along the first moment, scaled by the second."""
        step = step.astype(parameter.dtype)
        updates = step + 1
        new = {
            "first_moment": running_mean(slots["first_moment"], gradient, self.beta1),
            "second_moment": running_mean(slots["second_moment"], gradient * gradient, self.beta2),
        }
        second = new["second_moment"]
        if self.amsgrad:
            second = new["largest_second_moment"] = nbdl.maximum(slots["largest_second_moment"], second)
        root = nbdl.sqrt(start_correction(self.beta2, updates))
        rate = self.learning_rate(step) * root / start_correction(self.beta1, updates)
        return parameter - rate * nbdl.fast_divide(new["first_moment"], nbdl.sqrt(second) + self.epsilon * root), new


class AdamW(Adam):
    """AdamW: Adam with the decay of weights kept out of the gradient.

    parameter -= lr * weight_decay * parameter, and then as Adam. So large gradients don't weaken the decay. The decay
    is scaled by the learning rate, as in PyTorch; the paper has a separate schedule for it.

    Args:
        lr: learning rate: a number or a schedule.
        beta1: decay of the running mean of the gradient; from 0 to below 1.
        beta2: decay of the running mean of its square; from 0 to below 1.
        epsilon: added to the denominator; at least 1e-30.
        amsgrad: whether the mean of the square may never fall.
        weight_decay: share of a parameter that is taken away each step, times the learning rate.
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: an option outside of its range.

    Source: Loshchilov, Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """

    decoupled_decay: ClassVar[bool] = True

    def __init__(
        self,
        lr: LearningRate = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        weight_decay: float = 0.01,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        super().__init__(
            lr,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            amsgrad=amsgrad,
            weight_decay=weight_decay,
            clip_value=clip_value,
            clip_norm=clip_norm,
        )

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Let the parameter decay, then move as Adam does."""
        if self.weight_decay:
            parameter = parameter * (1 - self.learning_rate(step.astype(parameter.dtype)) * self.weight_decay)
        return super().update(parameter, gradient, slots, step)
