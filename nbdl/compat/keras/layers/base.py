"""What Keras' layers have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nbdl import nn
from nbdl.compat.keras.names import ACTIVATIONS, INITIALIZERS, native
from nbdl.compat.naming import refuse
from nbdl.errors import OptionError
from nbdl.nn.initializers import Initializer
from nbdl.nn.layers import ActivationLike

REFUSED = {
    "activity_regularizer": None,
    "bias_constraint": None,
    "bias_regularizer": None,
    "data_format": "channels_last",
    "dtype": "float32",
    "kernel_constraint": None,
    "kernel_regularizer": None,
    "seed": None,
}
"""Options of Keras' layers that are covered at their defaults only."""


class Layer(nn.Module):
    """A native layer with the options that all of Keras' layers take.

    A subclass lists the native layer second, calls `begin` with what it doesn't know itself, and then the native
    constructor.
    """

    training: bool = False
    """As in Keras, a layer that is called outside of `fit` doesn't train."""

    input_shape: tuple[int, ...] | None = None
    """The shape of a row, if the layer was made with it: `input_shape=...` or `input_dim=...`."""

    def begin(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        **others: Any,
    ) -> None:
        """Take the options that all layers have, and refuse others."""
        refuse(type(self).__name__, others, REFUSED)
        self._label = name or ""
        self.trainable = trainable
        if input_dim is not None:
            self.input_shape = (input_dim,)
        if input_shape is not None:
            self.input_shape = tuple(input_shape)

    def __call__(self, *inputs: Any, training: Any = None, **named: Any) -> Any:
        """Return the output; `training` says whether it is that of training, None what the network is just doing."""
        if len(inputs) > 1 and isinstance(inputs[-1], bool):  # it may be given by its place
            *inputs, training = inputs  # type: ignore[assignment]
        if training is None:
            return super().__call__(*inputs, **named)
        with self.mode(bool(training)):
            return super().__call__(*inputs, **named)

    @contextmanager
    def mode(self, training: bool) -> Iterator[None]:
        """Inside, the layer and all in it do what they do in training, or outside of it."""
        own, before = self.training, [(module, module.training) for module in self.modules()]
        self.train(training)
        try:
            yield
        finally:
            self.train(own)  # also what was built inside
            for module, mode in before:
                module.training = mode

    @property
    def name(self) -> str:
        """The layer's name: the one it was given, or its place in the network."""
        return self._label or type(self).__name__.lower()

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all parameters."""
        return list(self.state_dict().values())

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Set all parameters. Raises `OptionError` or `ShapeError` if they don't fit."""
        names = list(self.state_dict())
        if len(names) != len(weights):
            raise OptionError(f"there are {len(names)} arrays of weights ({', '.join(names)}), not {len(weights)}")
        self.load_state_dict({name: np.asarray(array) for name, array in zip(names, weights, strict=True)})

    def count_params(self) -> int:
        """The number of parameters' elements."""
        return sum(array.size for array in self.state_dict().values())


def activation_of(given: Any) -> ActivationLike:
    """nbdl's activation for what Keras takes."""
    found: ActivationLike = native(ACTIVATIONS, given)
    return found


def initializer_of(given: Any) -> Initializer:
    """nbdl's initializer for what Keras takes."""
    found: Initializer = native(INITIALIZERS, given)
    return found
