"""Our layers and PyTorch's side by side: outputs and all gradients of both, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import nbdl
from nbdl import Tensor
from nbdl.nn import Module

Arrays = dict[str, np.ndarray]

AGREEMENT = 1e-4
"""float32, both sides add up in different order; relative to the largest element of an array."""


def weights_like(array: np.ndarray) -> np.ndarray:
    """What an output is multiplied by before it is added up, so that every element has a gradient of its own."""
    return np.cos(np.arange(array.size, dtype=np.float64) + 0.5).reshape(array.shape).astype(array.dtype)


def ours(function: Callable[..., Tensor], inputs: Mapping[str, Any], parameters: Mapping[str, Tensor]) -> Arrays:
    """The output of a function of the inputs, and the gradients of a weighted sum of it by every float input and
    parameter.
    """
    tensors = {
        name: None if array is None else Tensor(array, requires_grad=np.asarray(array).dtype.kind == "f")
        for name, array in inputs.items()
    }
    for each in parameters.values():
        each.grad = None
    output = function(*tensors.values())
    nbdl.sum(output * weights_like(output.numpy())).backward()
    differentiated = {name: each for name, each in (tensors | parameters).items() if each is not None}
    gradients = {name: each.grad.numpy() for name, each in differentiated.items() if each.grad is not None}
    return {"output": output.numpy(), **gradients}


def theirs(function: Callable[..., Any], inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> Arrays:
    """The same of a function of PyTorch."""
    import torch

    tensors = {name: None if array is None else torch.tensor(np.asarray(array)) for name, array in inputs.items()}
    floats = {name: each for name, each in tensors.items() if each is not None and each.is_floating_point()}
    for each in floats.values():
        each.requires_grad_()
    output = function(*tensors.values())
    (output * torch.tensor(weights_like(output.detach().numpy()))).sum().backward()
    gradients = {name: each.grad.numpy() for name, each in (floats | dict(parameters)).items() if each.grad is not None}
    return {"output": output.detach().numpy(), **gradients}


def assert_agree(got: Arrays, wanted: Arrays, tolerance: float = AGREEMENT) -> None:
    """Every array agrees, relative to its largest element."""
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert got[name].shape == array.shape, name
        scale = float(np.abs(array).max(initial=1e-6))
        np.testing.assert_allclose(got[name], array, rtol=0, atol=tolerance * scale, err_msg=name)


def fill(layer: Module, generator: np.random.Generator, *inputs: Any) -> Module:
    """Build a layer for inputs and give its trained parameters random values."""
    layer(*inputs)
    for each in layer.parameters():
        each.assign(generator.normal(size=each.shape).astype(np.float32))
    return layer


def with_parameters(layer: Module, names: tuple[str, ...]) -> Callable[..., Tensor]:
    """A layer as a function of its inputs and then of parameters: for gradient checks in float64."""
    parameters = dict(layer.named_parameters())

    def call(*tensors: Tensor) -> Tensor:
        for name, tensor in zip(names, tensors[len(tensors) - len(names) :], strict=True):
            parameters[name].node = tensor.node
        return layer(*tensors[: len(tensors) - len(names)])

    return call
