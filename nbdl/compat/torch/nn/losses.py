"""`torch.nn`: losses as modules; the constructors take the options of the functions."""

from __future__ import annotations

from typing import Any

from nbdl.compat.naming import refuse
from nbdl.compat.torch.nn import functional
from nbdl.compat.torch.nn.module import Module
from nbdl.tensor import Tensor


class _Loss(Module):
    """A loss of `torch.nn.functional` as a module."""

    function: Any
    OPTIONS: tuple[str, ...] = ()

    def __init__(self, **options: Any):
        unknown = {name: each for name, each in options.items() if name not in ("reduction", *self.OPTIONS)}
        refuse(type(self).__name__, unknown, {})
        self.options = options

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return the loss of a prediction and its target."""
        prediction, target = inputs
        made: Tensor = type(self).function(prediction, target, **self.options)
        return made


class MSELoss(_Loss):
    """`functional.mse_loss` as a module: mean squared error."""

    function = staticmethod(functional.mse_loss)


class L1Loss(_Loss):
    """`functional.l1_loss` as a module: mean absolute error."""

    function = staticmethod(functional.l1_loss)


class HuberLoss(_Loss):
    """`functional.huber_loss` as a module."""

    OPTIONS = ("delta",)
    function = staticmethod(functional.huber_loss)


class SmoothL1Loss(_Loss):
    """`functional.smooth_l1_loss` as a module."""

    OPTIONS = ("beta",)
    function = staticmethod(functional.smooth_l1_loss)


class BCELoss(_Loss):
    """`functional.binary_cross_entropy` as a module: of probabilities."""

    function = staticmethod(functional.binary_cross_entropy)


class BCEWithLogitsLoss(_Loss):
    """`functional.binary_cross_entropy_with_logits` as a module."""

    OPTIONS = ("pos_weight",)
    function = staticmethod(functional.binary_cross_entropy_with_logits)


class _ClassLoss(_Loss):
    """A loss of classes, whose first option is a weight for each class."""

    OPTIONS: tuple[str, ...] = ("weight", "ignore_index")

    def __init__(self, weight: Any = None, **options: Any):
        super().__init__(weight=weight, **options)


class CrossEntropyLoss(_ClassLoss):
    """`functional.cross_entropy` as a module: of logits and class numbers."""

    OPTIONS = ("weight", "ignore_index", "label_smoothing")
    function = staticmethod(functional.cross_entropy)


class NLLLoss(_ClassLoss):
    """`functional.nll_loss` as a module: of logarithms of probabilities and class numbers."""

    function = staticmethod(functional.nll_loss)
