"""The intermediate representation: nodes, the table of primitives, and what reads them."""

from nbdl.ir import convolution, elementwise, pooling, structural

__all__ = ["convolution", "elementwise", "pooling", "structural"]  # importing them fills the table
