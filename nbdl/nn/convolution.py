"""Convolutional layers for images (n, height, width, channels) and sequences (n, time, channels)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from nbdl import images
from nbdl.errors import OptionError, ShapeError
from nbdl.ir.shapes import Shape, show_shape
from nbdl.nn.initializers import Initializer, initialize
from nbdl.nn.inputs import only
from nbdl.nn.layers import ActivationLike, resolve_activation
from nbdl.nn.module import Module, Parameter
from nbdl.options import check_whole
from nbdl.tensor import Tensor
from nbdl.windows import FlatPadding, Padding, Sizes, flat_padding, pair, resolve_padding


class _Convolution(Module):
    """What the layers have in common. Subclasses set `rank`, the number of axes that the kernel goes along, and the
    function `convolve`.
    """

    rank: ClassVar[int]
    convolve: ClassVar[Callable[..., Tensor]]
    weight: Parameter
    bias: Parameter | None
    stride: Any
    padding: Any
    dilation: Any

    def _set_up(
        self,
        filters: int,
        kernel: tuple[int, ...],
        activation: ActivationLike,
        use_bias: bool,
        groups: int,
        initializers: tuple[Initializer, Initializer],
    ) -> None:
        name = type(self).__name__
        self.filters = check_whole(f"filters of {name}", filters, 1)
        self.groups = check_whole(f"groups of {name}", groups, 1)
        if filters % groups:
            raise OptionError(f"{name}: {filters} filters can't be shared out among {groups} groups")
        self.kernel = kernel
        self.activation = resolve_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = initializers

    def build(self, *shapes: Shape) -> None:
        """Make the weight and the bias for inputs `(n, ..., channels)`."""
        self.channels = self._channels(shapes[0])
        self.weight = self._weight(self.channels)
        self.bias = self.parameter("bias", (self.filters,), self.bias_initializer) if self.use_bias else None

    def _weight(self, channels: int) -> Parameter:
        shape = (*self.kernel, channels // self.groups, self.filters)
        return self.parameter("weight", shape, self.kernel_initializer)

    def _channels(self, shape: Shape) -> int:
        """The channels of an input; refuses what isn't one."""
        channels = shape[-1] if len(shape) == self.rank + 2 else None
        if not isinstance(channels, int):
            layout = images.IMAGE if self.rank == 2 else images.SEQUENCE
            hint = ": one without channels gets them by x[..., None]" if len(shape) == self.rank + 1 else ""
            raise ShapeError(f"{type(self).__name__} takes {layout}, not {show_shape(shape)}{hint}")
        if channels % self.groups:
            raise ShapeError(f"{channels} channels can't be shared out among {self.groups} groups")
        return channels

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return activation(convolution of x + bias)."""
        x = only(inputs)
        if self._channels(x.shape) != self.channels:
            raise ShapeError(f"it was built for {self.channels} channels, not for those of {show_shape(x.shape)}")
        y = self.convolve(x, self.weight, groups=self.groups, **self._placing())
        return self.activation(y if self.bias is None else y + self.bias)

    def _placing(self) -> dict[str, Any]:
        """What the function is told of where the kernel goes."""
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}


class Conv2D(_Convolution):
    """Convolution of images: the same small weights at every place.

    y = activation(conv2d(x, weight) + bias), with x `(n, height, width, channels)`, weight `(kernel height, kernel
    width, channels / groups, filters)`, bias `(filters,)` and y `(n, (height + padding - reach) // stride + 1, ...,
    filters)`, where reach = (kernel - 1) * dilation + 1.

    Args:
        filters: number of outputs at each place.
        kernel_size: height and width of the kernel, one number for both or a pair.
        activation: a name, a mapping with `name` and options, a function, or None.
        stride: pixels from one place of the kernel to the next.
        padding: "valid" for none, "same" for ceil(size / stride) places, a number of zeros for all sides, (height,
            width), or ((top, bottom), (left, right)).
        dilation: pixels from one tap of the kernel to the next.
        groups: parts of the channels and filters that don't see each other.
        use_bias: whether a bias is added.
        kernel_initializer: starting values of the weight.
        bias_initializer: starting values of the bias.

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't an image with the right channels, or is smaller than the kernel.

    >>> import numpy as np
    >>> Conv2D(8, 3)(np.ones((2, 28, 28, 1), np.float32)).shape
    (2, 26, 26, 8)

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86 (1998).
    """

    rank = 2
    convolve = staticmethod(images.conv2d)

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes = 3,
        activation: ActivationLike = None,
        *,
        stride: Sizes = 1,
        padding: Padding = "valid",
        dilation: Sizes = 1,
        groups: int = 1,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
    ):
        kernel = pair("kernel_size", kernel_size)
        self._set_up(filters, kernel, activation, use_bias, groups, (kernel_initializer, bias_initializer))
        self.stride, self.dilation = pair("stride", stride), pair("dilation", dilation)
        resolve_padding(padding, kernel, kernel, self.stride, self.dilation)  # refuses what isn't one
        self.padding = padding


class Conv1D(_Convolution):
    """Convolution of sequences: the same small weights at every step.

    y = activation(conv1d(x, weight) + bias), with x `(n, time, channels)`, weight `(kernel, channels / groups,
    filters)`, bias `(filters,)` and y `(n, (time + padding - reach) // stride + 1, filters)`.

    Args:
        filters: number of outputs at each step.
        kernel_size: length of the kernel.
        activation: a name, a mapping with `name` and options, a function, or None.
        stride: steps from one place of the kernel to the next.
        padding: "valid" for none, "same" for ceil(time / stride) places, a number of zeros for both ends, or (before,
            behind): (kernel_size - 1, 0) looks at the past only.
        dilation: steps from one tap of the kernel to the next.
        groups: parts of the channels and filters that don't see each other.
        use_bias: whether a bias is added.
        kernel_initializer: starting values of the weight.
        bias_initializer: starting values of the bias.

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't a sequence with the right channels, or is shorter than the kernel.

    >>> import numpy as np
    >>> Conv1D(8, 3, padding="same")(np.ones((2, 50, 4), np.float32)).shape
    (2, 50, 8)

    Source: Waibel et al., Phoneme Recognition Using Time-Delay Neural Networks, IEEE Transactions on Acoustics, Speech,
    and Signal Processing 37 (1989).
    """

    rank = 1
    convolve = staticmethod(images.conv1d)

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        activation: ActivationLike = None,
        *,
        stride: int = 1,
        padding: FlatPadding = "valid",
        dilation: int = 1,
        groups: int = 1,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
    ):
        _, kernel = images.flat_pair("kernel_size", kernel_size)
        self._set_up(filters, (kernel,), activation, use_bias, groups, (kernel_initializer, bias_initializer))
        _, self.stride = images.flat_pair("stride", stride)
        _, self.dilation = images.flat_pair("dilation", dilation)
        resolve_padding(flat_padding(padding), (1, kernel), (1, kernel), (1, 1), (1, 1))  # refuses what isn't one
        self.padding = padding


class _Transposed(_Convolution):
    """A layer whose weight has the filters before the channels: the convolution goes from the result to the input."""

    output_padding: Any

    def _weight(self, channels: int) -> Parameter:
        shape = (*self.kernel, self.filters // self.groups, channels)

        def turned(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
            """Starting values for as many inputs and outputs as this layer has."""
            ordered = (*shape[:-2], shape[-1], shape[-2])
            return np.swapaxes(initialize(self.kernel_initializer, rng, ordered, np.dtype(dtype)), -1, -2)

        return self.parameter("weight", shape, turned)

    def _placing(self) -> dict[str, Any]:
        return {**super()._placing(), "output_padding": self.output_padding}


class Conv2DTranspose(_Transposed):
    """Transposed convolution: makes images larger, by what the gradient of a convolution does.

    Each pixel adds its channels, times the weights, to the pixels under the kernel. With x `(n, height, width,
    channels)`, weight `(kernel height, kernel width, filters / groups, channels)` and bias `(filters,)` the result is
    `(n, (height - 1) * stride + reach - padding + output_padding, ..., filters)`; with "same" it is `(n, height *
    stride, ..., filters)`.

    Args:
        filters: number of outputs at each pixel of the result.
        kernel_size: height and width of the kernel, one number for both or a pair.
        activation: a name, a mapping with `name` and options, a function, or None.
        stride: pixels of the result from one pixel of the input to the next.
        padding: pixels cut off at the edges of the result, as for `Conv2D`.
        output_padding: pixels added to the result below and on the right, less than the stride.
        dilation: pixels from one tap of the kernel to the next.
        groups: parts of the channels and filters that don't see each other.
        use_bias: whether a bias is added.
        kernel_initializer: starting values of the weight.
        bias_initializer: starting values of the bias.

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't an image with the right channels, or nothing is left of the result.

    >>> import numpy as np
    >>> Conv2DTranspose(4, 3, stride=2, padding="same")(np.ones((2, 7, 7, 16), np.float32)).shape
    (2, 14, 14, 4)

    Source: Zeiler et al., Deconvolutional Networks, CVPR 2010.
    """

    rank = 2
    convolve = staticmethod(images.conv2d_transpose)

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes = 3,
        activation: ActivationLike = None,
        *,
        stride: Sizes = 1,
        padding: Padding = "valid",
        output_padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
    ):
        kernel = pair("kernel_size", kernel_size)
        self._set_up(filters, kernel, activation, use_bias, groups, (kernel_initializer, bias_initializer))
        self.stride, self.dilation = pair("stride", stride), pair("dilation", dilation)
        self.output_padding = pair("output_padding", output_padding, 0)
        resolve_padding(padding, kernel, kernel, self.stride, self.dilation)  # refuses what isn't one
        self.padding = padding


class Conv1DTranspose(_Transposed):
    """Transposed convolution of sequences: see `Conv2DTranspose`.

    With x `(n, time, channels)`, weight `(kernel, filters / groups, channels)` and bias `(filters,)` the result is `(n,
    (time - 1) * stride + reach - padding + output_padding, filters)`; with "same" it is `(n, time * stride, filters)`.

    Args:
        filters: number of outputs at each step of the result.
        kernel_size: length of the kernel.
        activation: a name, a mapping with `name` and options, a function, or None.
        stride: steps of the result from one step of the input to the next.
        padding: steps cut off at the ends of the result, as for `Conv1D`.
        output_padding: steps added at the end of the result, less than the stride.
        dilation: steps from one tap of the kernel to the next.
        groups: parts of the channels and filters that don't see each other.
        use_bias: whether a bias is added.
        kernel_initializer: starting values of the weight.
        bias_initializer: starting values of the bias.

    Raises:
        OptionError: an option has a value that there can't be.
        ShapeError: the input isn't a sequence with the right channels, or nothing is left of the result.

    >>> import numpy as np
    >>> Conv1DTranspose(4, 4, stride=2, padding=1)(np.ones((2, 10, 8), np.float32)).shape
    (2, 20, 4)

    Source: Zeiler et al., Deconvolutional Networks, CVPR 2010.
    """

    rank = 1
    convolve = staticmethod(images.conv1d_transpose)

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        activation: ActivationLike = None,
        *,
        stride: int = 1,
        padding: FlatPadding = "valid",
        output_padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
    ):
        _, kernel = images.flat_pair("kernel_size", kernel_size)
        self._set_up(filters, (kernel,), activation, use_bias, groups, (kernel_initializer, bias_initializer))
        _, self.stride = images.flat_pair("stride", stride)
        _, self.dilation = images.flat_pair("dilation", dilation)
        _, self.output_padding = pair("output_padding", output_padding, 0)
        resolve_padding(flat_padding(padding), (1, kernel), (1, kernel), (1, 1), (1, 1))  # refuses what isn't one
        self.padding = padding
