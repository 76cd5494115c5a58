"""Modules and layers."""

from nbdl.nn.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose
from nbdl.nn.layers import Activation, Dense, Dropout, Flatten, Sequential
from nbdl.nn.module import Container, Module, Parameter
from nbdl.nn.normalization import BatchNorm, LayerNorm, RMSNorm
from nbdl.nn.pooling import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool,
    GlobalMaxPool,
    ImageInput,
    MaxPool1D,
    MaxPool2D,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding2D,
)
from nbdl.nn.recurrent import GRU, LSTM, Bidirectional, Recurrent, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Bidirectional",
    "Container",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "ImageInput",
    "LayerNorm",
    "MaxPool1D",
    "MaxPool2D",
    "Module",
    "Parameter",
    "RMSNorm",
    "Recurrent",
    "Sequential",
    "SimpleRNN",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding2D",
]  # fmt: skip
