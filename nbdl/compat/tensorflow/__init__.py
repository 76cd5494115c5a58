"""`import nbdl.compat.tensorflow as tf`, for programs that use `tf.keras` and nothing else of TensorFlow."""

import sys
from typing import Any

from nbdl.compat import keras
from nbdl.compat.naming import missing
from nbdl.compat.tensorflow import random

__all__ = ["keras", "random"]

# `from nbdl.compat.tensorflow.keras.layers import Dense` must give the classes of nbdl.compat.keras, not copies.
for _name, _module in [*sys.modules.items()]:
    if _name.startswith(keras.__name__):
        sys.modules[__name__ + _name.removeprefix("nbdl.compat")] = _module


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
