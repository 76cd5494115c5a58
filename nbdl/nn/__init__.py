"""Modules and layers."""

from nbdl.nn.attention import MultiHeadAttention, attention_maps, attention_weights, scaled_dot_product_attention
from nbdl.nn.blocks import Concatenate, FeedForward, Residual, TransformerBlock
from nbdl.nn.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose
from nbdl.nn.embedding import Embedding
from nbdl.nn.layers import Activation, Dense, Dropout, Flatten, Sequential
from nbdl.nn.masks import causal_mask, length_mask
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
from nbdl.nn.positions import LearnedPositions, SinusoidalPositions, rotated
from nbdl.nn.recurrent import GRU, LSTM, Bidirectional, Recurrent, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Bidirectional",
    "Concatenate",
    "Container",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Dropout",
    "Embedding",
    "FeedForward",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "ImageInput",
    "LayerNorm",
    "LearnedPositions",
    "MaxPool1D",
    "MaxPool2D",
    "Module",
    "MultiHeadAttention",
    "Parameter",
    "RMSNorm",
    "Recurrent",
    "Residual",
    "Sequential",
    "SimpleRNN",
    "SinusoidalPositions",
    "TransformerBlock",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding2D",
    "attention_maps",
    "attention_weights",
    "causal_mask",
    "length_mask",
    "rotated",
    "scaled_dot_product_attention",
]
