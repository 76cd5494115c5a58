"""The intermediate representation: nodes, the table of primitives, and what reads them."""

from nbdl.ir import composite, convolution, elementwise, leaves, pooling, strided, structural, winograd

# importing them fills the table
__all__ = ["composite", "convolution", "elementwise", "leaves", "pooling", "strided", "structural", "winograd"]
