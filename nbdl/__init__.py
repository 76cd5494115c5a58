"""nbdl compiles a whole training loop, written in readable Python, to one native program.

>>> import nbdl
>>> from nbdl import nn
>>> net = nn.Sequential(nn.Dense(64, activation="relu"), nn.Dense(10))
"""

from nbdl import functions as _functions
from nbdl import nn, optim, random
from nbdl.functions import *  # noqa: F403
from nbdl.hookspecs import hookimpl
from nbdl.random import set_seed
from nbdl.tensor import Tensor

__version__ = "0.1.0"

__all__ = ["Tensor", "hookimpl", "nn", "optim", "random", "set_seed", *_functions.__all__]
