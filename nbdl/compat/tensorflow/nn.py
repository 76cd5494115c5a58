"""`tf.nn`: activations."""

from typing import Any

from nbdl import activations, functions
from nbdl.compat.naming import missing, renamed

softmax = renamed(functions.softmax, logits="x")
log_softmax = renamed(functions.log_softmax, logits="x")
relu, sigmoid, tanh = (renamed(getattr(activations, name)) for name in ("relu", "sigmoid", "tanh"))

__all__ = ["log_softmax", "relu", "sigmoid", "softmax", "tanh"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
