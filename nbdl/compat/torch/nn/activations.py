"""`torch.nn`: activation functions as modules."""

from __future__ import annotations

from typing import Any

from nbdl.compat.torch.nn import functional
from nbdl.compat.torch.nn.module import Module
from nbdl.tensor import Tensor


class _Function(Module):
    """A function of `torch.nn.functional` as a module: the constructor takes its options."""

    function: Any

    def __init__(self, *args: Any, **options: Any):
        self.options = self._options(*args, **options)

    @staticmethod
    def _options(inplace: bool = False) -> dict[str, Any]:
        return {}

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return the function's value."""
        made: Tensor = type(self).function(inputs[0], **self.options)
        return made


def _module(name: str, function: Any, options: Any = None) -> Any:
    members = {"function": staticmethod(function), "__doc__": f"`functional.{function.__name__}` as a module."}
    if options is not None:
        members["_options"] = staticmethod(options)
    return type(name, (_Function,), {**members, "__module__": __name__})


ReLU = _module("ReLU", functional.relu)
Tanh = _module("Tanh", functional.tanh)
Sigmoid = _module("Sigmoid", functional.sigmoid)
SiLU = _module("SiLU", functional.silu)
SELU = _module("SELU", functional.selu)
Softplus = _module("Softplus", functional.softplus)
GELU = _module("GELU", functional.gelu, lambda approximate="none": {"approximate": approximate})
LeakyReLU = _module("LeakyReLU", functional.leaky_relu, lambda negative_slope=0.01, inplace=False: {
    "negative_slope": negative_slope})  # fmt: skip
ELU = _module("ELU", functional.elu, lambda alpha=1.0, inplace=False: {"alpha": alpha})
Softmax = _module("Softmax", functional.softmax, lambda dim=-1: {"dim": dim})
LogSoftmax = _module("LogSoftmax", functional.log_softmax, lambda dim=-1: {"dim": dim})
