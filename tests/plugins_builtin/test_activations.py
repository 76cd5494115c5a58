"""Activations: against PyTorch, at extremes, at corners."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import Tensor
from nbdl.resolve import resolve

POINTS = np.array([-1e4, -88.0, -20.0, -3.0, -1.0, -0.1, -1e-6, 0.0, 1e-6, 0.1, 1.0, 3.0, 20.0, 88.0, 1e4])


def torch_functions(torch) -> dict:
    """Our options and their function, by the name of ours (and a word on the options)."""
    f = torch.nn.functional
    return {
        "relu": ({}, torch.relu),
        "leaky_relu": ({"slope": 0.2}, lambda x: f.leaky_relu(x, 0.2)),
        "elu": ({"alpha": 0.7}, lambda x: f.elu(x, 0.7)),
        "selu": ({}, torch.selu),
        "gelu": ({}, f.gelu),
        "gelu-with-tanh": ({"approximate": True}, lambda x: f.gelu(x, approximate="tanh")),
        "silu": ({}, f.silu),
        "sigmoid": ({}, torch.sigmoid),
        "tanh": ({}, torch.tanh),
        "softplus": ({}, lambda x: f.softplus(x, threshold=1e9)),  # PyTorch's own threshold gives up digits
        "softmax": ({}, lambda x: torch.softmax(x, -1)),
        "softmax-of-columns": ({"axis": 0}, lambda x: torch.softmax(x, 0)),
        "log_softmax": ({}, lambda x: torch.log_softmax(x, -1)),
        "linear": ({}, lambda x: x),
    }


NAMES = ["relu", "leaky_relu", "elu", "selu", "gelu", "gelu-with-tanh", "silu", "sigmoid", "tanh", "softplus"]
NAMES += ["softmax", "softmax-of-columns", "log_softmax", "linear"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_as_in_pytorch(name: str, dtype):
    torch = pytest.importorskip("torch")
    options, theirs = torch_functions(torch)[name]
    points = POINTS.reshape(3, 5).astype(dtype)
    if name == "softplus":
        points = np.clip(points, -30, 30)  # PyTorch's has no guard against overflow without the threshold
    x, other = Tensor(points, requires_grad=True), torch.tensor(points, requires_grad=True)
    y, expected = resolve("activations", {"name": name.split("-")[0], **options})(x), theirs(other)
    weights = np.cos(np.arange(15)).reshape(3, 5).astype(dtype)
    nbdl.sum(y * weights).backward()
    (expected * torch.tensor(weights)).sum().backward()
    # a few roundings, on the scale of 1 where terms cancel
    tolerance = 20 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(x.grad.numpy(), other.grad.numpy(), rtol=tolerance, atol=tolerance)


def test_softplus_at_extremes():
    assert resolve("activations", "softplus")(POINTS[[0, -1]]).tolist() == [0.0, 1e4]
    assert resolve("activations", "softplus")(np.array([-np.inf, np.inf])).tolist() == [0.0, np.inf]


def test_layers_take_names_mappings_and_functions():
    x = np.array([[-1.0, 2.0]], np.float32)
    for activation in ("relu", {"name": "leaky_relu", "slope": 0.0}, lambda x: nbdl.maximum(x, 0.0)):
        layer = nbdl.nn.Activation(activation)
        assert layer(x).tolist() == [[0.0, 2.0]]
