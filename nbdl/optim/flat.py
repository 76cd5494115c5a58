"""Parameters laid down one after another in a single vector, of which each parameter is a view.

An optimizer is then one loop over one vector, a checkpoint one blob, an all-reduce one call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nbdl.aligned import aligned_zeros
from nbdl.errors import DtypeError
from nbdl.ir import ops
from nbdl.ir.graph import PARAMETER, Node, scope
from nbdl.ir.shapes import concrete, product
from nbdl.nn.module import Parameter

ALIGNMENT = 16  # elements: each float32 parameter starts at a cache line


@dataclass(frozen=True)
class Flat:
    """The layout of a group of parameters in a vector of `size` elements.

    Raises:
        DtypeError: the parameters have different dtypes, or there are none.
    """

    parameters: tuple[Parameter, ...]
    offsets: tuple[int, ...] = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        if len({each.dtype for each in self.parameters}) != 1:
            dtypes = sorted({str(each.dtype) for each in self.parameters}) or "no parameters at all"
            raise DtypeError(f"an optimizer takes parameters of one dtype, not {dtypes}")
        offsets, end = [], 0
        for parameter in self.parameters:
            offsets.append(end)
            length = product(parameter.shape)
            assert isinstance(length, int)  # parameters have no batch axis
            end += -(-length // ALIGNMENT) * ALIGNMENT
        object.__setattr__(self, "offsets", tuple(offsets))
        object.__setattr__(self, "size", end)

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the vector."""
        return self.parameters[0].dtype

    def pack(self, parts: Sequence[Node]) -> Node:
        """Lay nodes of the parameters' shapes down in a vector."""
        return ops.pack(parts, self.offsets, self.size)

    def unpack(self, vector: Node) -> list[Node]:
        """Cut a vector into nodes of the parameters' shapes."""
        nodes = []
        for each, offset in zip(self.parameters, self.offsets, strict=True):
            with scope(PARAMETER + (getattr(each, "name", "") or "parameter")):  # it may be a plain tensor
                nodes.append(ops.reshape(ops.slice_axis(vector, 0, offset, product(each.shape)), each.shape))
        return nodes

    def pack_arrays(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Lay arrays of the parameters' shapes down in a new vector."""
        vector = aligned_zeros(self.size, self.dtype)
        for array, view in zip(arrays, self.views(vector), strict=True):
            view[...] = array
        return vector

    def views(self, vector: np.ndarray) -> list[np.ndarray]:
        """The parts of a vector, as arrays of the parameters' shapes that share its memory."""
        return [vector[start:end].reshape(shape) for start, end, shape in self._pieces]

    @cached_property
    def _pieces(self) -> list[tuple[int, int, tuple[int, ...]]]:
        shapes = [concrete(each.shape, 0) for each in self.parameters]
        return [(start, start + math.prod(shape), shape) for start, shape in zip(self.offsets, shapes, strict=True)]
