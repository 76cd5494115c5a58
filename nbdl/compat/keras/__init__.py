"""Keras programs on nbdl: `import nbdl.compat.keras as keras`.

Layers, networks, optimizers, losses, metrics and callbacks are nbdl's, under Keras' names and with Keras' defaults:
`fit` compiles the whole training loop.

>>> from nbdl.compat.keras import Sequential
>>> from nbdl.compat.keras.layers import Dense
>>> model = Sequential([Dense(8, activation="relu", input_shape=(4,)), Dense(3, activation="softmax")])
>>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
>>> model.count_params()
67
"""

from typing import Any

from nbdl import __version__ as _version
from nbdl.compat.keras import (
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    utils,
)
from nbdl.compat.keras.layers import Input
from nbdl.compat.keras.models import Model, Sequential
from nbdl.compat.naming import missing

__version__ = f"{_version}+nbdl"

__all__ = [
    "Input", "Model", "Sequential", "callbacks", "datasets", "initializers", "layers", "losses", "metrics", "models",
    "optimizers", "utils",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
