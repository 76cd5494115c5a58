"""`torch.nn.utils`: gradients kept within limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nbdl import functions
from nbdl.compat.torch.tensors import Tensor, as_torch


def clip_grad_norm_(parameters: Any, max_norm: float) -> Tensor:
    """Scale gradients down so that their norm over all parameters is at most `max_norm`; return the norm before."""
    with_gradient = [each for each in _list(parameters) if each.grad is not None]
    squares = [functions.sum(functions.square(each.grad)) for each in with_gradient]
    norm = functions.sqrt(functions.sum(functions.stack(squares)))
    factor = functions.minimum(1.0, max_norm / (norm + 1e-6))
    for each in with_gradient:
        each.grad = each.grad * factor
    return as_torch(norm)


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Limit each element of the gradients to [-clip_value, clip_value]."""
    for each in _list(parameters):
        if each.grad is not None:
            each.grad = functions.clip(each.grad, -clip_value, clip_value)


def _list(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)
