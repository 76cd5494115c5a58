"""Modules and layers."""

from nbdl.nn.layers import Activation, Dense, Dropout, Flatten, Sequential
from nbdl.nn.module import Container, Module, Parameter

__all__ = ["Activation", "Container", "Dense", "Dropout", "Flatten", "Module", "Parameter", "Sequential"]
