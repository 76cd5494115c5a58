"""The transformer as a language model: at each position of a text, what comes next."""

from __future__ import annotations

import math

import nbdl
from nbdl import nn
from nbdl.errors import OptionError, ShapeError
from nbdl.hookspecs import trained_with
from nbdl.ir.shapes import Shape, show_shape
from nbdl.nn.inputs import only
from nbdl.tensor import Tensor
from nbdl_models.transformer import Positions, check_heads, check_sizes

STD = 0.02
"""Spread of starting values; that of what is added to the residual stream falls with the number of additions."""


class CharTransformer(nn.Module):
    """The network that `char_transformer` makes."""

    def __init__(
        self, tokens: int, layers: int, heads: int, width: int, context: int, position: Positions, dropout: float
    ):
        start, last = ({"name": "normal", "std": std} for std in (STD, STD / math.sqrt(2 * layers)))
        self.embedding = nn.Embedding(tokens, width, start)
        self.positions: nn.Module | None = None
        if position in ("learned", "sinusoidal"):
            self.positions = nn.LearnedPositions(context, start) if position == "learned" else nn.SinusoidalPositions()
        self.context = context
        self.dropout = nn.Dropout(dropout)
        self.blocks = [
            nn.TransformerBlock(
                heads,
                4 * width,
                "gelu",
                causal=True,
                rotary=position == "rotary",
                use_bias=False,
                dropout=dropout,
                kernel_initializer=start,
                output_initializer=last,
            )
            for _ in range(layers)
        ]
        self.norm = nn.LayerNorm(use_bias=False)

    def build(self, *shapes: Shape) -> None:
        """Check that it is given texts, and none that is too long."""
        shape = only(shapes)
        if len(shape) != 2:
            raise ShapeError(f"char_transformer takes tokens (rows, time), not {show_shape(shape)}")

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits of the next token at each position, `(rows, time, tokens)`."""
        time = tokens.shape[1]
        if isinstance(time, int) and time > self.context:
            raise ShapeError(f"the text has {time} tokens, and the model was made for a context of {self.context}")
        x = self.embedding(tokens)
        if self.positions is not None:
            x = self.positions(x)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        # The matrix that turns tokens into vectors turns vectors into scores of tokens.
        return nbdl.matmul(self.norm(x), nbdl.permute_dims(self.embedding.weight, (1, 0)))


@trained_with(
    optimizer={"name": "adamw", "beta2": 0.99, "weight_decay": 0.1},
    schedule={"name": "warmup", "steps": 100, "then": {"name": "cosine", "steps": 1900, "lr": 1e-3, "end": 1e-4}},
    train={"epochs": 5, "batch_size": 12, "epoch_rows": 4800},
)
def char_transformer(
    *,
    outputs: int,
    tokens: int,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    context: int = 64,
    position: Positions = "rotary",
    dropout: float = 0.0,
) -> nn.Module:
    """Transformer decoder for texts: at each position the scores of the next token, from those before it.

    x = x + attention(norm(x)), each position seeing only itself and those before; x = x + feed_forward(norm(x)), layer
    by layer; then scores = norm(x) @ embeddingᵀ. Inputs are tokens (rows, time), the result is (rows, time, tokens).
    By default it is trained for 2000 steps of 12 windows, with a learning rate that warms up for 100 steps and then
    falls along a cosine; `nbdl generate` lets it write.

    Args:
        outputs: size of the vocabulary that it predicts: that of its inputs.
        tokens: size of the vocabulary.
        layers: number of layers.
        heads: attention heads of a layer; they share out the width.
        width: channels of every position; the feed-forward parts have four times as many.
        context: the longest text that it sees.
        position: how positions are told apart; with rotary positions it learns faster than with a learned table.
        dropout: share of embeddings, attention weights and results of parts that is left out at random while training.

    Raises:
        OptionError: a size below 1, a width that the heads can't share, a dropout outside of [0, 1), data whose
            inputs and outputs are different vocabularies.

    >>> char_transformer(outputs=10, tokens=10, context=8)([[1, 2, 3, 4]]).shape
    (1, 4, 10)

    Source: Radford et al., Language Models Are Unsupervised Multitask Learners (2019); at this size: Karpathy, nanoGPT
    (2022), https://github.com/karpathy/nanoGPT; rotary positions: Su et al., RoFormer, Neurocomputing 568 (2024).
    """
    check_sizes("char_transformer", layers=layers, heads=heads, width=width, context=context)
    check_heads("char_transformer", heads, width, position)
    if outputs != tokens:
        raise OptionError(
            f"char_transformer predicts the tokens that it reads, {tokens} of them; these data have {outputs} outputs"
        )
    return CharTransformer(tokens, layers, heads, width, context, position, dropout)
