"""The transformer as a classifier: an encoder over a whole sequence, and the mean of what it makes of it."""

from __future__ import annotations

from typing import Literal

import nbdl
from nbdl import nn
from nbdl.errors import OptionError, ShapeError
from nbdl.hookspecs import trained_with
from nbdl.ir.shapes import Shape, show_shape
from nbdl.tensor import Tensor

Positions = Literal["sinusoidal", "learned", "rotary", "none"]


class Transformer(nn.Module):
    """The network that `transformer` makes."""

    def __init__(
        self,
        outputs: int,
        tokens: int | None,
        layers: int,
        heads: int,
        width: int,
        hidden: int,
        position: Positions,
        dropout: float,
    ):
        self.position = position
        self.enter: nn.Module = nn.Dense(width) if tokens is None else nn.Embedding(tokens, width, UNIT)
        self.blocks = [
            nn.TransformerBlock(heads, hidden, "gelu", rotary=position == "rotary", dropout=dropout)
            for _ in range(layers)
        ]
        self.norm = nn.LayerNorm()
        self.answer = nn.Dense(outputs)

    def build(self, *shapes: Shape) -> None:
        """Make the positions: a learned table is as long as the sequences are now."""
        shape = shapes[0]
        embeds = isinstance(self.enter, nn.Embedding)
        if len(shape) != (2 if embeds else 3) or not isinstance(shape[1], int):
            takes = "tokens (rows, time)" if embeds else "sequences (rows, time, channels)"
            raise ShapeError(f"transformer takes {takes}, not {show_shape(shape)}")
        if self.position == "learned":
            self.positions: nn.Module | None = nn.LearnedPositions(shape[1])
        else:
            self.positions = nn.SinusoidalPositions() if self.position == "sinusoidal" else None

    def forward(self, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return an answer for each sequence, `(rows, outputs)`."""
        time = values.shape[1]
        x = self.enter(values)
        mask = None if lengths is None or not isinstance(time, int) else nn.length_mask(lengths, time)
        if self.positions is not None:
            x = self.positions(x)
        for block in self.blocks:
            x = block(x, mask=mask)
        x = self.norm(x)
        if mask is None:
            return self.answer(nbdl.mean(x, axis=1))
        present = nbdl.expand_dims(mask.astype(x.dtype), 2)
        return self.answer(nbdl.sum(x * present, axis=1) / nbdl.sum(present, axis=1))


UNIT = {"name": "normal", "std": 1.0}
"""Vectors of tokens as long as those of positions."""


@trained_with(optimizer={"name": "adamw", "lr": 1e-3})
def transformer(
    *,
    outputs: int,
    tokens: int | None = None,
    layers: int = 2,
    heads: int = 4,
    width: int = 64,
    hidden: int = 256,
    position: Positions = "sinusoidal",
    dropout: float = 0.1,
) -> nn.Module:
    """Transformer encoder: x = x + attention(norm(x)), x = x + feed_forward(norm(x)), layer by layer; then the mean.

    Inputs are tokens (rows, time), which are embedded, or sequences (rows, time, channels), which are projected; with
    lengths, what lies behind them is not seen. The mean of the last layer over time, times a matrix, is the answer
    (rows, outputs).

    Args:
        outputs: number of classes or targets.
        tokens: size of the vocabulary, where the inputs are tokens.
        layers: number of layers.
        heads: attention heads of a layer; they share out the width.
        width: channels of every position.
        hidden: units inside the feed-forward part of a layer.
        position: how positions are told apart.
        dropout: share of attention weights and results of parts that is left out at random while training.

    Raises:
        OptionError: a size below 1, a width that the heads can't share, a dropout outside of [0, 1).

    >>> transformer(outputs=3, tokens=10)([[1, 2, 3, 4]]).shape
    (1, 3)

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017; normalised as in Xiong et al., On Layer
    Normalization in the Transformer Architecture, ICML 2020.
    """
    check_sizes("transformer", layers=layers, heads=heads, width=width, hidden=hidden)
    check_heads("transformer", heads, width, position)
    return Transformer(outputs, tokens, layers, heads, width, hidden, position, dropout)


def check_sizes(name: str, **sizes: int) -> None:
    """Raise `OptionError` for a size below 1."""
    for option, size in sizes.items():
        if size < 1:
            raise OptionError(f"{name} takes {option} of at least 1, not {size}")


def check_heads(name: str, heads: int, width: int, position: str) -> None:
    """Raise `OptionError` unless the heads can share out the width; rotary positions turn pairs of channels."""
    if width % heads or (position == "rotary" and width // heads % 2):
        even = ", an even number of channels each," if position == "rotary" else ""
        raise OptionError(f"{name}: {heads} heads can't share out a width of {width}{even} evenly")
