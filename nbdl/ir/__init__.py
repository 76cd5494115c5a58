"""The intermediate representation: nodes, the table of primitives, and what reads them."""

from nbdl.ir import elementwise, structural

__all__ = ["elementwise", "structural"]  # importing them fills the table
