"""`import nbdl.compat.tensorflow as tf`, for programs that use `tf.keras` and little else of TensorFlow."""

import sys
from typing import Any

from nbdl.compat import keras
from nbdl.compat.naming import missing
from nbdl.compat.tensorflow import nn, random
from nbdl.functions import broadcast_to
from nbdl.tensor import Tensor

__all__ = ["Tensor", "constant", "keras", "nn", "random"]

__version__ = keras.__version__

# `from nbdl.compat.tensorflow.keras.layers import Dense` must give the classes of nbdl.compat.keras, not copies.
for _name, _module in [*sys.modules.items()]:
    if _name.startswith(keras.__name__):
        sys.modules[__name__ + _name.removeprefix("nbdl.compat")] = _module


def constant(value: Any, dtype: Any = None, shape: Any = None) -> Tensor:
    """A tensor of nbdl's; with a shape, the value or values in that shape."""
    made = Tensor(value, dtype)
    if shape is None:
        return made
    return broadcast_to(made, shape) if made.size == 1 else made.reshape(*shape)


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
