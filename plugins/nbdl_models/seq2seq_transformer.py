"""The encoder-decoder transformer."""

from __future__ import annotations

import math
from functools import partial

import nbdl
from nbdl import nn
from nbdl.data.vocabulary import PADDING
from nbdl.hookspecs import trained_with
from nbdl.tensor import Tensor
from nbdl_models.checked import check_share, check_widths
from nbdl_models.decoding import TOKEN, SequenceToSequence, Tensors


@trained_with(
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy", "exact_match"],
    train={"epochs": 30, "batch_size": 128},
)
class Seq2SeqTransformer(SequenceToSequence):
    """Encoder-decoder transformer: reads a sequence of tokens and writes another one.

    Tokens become vectors e * sqrt(width) + sinusoids(place). The encoder's blocks let every place of the source attend
    to all others (not to padding); the decoder's let each place of the target attend to those up to itself, and then to
    the encoder's result. Each attention, and the feed-forward layers behind it, stands beside a connection that leads
    around it, with layer normalisation in front: h = h + part(norm(h)). Logits are norm(h) W + b.

    x is `(n, source time)`, tokens padded with 0; y `(n, target time)`, tokens, the end (2) and then -1. Given both,
    the result is `(n, target time, outputs)`, logits at each place; `decode(x)` writes by itself, `attention(x)` tells
    where the last block looked, over all heads.

    Args:
        outputs: size of the target's vocabulary.
        tokens: size of the source's vocabulary.
        width: size of the vectors.
        heads: number of attention heads; they share out the width.
        layers: number of blocks of the encoder, and of the decoder.
        hidden: units inside the feed-forward layers.
        dropout: share of the vectors, attention weights and results of each part left out at random in training.
        longest: how many tokens are written at most; none takes the length of the targets.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: inputs that aren't `(n, time)`, or a width that the heads can't share out.

    >>> net = Seq2SeqTransformer(outputs=7, tokens=9, width=8, heads=2, layers=1, hidden=16)
    >>> net([[3, 4, 0]], [[1, 3]]).shape, net.decode([[3, 4, 0]]).shape, net.attention([[3, 4, 0]]).shape
    ((1, 2, 7), (1, 2), (1, 2, 3))

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017; normalisation in front: Xiong et al., On Layer
    Normalization in the Transformer Architecture, ICML 2020.
    """

    def __init__(
        self,
        *,
        outputs: int,
        tokens: int,
        width: int = 128,
        heads: int = 4,
        layers: int = 2,
        hidden: int = 256,
        dropout: float = 0.0,
        longest: int | None = None,
    ):
        super().__init__(tokens, outputs, longest)
        check_widths("seq2seq_transformer", "width, heads, layers and hidden", [width, heads, layers, hidden])
        check_share("seq2seq_transformer", "dropout", dropout)
        self.width = width
        self.heads = heads
        self.layers = layers
        self.hidden = hidden
        self.rate = dropout

    def make_layers(self) -> None:
        """Make embeddings, the blocks of encoder and decoder, and what leads to the logits."""
        # With such starting values the vectors, multiplied by sqrt(width), are about as large as the sinusoids.
        start = {"name": "normal", "std": 1 / math.sqrt(self.width)}
        self.source_embedding = nn.Embedding(self.tokens, self.width, start)
        self.target_embedding = nn.Embedding(self.outputs, self.width, start)
        self.positions = nn.SinusoidalPositions()
        block = partial(nn.TransformerBlock, self.heads, self.hidden, dropout=self.rate)
        self.encoder = [block() for _ in range(self.layers)]
        self.decoder = [block(causal=True, cross=True) for _ in range(self.layers)]
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(), nn.LayerNorm()
        self.logits = nn.Dense(self.outputs)
        self.dropout = nn.Dropout(self.rate)

    def read(self, source: Tensor) -> Tensors:
        """Return the encoder's result, and where there is no padding."""
        present = source != PADDING
        x = self._embedded(self.source_embedding(source))
        for block in self.encoder:
            x = block(x, mask=present)
        return self.encoder_norm(x), present

    def teach(self, memory: Tensors, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and the last block's attention after each token of `previous`."""
        source, present = memory
        x = self._embedded(self.target_embedding(previous))
        with nn.attention_maps() as maps:
            for block in self.decoder:
                x = block(x, source, memory_mask=present)
        looked = [weights for name, weights in maps.items() if name.endswith(".cross")]
        return self.logits(self.decoder_norm(x)), nbdl.mean(looked[-1], axis=1)

    def begin(self, memory: Tensors) -> Tensors:
        """Return what has been written, nothing yet, and how much that is."""
        rows = memory[0].shape[0]
        return nbdl.full((rows, self.longest), PADDING, TOKEN), nbdl.full((rows, 1), 0, TOKEN)

    def write(self, memory: Tensors, states: Tensors, token: Tensor) -> tuple[Tensor, Tensor, Tensors]:
        """Return logits, attention and states after a token: those of its place among all written so far."""
        written, place = states
        here = nbdl.arange(self.longest) == place
        written = nbdl.where(here, nbdl.expand_dims(token, 1), written)
        logits, weights = self.teach(memory, written)
        chosen = nbdl.expand_dims(here.astype(logits.dtype), 1)
        return nbdl.matmul(chosen, logits)[:, 0], nbdl.matmul(chosen, weights)[:, 0], (written, place + 1)

    def _embedded(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.positions(x * math.sqrt(self.width)))
        return y
