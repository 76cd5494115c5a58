"""`torch.nn`: normalisation."""

from __future__ import annotations

from typing import Any

from nbdl import nn
from nbdl.compat.torch.nn import functional
from nbdl.compat.torch.nn.module import Module
from nbdl.errors import ShapeError
from nbdl.nn.inputs import only
from nbdl.tensor import Tensor


class Normalization(Module):
    """PyTorch's names of what a layer has."""

    scale: Any

    @property
    def weight(self) -> Any:
        """What nbdl calls scale."""
        return self.scale


class BatchNorm(Normalization, nn.BatchNorm):
    """`nbdl.nn.BatchNorm` over axis 1, where PyTorch has the channels; scale is what PyTorch calls weight."""

    AXES: tuple[int, ...] = ()

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True):
        # PyTorch's momentum is the share of the new statistics, nbdl's (as Keras') that of the old ones.
        nn.BatchNorm.__init__(self, 1 - momentum, eps, use_scale=affine, use_bias=affine)
        self.num_features = num_features
        self.make(num_features)

    @property
    def running_var(self) -> Any:
        """What nbdl calls running_variance."""
        return self.running_variance

    def forward(self, *inputs: Tensor, **named: Any) -> Tensor:
        """Return x, normalised."""
        x = only(inputs)
        if x.ndim not in self.AXES:
            raise ShapeError(f"{type(self).__name__} takes {' or '.join(map(str, self.AXES))} axes, not {x.ndim}")
        normal = nn.BatchNorm.forward
        return normal(self, x) if x.ndim == 2 else functional.channels_last(x, x.ndim - 2, lambda y: normal(self, y))


class BatchNorm1d(BatchNorm):
    """Batch normalisation of `(n, channels)` or `(n, channels, length)`."""

    AXES = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of images `(n, channels, height, width)`."""

    AXES = (4,)


class LayerNorm(Normalization, nn.LayerNorm):
    """`nbdl.nn.LayerNorm`, over the last axis; scale is what PyTorch calls weight."""

    def __init__(self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5, elementwise_affine: bool = True):
        (size,) = normalized_shape if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
        nn.LayerNorm.__init__(self, eps, use_scale=elementwise_affine, use_bias=elementwise_affine)
        self.make(size)
