"""`torch.optim`: optimizers under PyTorch's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nbdl.compat.naming import refuse
from nbdl.compat.torch.optim.optimizer import Optimizer


class SGD(Optimizer):
    """`nbdl.optim.sgd`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        refuse("optim.SGD", {"dampening": dampening}, {"dampening": 0.0})
        super().__init__(params, "sgd", lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)


class Adam(Optimizer):
    """`nbdl.optim.adam`."""

    NATIVE = "adam"

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ):
        options = {"beta1": betas[0], "beta2": betas[1], "epsilon": eps, "amsgrad": amsgrad}
        super().__init__(params, self.NATIVE, lr=lr, weight_decay=weight_decay, **options)


class AdamW(Adam):
    """`nbdl.optim.adamw`."""

    NATIVE = "adamw"

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


class NAdam(Optimizer):
    """`nbdl.optim.nadam`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
    ):
        options = {"beta1": betas[0], "beta2": betas[1], "epsilon": eps, "momentum_decay": momentum_decay}
        super().__init__(params, "nadam", lr=lr, weight_decay=weight_decay, **options)


class RMSprop(Optimizer):
    """`nbdl.optim.rmsprop`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        options = {"rho": alpha, "epsilon": eps, "momentum": momentum, "centered": centered}
        super().__init__(params, "rmsprop", lr=lr, weight_decay=weight_decay, **options)


class Adagrad(Optimizer):
    """`nbdl.optim.adagrad`."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ):
        refuse("optim.Adagrad", {"lr_decay": lr_decay}, {"lr_decay": 0.0})
        options = {"initial_total": initial_accumulator_value, "epsilon": eps}
        super().__init__(params, "adagrad", lr=lr, weight_decay=weight_decay, **options)


class Adadelta(Optimizer):
    """`nbdl.optim.adadelta`."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
    ):
        super().__init__(params, "adadelta", lr=lr, rho=rho, epsilon=eps, weight_decay=weight_decay)
