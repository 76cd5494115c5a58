"""`keras.layers`: convolution and pooling, with Keras' names of options."""

from __future__ import annotations

from typing import Any

from nbdl import nn
from nbdl.compat.keras.layers.base import Layer, activation_of, initializer_of
from nbdl.compat.naming import refuse


class Convolution(Layer):
    """What convolutions have in common: how options are translated."""

    NAMES = {"strides": "stride", "dilation_rate": "dilation"}  # noqa: RUF012 - never changed
    KNOWN = ("groups", "use_bias", "output_padding")

    def translated(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options of the native layer; the rest is for all layers, or refused."""
        told: dict[str, Any] = {"padding": options.pop("padding", "valid")}
        for name in [each for each in options if each in self.NAMES or each in self.KNOWN]:
            told[self.NAMES.get(name, name)] = options.pop(name)
        for name in ("kernel_initializer", "bias_initializer"):
            if name in options:
                told[name] = initializer_of(options.pop(name))
        told["activation"] = activation_of(options.pop("activation", None))
        self.begin(**options)
        if told.get("output_padding", 0) is None:  # Keras' default: as large as the stride allows
            del told["output_padding"]
        return told


class Conv2D(Convolution, nn.Conv2D):
    """`nbdl.nn.Conv2D`."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **options: Any):
        told = self.translated({"strides": strides, "padding": padding, **options})
        nn.Conv2D.__init__(self, filters, kernel_size, **told)


class Conv1D(Convolution, nn.Conv1D):
    """`nbdl.nn.Conv1D`; the padding `causal` looks at the past only."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **options: Any):
        if padding == "causal":
            (taps,) = kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size,)
            padding = ((taps - 1) * options.get("dilation_rate", 1), 0)  # type: ignore[assignment]
        told = self.translated({"strides": strides, "padding": padding, **options})
        nn.Conv1D.__init__(self, filters, kernel_size, **told)


class Conv2DTranspose(Convolution, nn.Conv2DTranspose):
    """`nbdl.nn.Conv2DTranspose`."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **options: Any):
        told = self.translated({"strides": strides, "padding": padding, **options})
        nn.Conv2DTranspose.__init__(self, filters, kernel_size, **told)


class Conv1DTranspose(Convolution, nn.Conv1DTranspose):
    """`nbdl.nn.Conv1DTranspose`."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **options: Any):
        told = self.translated({"strides": strides, "padding": padding, **options})
        nn.Conv1DTranspose.__init__(self, filters, kernel_size, **told)


class MaxPooling2D(Layer, nn.MaxPool2D):
    """`nbdl.nn.MaxPool2D`."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: Any = "valid", **options: Any):
        self.begin(**options)
        nn.MaxPool2D.__init__(self, pool_size, stride=strides, padding=padding)


class MaxPooling1D(Layer, nn.MaxPool1D):
    """`nbdl.nn.MaxPool1D`."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: Any = "valid", **options: Any):
        self.begin(**options)
        nn.MaxPool1D.__init__(self, pool_size, stride=strides, padding=padding)


class AveragePooling2D(Layer, nn.AveragePool2D):
    """`nbdl.nn.AveragePool2D`."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: Any = "valid", **options: Any):
        self.begin(**options)
        nn.AveragePool2D.__init__(self, pool_size, stride=strides, padding=padding)


class AveragePooling1D(Layer, nn.AveragePool1D):
    """`nbdl.nn.AveragePool1D`."""

    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: Any = "valid", **options: Any):
        self.begin(**options)
        nn.AveragePool1D.__init__(self, pool_size, stride=strides, padding=padding)


class GlobalAveragePooling2D(Layer, nn.GlobalAveragePool):
    """`nbdl.nn.GlobalAveragePool`."""

    def __init__(self, **options: Any):
        self.begin(**options)


class GlobalMaxPooling2D(Layer, nn.GlobalMaxPool):
    """`nbdl.nn.GlobalMaxPool`."""

    def __init__(self, **options: Any):
        self.begin(**options)


class UpSampling2D(Layer, nn.UpSampling2D):
    """`nbdl.nn.UpSampling2D`."""

    def __init__(self, size: Any = 2, **options: Any):
        self.begin(**options)
        nn.UpSampling2D.__init__(self, size)


class UpSampling1D(Layer, nn.UpSampling1D):
    """`nbdl.nn.UpSampling1D`."""

    def __init__(self, size: int = 2, **options: Any):
        self.begin(**options)
        nn.UpSampling1D.__init__(self, size)


class ZeroPadding2D(Layer, nn.ZeroPadding2D):
    """`nbdl.nn.ZeroPadding2D`."""

    def __init__(self, padding: Any = 1, **options: Any):
        self.begin(**options)
        nn.ZeroPadding2D.__init__(self, padding)


class Embedding(Layer, nn.Embedding):
    """`nbdl.nn.Embedding`; here `input_dim` is the size of the vocabulary."""

    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform", **options: Any):
        refuse("Embedding", {"mask_zero": options.pop("mask_zero", False)}, {"mask_zero": False})
        options.pop("input_length", None)  # the rows say how long they are
        self.begin(**options)
        nn.Embedding.__init__(self, input_dim, output_dim, initializer_of(embeddings_initializer))


GlobalAveragePooling1D, GlobalMaxPooling1D = GlobalAveragePooling2D, GlobalMaxPooling2D
MaxPool2D, MaxPool1D, AvgPool2D, AvgPool1D = MaxPooling2D, MaxPooling1D, AveragePooling2D, AveragePooling1D
