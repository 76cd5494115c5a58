"""Normalisation: over the batch, over the channels of a position, or by their size alone."""

from __future__ import annotations

from nbdl import functions
from nbdl.errors import OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import Shape, show_shape
from nbdl.nn.module import Module, Parameter
from nbdl.tensor import Tensor


class _Normalization(Module):
    """What the layers have in common: the channels, and what they are multiplied by and moved by in the end."""

    scale: Parameter | None
    bias: Parameter | None

    def _set_up(self, epsilon: float, use_scale: bool, use_bias: bool) -> None:
        if not epsilon > 0:
            raise OptionError(f"{type(self).__name__} takes a positive epsilon, not {epsilon}")
        self.epsilon = epsilon
        self.use_scale = use_scale
        self.use_bias = use_bias

    def build(self, *shapes: Shape) -> None:
        """Make scale and bias for inputs `(rows, ..., channels)`."""
        self.channels = _channels(shapes[0])
        self.scale = self.parameter("scale", (self.channels,), "ones") if self.use_scale else None
        self.bias = self.parameter("bias", (self.channels,), "zeros") if self.use_bias else None

    def _checked(self, x: Tensor) -> Tensor:
        if x.shape[-1:] != (self.channels,):
            raise ShapeError(
                f"it was built for {self.channels} channels in the last axis, not for {show_shape(x.shape)}"
            )
        return x

    def _scaled(self, x: Tensor) -> Tensor:
        y = x if self.scale is None else x * self.scale
        return y if self.bias is None else y + self.bias


class BatchNorm(_Normalization):
    """Batch normalisation: each channel (last axis) has mean 0 and variance 1 over the batch, then scale and bias.

    y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with x and y `(rows, ..., channels)` and mean, variance,
    scale and bias `(channels,)`. While training, mean and variance are those of the batch, over all axes but the last
    and over all workers, and gradients flow through them; `running_mean` and `running_variance` (without bias: divided
    by count - 1) follow them, and take their place outside of training.

    Args:
        momentum: share of the running statistics that each step keeps, from 0 to 1.
        epsilon: added to the variance.
        use_scale: whether there is a trained scale.
        use_bias: whether there is a trained bias.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: the input has no channels, or other ones than the layer was built with.

    >>> import numpy as np
    >>> BatchNorm().train()(np.array([[1.0], [3.0]], np.float32)).numpy().round(3)
    array([[-1.],
           [ 1.]], dtype=float32)

    Source: Ioffe, Szegedy, Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift, ICML 2015.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, *, use_scale: bool = True, use_bias: bool = True):
        if not 0 <= momentum <= 1:
            raise OptionError(f"BatchNorm takes a momentum from 0 to 1 (the share that is kept), not {momentum}")
        self._set_up(epsilon, use_scale, use_bias)
        self.momentum = momentum

    def build(self, *shapes: Shape) -> None:
        """Make scale, bias and running statistics for inputs `(rows, ..., channels)`."""
        super().build(*shapes)
        self.running_mean = self.parameter("running_mean", (self.channels,), "zeros", trainable=False)
        self.running_variance = self.parameter("running_variance", (self.channels,), "ones", trainable=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x, normalised."""
        x = self._checked(*inputs)
        if not self.training:
            factor = self._factor(self.running_variance)
            offset = -self.running_mean * factor
            return x * factor + (offset if self.bias is None else self.bias + offset)
        axes = tuple(range(x.ndim - 1))
        mean = functions.mean(x, axes)
        fixed = functions.stop_gradient(mean)
        # The derivative of the variance by the mean is 0, so none is asked for.
        variance = functions.mean(functions.square(x - fixed), axes)
        self._follow(x, mean, variance)
        factor = self._factor(variance)
        # The second term is 0 and carries the mean's gradient, a sum that the bias needs as well: the way back has two
        # sums over the batch instead of three.
        offset = (fixed - mean) * factor
        return (x - fixed) * factor + (offset if self.bias is None else self.bias + offset)

    def _factor(self, variance: Tensor) -> Tensor:
        factor = 1 / functions.sqrt(variance + self.epsilon)
        return factor if self.scale is None else factor * self.scale

    def _follow(self, x: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics a step towards those of the batch."""
        axes = tuple(range(x.ndim - 1))
        count = Tensor.wrap(ops.count(x.shape, axes, x.dtype))
        unbiased = variance * (count / functions.maximum(count - 1, 1.0))
        for running, now in ((self.running_mean, mean), (self.running_variance, unbiased)):
            running.assign(running * self.momentum + functions.stop_gradient(now) * (1 - self.momentum))


class LayerNorm(_Normalization):
    """Layer normalisation: the channels (last axis) of each position have mean 0 and variance 1, then scale and bias.

    y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with x and y `(rows, ..., channels)`, mean and variance
    `(rows, ..., 1)`, scale and bias `(channels,)`.

    Args:
        epsilon: added to the variance.
        use_scale: whether there is a trained scale.
        use_bias: whether there is a trained bias.

    Raises:
        OptionError: an epsilon that isn't positive.
        ShapeError: the input has no channels, or other ones than the layer was built with.

    >>> import numpy as np
    >>> LayerNorm()(np.array([[1.0, 3.0]], np.float32)).numpy().round(3)
    array([[-1.,  1.]], dtype=float32)

    Source: Ba, Kiros, Hinton, Layer Normalization, arXiv:1607.06450 (2016).
    """

    def __init__(self, epsilon: float = 1e-5, *, use_scale: bool = True, use_bias: bool = True):
        self._set_up(epsilon, use_scale, use_bias)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x, normalised."""
        x = self._checked(*inputs)
        mean = functions.mean(x, -1, keepdims=True)
        # The derivative of the variance by the mean is 0, so none is asked for.
        variance = functions.mean(functions.square(x - functions.stop_gradient(mean)), -1, keepdims=True)
        return self._scaled((x - mean) * (1 / functions.sqrt(variance + self.epsilon)))


class RMSNorm(_Normalization):
    """Root mean square normalisation: the channels (last axis) of each position have a mean square of 1, then a scale.

    y = x / sqrt(mean(x**2) + epsilon) * scale, with x and y `(rows, ..., channels)` and scale `(channels,)`.

    Args:
        epsilon: added to the mean square.
        use_scale: whether there is a trained scale.

    Raises:
        OptionError: an epsilon that isn't positive.
        ShapeError: the input has no channels, or other ones than the layer was built with.

    >>> import numpy as np
    >>> RMSNorm()(np.array([[3.0, 3.0]], np.float32)).numpy().round(3)
    array([[1., 1.]], dtype=float32)

    Source: Zhang, Sennrich, Root Mean Square Layer Normalization, NeurIPS 2019.
    """

    def __init__(self, epsilon: float = 1e-5, *, use_scale: bool = True):
        self._set_up(epsilon, use_scale, use_bias=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x, normalised."""
        x = self._checked(*inputs)
        square = functions.mean(functions.square(x), -1, keepdims=True)
        return self._scaled(x * (1 / functions.sqrt(square + self.epsilon)))


def _channels(shape: Shape) -> int:
    """The size of the last axis, which must not be the batch."""
    if len(shape) < 2 or not isinstance(shape[-1], int):
        raise ShapeError(
            f"it takes (rows, ..., channels), not {show_shape(shape)}; put a batch axis in front of a single row"
        )
    return shape[-1]
