"""The recurrent encoder and decoder with attention."""

from __future__ import annotations

import nbdl
from nbdl import nn
from nbdl.data.vocabulary import PADDING
from nbdl.hookspecs import trained_with
from nbdl.tensor import Tensor
from nbdl_models.checked import check_share, check_widths
from nbdl_models.decoding import SequenceToSequence, Tensors


@trained_with(
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy", "exact_match"],
    train={"epochs": 30, "batch_size": 128},
)
class Seq2Seq(SequenceToSequence):
    """LSTM encoder and decoder with attention: reads a sequence of tokens and writes another one.

    An LSTM goes over the embedded source in both directions, its states at place s are k_s; another one, begun with
    tanh of a dense layer of the last ones, goes over the embedded tokens written so far. Its state h_t looks back at
    the source with the weights a_ts = softmax over s of h_t W k_s (not at padding), and

        context c_t = sum of a_ts * k_s,   logits = W_o tanh(W_c [c_t, h_t] + b_c) + b_o.

    x is `(n, source time)`, tokens padded with 0; y `(n, target time)`, tokens, the end (2) and then -1. Given both,
    the result is `(n, target time, outputs)`, logits at each place; `decode(x)` writes by itself, `attention(x)` tells
    where it looked.

    Args:
        outputs: size of the target's vocabulary.
        tokens: size of the source's vocabulary.
        hidden: size of the decoder's states, and of those of each direction of the encoder.
        embedding: size of the tokens' vectors.
        dropout: share of the embedded tokens' numbers, and of those before the logits, left out at random in training.
        longest: how many tokens are written at most; none takes the length of the targets.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: inputs that aren't `(n, time)`.

    >>> net = Seq2Seq(outputs=7, tokens=9, hidden=4, embedding=3)
    >>> net([[3, 4, 0]], [[1, 3]]).shape, net.decode([[3, 4, 0]]).shape, net.attention([[3, 4, 0]]).shape
    ((1, 2, 7), (1, 2), (1, 2, 3))

    Source: Luong, Pham, Manning, Effective Approaches to Attention-based Neural Machine Translation, EMNLP 2015 (global
    attention, "general" score); the encoder: Bahdanau, Cho, Bengio, Neural Machine Translation by Jointly Learning to
    Align and Translate, ICLR 2015.
    """

    def __init__(
        self,
        *,
        outputs: int,
        tokens: int,
        hidden: int = 128,
        embedding: int = 64,
        dropout: float = 0.0,
        longest: int | None = None,
    ):
        super().__init__(tokens, outputs, longest)
        check_widths("seq2seq", "hidden and embedding", [hidden, embedding])
        check_share("seq2seq", "dropout", dropout)
        self.hidden = hidden
        self.embedding = embedding
        self.rate = dropout

    def make_layers(self) -> None:
        """Make embeddings, encoder, decoder, and what leads to the logits."""
        self.source_embedding = nn.Embedding(self.tokens, self.embedding)
        self.encoder = nn.Bidirectional(nn.LSTM(self.hidden, return_sequences=True))
        self.first_states = nn.Dense(2 * self.hidden, activation="tanh")
        self.target_embedding = nn.Embedding(self.outputs, self.embedding)
        self.decoder = nn.LSTM(self.hidden, return_sequences=True)
        self.keys = nn.Dense(self.hidden, use_bias=False)
        self.combine = nn.Dense(self.hidden, activation="tanh")
        self.logits = nn.Dense(self.outputs)
        self.dropout = nn.Dropout(self.rate)

    def read(self, source: Tensor) -> Tensors:
        """Return the encoder's states, their keys, where there is no padding, and the decoder's first states."""
        present = source != PADDING
        states = self.encoder(self.dropout(self.source_embedding(source)), present)
        last = nbdl.concat([states[:, -1, : self.hidden], states[:, 0, self.hidden :]], axis=1)
        return states, self.keys(states), present, self.first_states(last)

    def begin(self, memory: Tensors) -> Tensors:
        """Return the states h and c that the decoder begins with."""
        first = memory[3]
        return first[:, : self.hidden], first[:, self.hidden :]

    def teach(self, memory: Tensors, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and attention after each token of `previous`."""
        embedded = self.dropout(self.target_embedding(previous))
        return self._look_back(memory, self.decoder(embedded, None, *self.begin(memory)))

    def write(self, memory: Tensors, states: Tensors, token: Tensor) -> tuple[Tensor, Tensor, Tensors]:
        """Return logits, attention and states after a token."""
        x = nbdl.matmul(self.target_embedding(token), self.decoder.weight)
        states = self.decoder.step(states, x)
        logits, weights = self._look_back(memory, nbdl.expand_dims(states[0], 1))
        return logits[:, 0], weights[:, 0], states

    def _look_back(self, memory: Tensors, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and attention for states of the decoder, `(n, time, hidden)`."""
        states, keys, present, _ = memory
        weights = nn.attention_weights(hidden, keys, nbdl.expand_dims(present, 1), scale=1.0)
        context = nbdl.matmul(weights, states)
        combined = self.dropout(self.combine(nbdl.concat([context, hidden], axis=2)))
        return self.logits(combined), weights
