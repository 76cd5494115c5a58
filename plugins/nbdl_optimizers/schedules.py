"""Learning-rate schedules: functions of the step, traced into the training program."""

from __future__ import annotations

import math

import nbdl
from nbdl.errors import OptionError
from nbdl.optim.optimizer import LearningRate
from nbdl.optim.schedules import Schedule
from nbdl.resolve import resolve
from nbdl.tensor import Tensor


def constant(lr: float = 1e-3) -> Schedule:
    """The same learning rate at every step.

    Args:
        lr: the learning rate.

    >>> constant(0.5)(nbdl.Tensor(100.0))
    tensor(0.5)

    Source: Robbins, Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics 22 (1951).
    """
    _check_rate("constant", lr)
    return lambda step: nbdl.full_like(step, lr)


def step(every: int, lr: float = 1e-3, factor: float = 0.1) -> Schedule:
    """Learning rate that falls in stairs: lr * factor**floor(step / every).

    Args:
        every: steps between two falls.
        lr: learning rate at the start.
        factor: what it is multiplied by; above 0, at most 1.

    Raises:
        OptionError: an option outside of its range.

    >>> step(every=10, lr=1.0)(nbdl.Tensor(25.0))
    tensor(0.01)

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 3.4.
    """
    _check_rate("step", lr)
    _check_decay("step", every, factor)
    # The half keeps whole quotients from being rounded down when compiled code multiplies by 1 / every.
    return lambda number: lr * nbdl.power(factor, nbdl.floor((number + 0.5) / every))


def exponential(every: int, lr: float = 1e-3, factor: float = 0.5) -> Schedule:
    """Learning rate that falls evenly: lr * factor**(step / every).

    Args:
        every: steps in which it falls by the factor.
        lr: learning rate at the start.
        factor: what it has been multiplied by after that many steps; above 0, at most 1.

    Raises:
        OptionError: an option outside of its range.

    >>> exponential(every=10, lr=1.0)(nbdl.Tensor(20.0))
    tensor(0.25)

    Source: Senior et al., An Empirical Study of Learning Rates in Deep Neural Networks for Speech Recognition, ICASSP
    2013.
    """
    _check_rate("exponential", lr)
    _check_decay("exponential", every, factor)
    return lambda number: lr * nbdl.power(factor, number / every)


def cosine(steps: int, lr: float = 1e-3, end: float = 0.0) -> Schedule:
    """Learning rate that falls along half a cosine to `end` and stays there.

    end + (lr - end) * (1 + cos(pi * min(step / steps, 1))) / 2.

    Args:
        steps: steps until the end is reached.
        lr: learning rate at the start.
        end: learning rate at the end.

    Raises:
        OptionError: an option outside of its range.

    >>> cosine(steps=10, lr=1.0, end=0.25)(nbdl.Tensor(10.0))
    tensor(0.25)

    Source: Loshchilov, Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, equation 5.
    """
    _check_rate("cosine", lr)
    _check_rate("cosine", end)
    _check_steps("cosine", "steps", steps)
    return lambda number: end + (lr - end) * 0.5 * (1 + nbdl.cos(nbdl.minimum(number / steps, 1.0) * math.pi))


def warmup(steps: int, then: LearningRate = 1e-3) -> Schedule:
    """Linear warm-up: the learning rate grows from 1/steps of its value to all of it, and then another schedule begins.

    Args:
        steps: number of steps until the whole learning rate is reached.
        then: learning rate after that: a number, or a schedule (a name, a mapping with `name` and options, a
            function), which counts its steps from there.

    Raises:
        OptionError: an option outside of its range.

    >>> warmup(steps=10, then=1.0)(nbdl.Tensor(4.0))
    tensor(0.5)

    Source: Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, arXiv:1706.02677 (2017), section
    2.2.
    """
    _check_steps("warmup", "steps", steps)
    after: Schedule = constant(float(then)) if isinstance(then, int | float) else resolve("schedules", then)

    def rate(number: Tensor) -> Tensor:
        return nbdl.minimum((number + 1) / steps, 1.0) * after(nbdl.maximum(number - steps, 0.0))

    return rate


def _check_rate(name: str, lr: float) -> None:
    if lr < 0:
        raise OptionError(f"{name} takes learning rates of at least 0, not {lr}")


def _check_steps(name: str, option: str, steps: int) -> None:
    if steps < 1:
        raise OptionError(f"{name} takes {option} of at least 1 step, not {steps}")


def _check_decay(name: str, every: int, factor: float) -> None:
    _check_steps(name, "every", every)
    if not 0 < factor <= 1:
        raise OptionError(f"{name} takes a factor above 0 and up to 1, not {factor}")
