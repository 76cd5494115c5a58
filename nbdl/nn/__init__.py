"""Modules and layers."""

from nbdl.nn.layers import Activation, Dense, Dropout, Flatten, Sequential
from nbdl.nn.module import Container, Module, Parameter
from nbdl.nn.normalization import BatchNorm, LayerNorm, RMSNorm

__all__ = [
    "Activation", "BatchNorm", "Container", "Dense", "Dropout", "Flatten", "LayerNorm", "Module", "Parameter",
    "RMSNorm", "Sequential",
]  # fmt: skip
