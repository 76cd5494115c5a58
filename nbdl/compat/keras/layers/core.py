"""`keras.layers`: the plain layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbdl import nn
from nbdl.compat.keras.layers.base import Layer, activation_of, initializer_of
from nbdl.compat.naming import PAGE
from nbdl.errors import OptionError
from nbdl.nn.inputs import only
from nbdl.tensor import Tensor


class Dense(Layer, nn.Dense):
    """`nbdl.nn.Dense`."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ):
        self.begin(**options)
        nn.Dense.__init__(
            self,
            units,
            activation_of(activation),
            use_bias=use_bias,
            kernel_initializer=initializer_of(kernel_initializer),
            bias_initializer=initializer_of(bias_initializer),
        )


class Flatten(Layer, nn.Flatten):
    """`nbdl.nn.Flatten`."""

    def __init__(self, **options: Any):
        self.begin(**options)


class Reshape(Layer):
    """Another shape for each row; one size may be -1."""

    def __init__(self, target_shape: Sequence[int], **options: Any):
        self.begin(**options)
        self.target_shape = tuple(target_shape)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x in the other shape."""
        x = only(inputs)
        return x.reshape(x.shape[0], *self.target_shape)


class Dropout(Layer, nn.Dropout):
    """`nbdl.nn.Dropout`."""

    def __init__(self, rate: float, **options: Any):
        self.begin(**options)
        nn.Dropout.__init__(self, rate)


class Activation(Layer, nn.Activation):
    """`nbdl.nn.Activation`."""

    def __init__(self, activation: Any, **options: Any):
        self.begin(**options)
        nn.Activation.__init__(self, activation_of(activation))


class ReLU(Activation):
    """The activation `relu`, or with a slope `leaky_relu`, as a layer."""

    def __init__(self, negative_slope: float = 0.0, **options: Any):
        super().__init__({"name": "leaky_relu", "slope": negative_slope} if negative_slope else "relu", **options)


class LeakyReLU(ReLU):
    """The activation `leaky_relu` as a layer."""

    def __init__(self, negative_slope: float = 0.3, **options: Any):
        super().__init__(negative_slope, **options)


class Softmax(Activation):
    """The activation `softmax`, over the last axis, as a layer."""

    def __init__(self, **options: Any):
        super().__init__("softmax", **options)


class BatchNormalization(Layer, nn.BatchNorm):
    """`nbdl.nn.BatchNorm`, over the last axis, with Keras' defaults."""

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **options: Any,
    ):
        _check_axis(type(self).__name__, axis)
        self.begin(**options)
        nn.BatchNorm.__init__(self, momentum, epsilon, use_scale=scale, use_bias=center)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x, normalised; by its running statistics if it isn't trained, as in Keras."""
        with self.mode(self.training and self.trainable):
            return nn.BatchNorm.forward(self, *inputs)


class LayerNormalization(Layer, nn.LayerNorm):
    """`nbdl.nn.LayerNorm`, over the last axis, with Keras' defaults."""

    def __init__(self, axis: int = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **options: Any):
        _check_axis(type(self).__name__, axis)
        self.begin(**options)
        nn.LayerNorm.__init__(self, epsilon, use_scale=scale, use_bias=center)


def _check_axis(name: str, axis: int) -> None:
    if axis != -1:
        raise OptionError(f"{name} covers axis=-1 only, not {axis}: channels come last ({PAGE})")


class Input:
    """The shape of a row, as the first entry of a `Sequential`."""

    def __init__(self, shape: Sequence[int] | None = None, *, input_shape: Sequence[int] | None = None, **others: Any):
        given = shape if shape is not None else input_shape
        if given is None:
            raise OptionError("Input needs the shape of a row: Input(shape=(784,))")
        self.input_shape = tuple(given)


InputLayer = Input
