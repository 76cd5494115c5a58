"""PyTorch programs on nbdl: `import nbdl.compat.torch as torch`.

Tensors are nbdl's lazy ones, modules are nbdl's modules, optimizers nbdl's: an explicit loop of `zero_grad`, `backward`
and `step` is interpreted at first, and runs as a native program once the same step has come back a few times.

>>> import nbdl.compat.torch as torch
>>> x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from nbdl import __version__ as _version
from nbdl.compat.naming import missing
from nbdl.compat.torch import cuda, functions, making, nn, optim, utils
from nbdl.compat.torch.devices import Device
from nbdl.compat.torch.exchange import export_state, import_state
from nbdl.compat.torch.functions import *  # noqa: F403
from nbdl.compat.torch.making import *  # noqa: F403
from nbdl.compat.torch.saving import load, save
from nbdl.compat.torch.tensors import Tensor, enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from nbdl.tensor import Tensor as _NativeTensor

device = Device
inference_mode = no_grad
concat = cat  # noqa: F405
Size = tuple
__version__ = f"{_version}+nbdl"

float32 = float = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
int32 = int = np.dtype(np.int32)
int64 = long = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
bool = np.dtype(np.bool_)

backends = SimpleNamespace(cudnn=SimpleNamespace(), mps=SimpleNamespace(is_available=lambda: False))


def is_tensor(x: Any) -> Any:
    """Whether something is a tensor."""
    return isinstance(x, _NativeTensor)


def FloatTensor(data: Any = ()) -> Tensor:  # noqa: N802 - PyTorch's name
    """A float32 tensor."""
    return tensor(data, float32)  # noqa: F405


def LongTensor(data: Any = ()) -> Tensor:  # noqa: N802 - PyTorch's name
    """An int64 tensor."""
    return tensor(data, int64)  # noqa: F405


__all__ = [
    *functions.__all__, *making.__all__, "FloatTensor", "LongTensor", "Size", "Tensor", "backends", "bool", "concat",
    "cuda", "device", "double", "enable_grad", "export_state", "float", "float32", "float64", "import_state",
    "inference_mode", "int", "int32", "int64", "is_grad_enabled", "is_tensor", "load", "long", "nn", "no_grad", "optim",
    "save", "set_grad_enabled", "uint8", "utils",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
