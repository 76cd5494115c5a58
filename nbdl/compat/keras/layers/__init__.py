"""`keras.layers`: Keras' names and options for nbdl's layers."""

from typing import Any

from nbdl.compat.keras.layers.base import Layer
from nbdl.compat.keras.layers.core import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    Input,
    InputLayer,
    LayerNormalization,
    LeakyReLU,
    ReLU,
    Reshape,
    Softmax,
)
from nbdl.compat.keras.layers.images import (
    AveragePooling1D,
    AveragePooling2D,
    AvgPool1D,
    AvgPool2D,
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Embedding,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPool1D,
    MaxPool2D,
    MaxPooling1D,
    MaxPooling2D,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding2D,
)
from nbdl.compat.keras.layers.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from nbdl.compat.naming import missing

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Bidirectional",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "ReLU",
    "Reshape",
    "SimpleRNN",
    "Softmax",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding2D",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
