"""`torch.nn`: convolution and pooling of images `(n, channels, height, width)` and sequences `(n, channels, length)`.

nbdl has the channels last: axes are turned at the border of each layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nbdl import nn
from nbdl.compat.naming import refuse
from nbdl.compat.torch.nn import functional
from nbdl.compat.torch.nn.layers import around
from nbdl.compat.torch.nn.module import Module
from nbdl.tensor import Tensor

Sizes = int | Sequence[int]


class Convolution(Module):
    """What convolutions have in common: `AXES` axes of places, and the channels before them; `NATIVE` does the work."""

    AXES: ClassVar[int]

    NATIVE: ClassVar[type[Any]]

    def set_up(
        self, channels: tuple[int, int], kernel_size: Sizes, bias: bool, options: dict[str, Any], **places: Any
    ) -> None:
        """Make the native layer with PyTorch's starting values, and its parameters.

        Args:
            channels: of inputs and outputs.
            kernel_size: as in PyTorch.
            bias: as in PyTorch.
            options: what PyTorch knows besides; refused if it isn't the default.
            places: options of the native layer.
        """
        refuse(type(self).__name__, options, {"padding_mode": "zeros", "device": None, "dtype": None})
        taps = kernel_size**self.AXES if isinstance(kernel_size, int) else int(np.prod(kernel_size))
        second = channels["output_padding" in places]  # what a weight has in its second axis, for each group
        values = around(taps * (second // places["groups"]))
        start = {"kernel_initializer": values, "bias_initializer": values}
        self.NATIVE.__init__(self, channels[1], kernel_size, use_bias=bias, **places, **start)
        self.make(*[1] * self.AXES, channels[0])

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return the convolved images or sequences."""
        made: Tensor = functional.channels_last(inputs[0], self.AXES, super().forward)
        return made


class Conv2d(Convolution, nn.Conv2D):
    """`nbdl.nn.Conv2D`, with the channels before height and width."""

    AXES = 2
    NATIVE = nn.Conv2D

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Any = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        **options: Any,
    ):
        places = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self.set_up((in_channels, out_channels), kernel_size, bias, options, **places)


class Conv1d(Convolution, nn.Conv1D):
    """`nbdl.nn.Conv1D`, with the channels before the length."""

    AXES = 1
    NATIVE = nn.Conv1D

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: Any = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        **options: Any,
    ):
        places = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self.set_up((in_channels, out_channels), kernel_size, bias, options, **places)


class ConvTranspose2d(Convolution, nn.Conv2DTranspose):
    """`nbdl.nn.Conv2DTranspose`, with the channels before height and width."""

    AXES = 2
    NATIVE = nn.Conv2DTranspose

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Any = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        **options: Any,
    ):
        places = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        places["output_padding"] = output_padding
        self.set_up((in_channels, out_channels), kernel_size, bias, options, **places)


class ConvTranspose1d(Convolution, nn.Conv1DTranspose):
    """`nbdl.nn.Conv1DTranspose`, with the channels before the length."""

    AXES = 1
    NATIVE = nn.Conv1DTranspose

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: Any = 0,
        output_padding: int = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int = 1,
        **options: Any,
    ):
        places = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        places["output_padding"] = output_padding
        self.set_up((in_channels, out_channels), kernel_size, bias, options, **places)


class Pooling(Module):
    """What layers that pool have in common: a function of `torch.nn.functional`."""

    function: Any

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Any = 0, **options: Any):
        self.options = {"kernel_size": kernel_size, "stride": stride, "padding": padding, **options}

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return the pooled images or sequences."""
        made: Tensor = type(self).function(inputs[0], **self.options)
        return made


class MaxPool2d(Pooling):
    """`functional.max_pool2d` as a module."""

    function = staticmethod(functional.max_pool2d)


class MaxPool1d(Pooling):
    """`functional.max_pool1d` as a module."""

    function = staticmethod(functional.max_pool1d)


class AvgPool2d(Pooling):
    """`functional.avg_pool2d` as a module."""

    function = staticmethod(functional.avg_pool2d)


class AvgPool1d(Pooling):
    """`functional.avg_pool1d` as a module."""

    function = staticmethod(functional.avg_pool1d)


class AdaptiveAvgPool2d(Module):
    """`functional.adaptive_avg_pool2d` as a module: to one pixel."""

    def __init__(self, output_size: Any):
        self.output_size = output_size

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return the mean of each channel."""
        return functional.adaptive_avg_pool2d(inputs[0], self.output_size)


class Upsample(Module):
    """Each pixel becomes a block of equal ones."""

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest"):
        refuse("nn.Upsample", {"size": size, "mode": mode}, {"size": None, "mode": "nearest"})
        self.scale_factor = scale_factor

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return the larger images."""
        return functional.interpolate(inputs[0], scale_factor=self.scale_factor)
