"""Modules and layers."""

from nbdl.nn.layers import Activation, Dense, Dropout, Flatten, Sequential
from nbdl.nn.module import Container, Module, Parameter
from nbdl.nn.normalization import BatchNorm, LayerNorm, RMSNorm
from nbdl.nn.recurrent import GRU, LSTM, Bidirectional, Recurrent, SimpleRNN

__all__ = [
    "Activation", "BatchNorm", "Bidirectional", "Container", "Dense", "Dropout", "Flatten", "GRU", "LSTM", "LayerNorm",
    "Module", "Parameter",
    "RMSNorm", "Recurrent", "Sequential", "SimpleRNN",
]  # fmt: skip
