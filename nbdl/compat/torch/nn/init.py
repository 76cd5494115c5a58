"""`torch.nn.init`: starting values by nbdl's initializers; they change parameters in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.compat.torch.tensors import set_value
from nbdl.ir import ops
from nbdl.nn.initializers import initialize
from nbdl.random import generator


def _fill(tensor: Any, name: str, **options: Any) -> Any:
    values = initialize({"name": name, **options}, generator(), tuple(tensor.shape), np.dtype(tensor.dtype))
    set_value(getattr(tensor, "owner", tensor), ops.value(values))
    return tensor


def zeros_(tensor: Any) -> Any:
    """All 0."""
    return _fill(tensor, "zeros")


def ones_(tensor: Any) -> Any:
    """All 1."""
    return _fill(tensor, "ones")


def constant_(tensor: Any, val: float) -> Any:
    """One value everywhere."""
    return _fill(tensor, "constant", value=val)


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0) -> Any:
    """Evenly distributed from `a` to `b`."""
    return _fill(tensor, "uniform", low=a, high=b)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    """Normally distributed."""
    return _fill(tensor, "normal", mean=mean, std=std)


def xavier_uniform_(tensor: Any) -> Any:
    """Glorot's: uniform with variance 2 / (inputs + outputs)."""
    return _fill(tensor, "glorot_uniform")


def xavier_normal_(tensor: Any) -> Any:
    """Glorot's: normal with variance 2 / (inputs + outputs)."""
    return _fill(tensor, "glorot_normal")


def kaiming_uniform_(tensor: Any, nonlinearity: str = "relu") -> Any:
    """He's: uniform with variance 2 / inputs."""
    return _fill(tensor, "he_uniform")


def kaiming_normal_(tensor: Any, nonlinearity: str = "relu") -> Any:
    """He's: normal with variance 2 / inputs."""
    return _fill(tensor, "he_normal")


def orthogonal_(tensor: Any, gain: float = 1.0) -> Any:
    """Orthogonal rows or columns."""
    return _fill(tensor, "orthogonal", gain=gain)
