"""`torch.nn`: the plain layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl import nn
from nbdl.compat.naming import refuse
from nbdl.compat.torch import functions
from nbdl.compat.torch.nn.module import Module
from nbdl.nn.inputs import only
from nbdl.tensor import Tensor


def around(inputs: int) -> dict[str, Any]:
    """PyTorch's starting values of weights and biases: evenly distributed within 1 / sqrt(inputs)."""
    bound = 1 / np.sqrt(max(inputs, 1))
    return {"name": "uniform", "low": -bound, "high": bound}


class Linear(Module, nn.Dense):
    """`nbdl.nn.Dense`: x @ weight + bias, with the weight `(in_features, out_features)` (PyTorch keeps its transpose).

    >>> Linear(3, 2)(np.ones((4, 3), np.float32)).shape
    (4, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None):
        refuse("nn.Linear", {"device": device, "dtype": dtype}, {"device": None, "dtype": None})
        start = around(in_features)
        nn.Dense.__init__(self, out_features, use_bias=bias, kernel_initializer=start, bias_initializer=start)
        self.in_features, self.out_features = in_features, out_features
        self.make(in_features)

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return x @ weight + bias; x may be a single row."""
        x = only(inputs)
        return nn.Dense.forward(self, x) if x.ndim > 1 else nn.Dense.forward(self, x.reshape(1, -1))[0]


class Flatten(Module):
    """Several axes become one; those from the second on, if nothing else is said."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return x with fewer axes."""
        x = only(inputs)
        return functions.flatten(x, self.start_dim, self.end_dim)


class Unflatten(Module):
    """One axis becomes several."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return x with more axes."""
        x = only(inputs)
        dim = self.dim % x.ndim
        return functions.reshape(x, (*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :]))


class Identity(Module):
    """Nothing: y = x, whatever it was made with."""

    def __init__(self, *args: Any, **options: Any): ...

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return x."""
        return inputs[0]


class Dropout(Module, nn.Dropout):
    """`nbdl.nn.Dropout`, with PyTorch's name of the rate."""

    def __init__(self, p: float = 0.5, inplace: bool = False):
        nn.Dropout.__init__(self, p)


class Embedding(Module, nn.Embedding):
    """`nbdl.nn.Embedding`; with `padding_idx` the vectors of that token are zeros, and stay so."""

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None):
        nn.Embedding.__init__(self, num_embeddings, embedding_dim, {"name": "normal", "std": 1.0})
        self.padding_idx = padding_idx
        self.make()

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return the vectors of the tokens."""
        vectors: Tensor = nn.Embedding.forward(self, *inputs)
        if self.padding_idx is None:
            return vectors
        return vectors * (inputs[0] != self.padding_idx).astype(vectors.dtype).reshape(*inputs[0].shape, 1)
