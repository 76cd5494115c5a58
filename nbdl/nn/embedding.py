"""Embedding: a vector for each token of a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbdl import functions
from nbdl.errors import DataError, DtypeError
from nbdl.ir.graph import current_scope
from nbdl.ir.shapes import Shape
from nbdl.nn.initializers import Initializer
from nbdl.nn.inputs import only
from nbdl.nn.module import Module, Parameter
from nbdl.options import check_whole
from nbdl.targets import note_range
from nbdl.tensor import Tensor


@dataclass(frozen=True)
class TokenRange:
    """What the tokens that an embedding reads must be: from 0 to `tokens` - 1."""

    target: Tensor
    tokens: int
    layer: str

    def check(self, values: np.ndarray) -> None:
        """Raise `DataError` if there is a token outside the vocabulary."""
        if not values.size or (values.min() >= 0 and values.max() < self.tokens):
            return
        wrong = (values < 0) | (values >= self.tokens)
        row, *place = (int(each) for each in np.argwhere(wrong)[0])
        where = f"row {row}" + (f", position {', '.join(map(str, place))}" if place else "")
        raise DataError(
            f"in layer {self.layer}: token {values[(row, *place)]} ({where}) is outside the vocabulary of "
            f"{self.tokens} tokens, whose numbers go from 0 to {self.tokens - 1} ({int(wrong.sum())} of {values.size} "
            "tokens are)"
        )


class Embedding(Module):
    """A trained vector for each token of a vocabulary: y[..., :] = weight[x[...]].

    x is `(rows, ...)` of whole numbers from 0 to `tokens` - 1, weight `(tokens, width)` and y `(rows, ..., width)`.

    Args:
        tokens: size of the vocabulary, at least 1.
        width: size of the vectors, at least 1.
        initializer: starting values of the weight.

    Raises:
        OptionError: a size that isn't a whole number of at least 1.
        DtypeError: the input isn't of whole numbers.
        DataError: a token outside the vocabulary.

    >>> Embedding(10, 4)([[1, 2, 3]]).shape
    (1, 3, 4)

    Source: Bengio, Ducharme, Vincent, Jauvin, A Neural Probabilistic Language Model, JMLR 3 (2003).
    """

    weight: Parameter

    def __init__(self, tokens: int, width: int, initializer: Initializer = "normal"):
        self.tokens = check_whole("tokens of Embedding", tokens, 1)
        self.width = check_whole("width of Embedding", width, 1)
        self.initializer = initializer

    def build(self, *shapes: Shape) -> None:
        """Make the weight."""
        self.weight = self.parameter("weight", (self.tokens, self.width), self.initializer)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the vectors of the tokens."""
        x = only(inputs)
        if x.dtype.kind not in "iu":
            raise DtypeError(f"it takes tokens as whole numbers, not {x.dtype}; convert with .astype('int32')")
        note_range(TokenRange(x, self.tokens, current_scope() or type(self).__name__))
        return functions.take(self.weight, x)
