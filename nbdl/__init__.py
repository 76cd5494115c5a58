"""nbdl compiles a whole training loop, written in readable Python, to one native program.

>>> import nbdl
>>> from nbdl import nn
>>> net = nn.Sequential(nn.Dense(64, activation="relu"), nn.Dense(10))

Names are imported when they are first used: the command line starts without NumPy, and `import nbdl` without Numba.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbdl import activations, data, losses, nn, optim, random, train
    from nbdl.custom import op
    from nbdl.functions import *  # noqa: F403
    from nbdl.hookspecs import hookimpl
    from nbdl.images import conv1d, conv1d_transpose, conv2d, conv2d_transpose
    from nbdl.jitting import jit
    from nbdl.pooling import (
        average_pool1d,
        average_pool2d,
        global_average_pool,
        global_max_pool,
        max_pool1d,
        max_pool2d,
        upsample1d,
        upsample2d,
        zero_pad2d,
    )
    from nbdl.random import set_seed
    from nbdl.recurrence import scan
    from nbdl.tensor import Tensor
    from nbdl.train.saving import load
    from nbdl.transforms import grad, value_and_grad
    from nbdl.vectorizing import vmap

__version__ = "0.1.0"

_HOMES = {
    "Tensor": "nbdl.tensor",
    "grad": "nbdl.transforms",
    "hookimpl": "nbdl.hookspecs",
    "jit": "nbdl.jitting",
    "load": "nbdl.train.saving",
    "op": "nbdl.custom",
    "scan": "nbdl.recurrence",
    "set_seed": "nbdl.random",
    "value_and_grad": "nbdl.transforms",
    "vmap": "nbdl.vectorizing",
    **dict.fromkeys("conv1d conv1d_transpose conv2d conv2d_transpose".split(), "nbdl.images"),
    **dict.fromkeys(
        "average_pool1d average_pool2d global_average_pool global_max_pool max_pool1d max_pool2d upsample1d "
        "upsample2d zero_pad2d".split(),
        "nbdl.pooling",
    ),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif not name.startswith("_") and find_spec(f"nbdl.{name}") is not None:
        return import_module(f"nbdl.{name}")
    elif name == "__all__" or name in import_module("nbdl.functions").__all__:
        functions = import_module("nbdl.functions")
        value = (
            [*_HOMES, "activations", "losses", "nn", "optim", "random", *functions.__all__]
            if name == "__all__"
            else getattr(functions, name)
        )
    else:
        raise AttributeError(f"module 'nbdl' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
