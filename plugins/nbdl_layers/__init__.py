"""The built-in layers, as a plugin like anyone's."""

from nbdl.hookspecs import Register, hookimpl
from nbdl.nn.attention import MultiHeadAttention
from nbdl.nn.blocks import Concatenate, FeedForward, Residual, TransformerBlock
from nbdl.nn.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose
from nbdl.nn.embedding import Embedding
from nbdl.nn.layers import Activation, Dense, Dropout, Flatten
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
from nbdl.nn.positions import LearnedPositions, SinusoidalPositions
from nbdl.nn.recurrent import GRU, LSTM, Bidirectional, SimpleRNN


@hookimpl
def nbdl_layers(register: Register) -> None:
    """Offer the layers."""
    register("dense", Dense)
    register("flatten", Flatten)
    register("dropout", Dropout)
    register("activation", Activation)
    register("batch_norm", BatchNorm)
    register("layer_norm", LayerNorm)
    register("rms_norm", RMSNorm)
    register("conv1d", Conv1D)
    register("conv2d", Conv2D)
    register("conv1d_transpose", Conv1DTranspose)
    register("conv2d_transpose", Conv2DTranspose)
    register("max_pool1d", MaxPool1D)
    register("max_pool2d", MaxPool2D)
    register("average_pool1d", AveragePool1D)
    register("average_pool2d", AveragePool2D)
    register("global_max_pool", GlobalMaxPool)
    register("global_average_pool", GlobalAveragePool)
    register("upsampling1d", UpSampling1D)
    register("upsampling2d", UpSampling2D)
    register("zero_padding2d", ZeroPadding2D)
    register("image_input", ImageInput)
    register("embedding", Embedding)
    register("learned_positions", LearnedPositions)
    register("sinusoidal_positions", SinusoidalPositions)
    register("simple_rnn", SimpleRNN)
    register("lstm", LSTM)
    register("gru", GRU)
    register("bidirectional", Bidirectional)
    register("multi_head_attention", MultiHeadAttention)
    register("feed_forward", FeedForward)
    register("transformer_block", TransformerBlock)
    register("residual", Residual)
    register("concatenate", Concatenate)
