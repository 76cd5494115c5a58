"""Recurrent networks: one answer for a sequence (classification, forecasts), or what follows each token of a text."""

from __future__ import annotations

from typing import Literal

from nbdl import functions, nn
from nbdl.errors import OptionError, ShapeError
from nbdl.hookspecs import trained_with
from nbdl.ir.shapes import Shape, has_batch, show_shape
from nbdl.tensor import Tensor
from nbdl_models.checked import check_share
from nbdl_models.transformer import check_sizes


@trained_with(optimizer={"name": "adam", "lr": 3e-3}, train={"epochs": 30, "batch_size": 32})
class RecurrentNetwork(nn.Module):
    """What recurrent networks have in common: layers of `cell`, and a matrix that turns states into answers.

    Inputs are sequences (rows, time, channels) or tokens (rows, time), which are embedded; further axes count as
    channels, so that images are read row by row. With lengths, what lies behind them is not seen. The result is
    (rows, outputs): logits of classes, or numbers such as forecasts. Where a series is forecast, the network says by
    how much it will change: its last value is added to y (`relative`).
    """

    cell: type[nn.Recurrent]
    sequences = False
    """Whether there is an answer at each place instead of one at the end."""

    def __init__(
        self,
        *,
        outputs: int,
        tokens: int | None = None,
        embedding: int = 32,
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        series: int | None = None,
        relative: bool = True,
    ):
        """Make the layers.

        Args:
            outputs: number of classes or targets.
            tokens: size of the vocabulary, where the inputs are tokens.
            embedding: size of the vectors of tokens.
            hidden: size of the states.
            layers: number of recurrent layers.
            bidirectional: whether each layer goes through the sequence in both directions.
            dropout: share of each layer's results that is left out at random while training.
            series: the channel that is forecast, if the data are a series.
            relative: forecast how much a series will change from its last value, not the value itself.
        """
        name = type(self).__name__.lower()
        check_sizes(name, embedding=embedding, hidden=hidden, layers=layers)
        check_share(name, "dropout", dropout)
        self.embedding = None if tokens is None else nn.Embedding(tokens, embedding)
        self.layers = [self._layer(hidden, bidirectional, last=place == layers - 1) for place in range(layers)]
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Dense(outputs)
        self.series = series if relative else None

    def _layer(self, hidden: int, bidirectional: bool, *, last: bool) -> nn.Module:
        layer = self.cell(hidden, return_sequences=self.sequences or not last)
        return nn.Bidirectional(layer) if bidirectional else layer

    def build(self, *shapes: Shape) -> None:
        """Check that it is given sequences."""
        shape = shapes[0]
        if has_batch(shape[1:]) or (len(shape) != 2 if self.embedding else len(shape) < 3):
            takes = "tokens (rows, time)" if self.embedding else "sequences (rows, time, channels)"
            raise ShapeError(f"a recurrent network takes {takes}, not {show_shape(shape)}")

    def forward(self, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return an answer for each sequence, `(rows, outputs)`, or for each place, `(rows, time, outputs)`."""
        time = values.shape[1]
        mask = None if lengths is None or not isinstance(time, int) else nn.length_mask(lengths, time)
        x = functions.reshape(values, (*values.shape[:2], -1)) if self.embedding is None else self.embedding(values)
        for layer in self.layers:
            x = self.dropout(layer(x, mask))
        answer: Tensor = self.answer(x)
        return answer if self.series is None else answer + values[:, -1, self.series : self.series + 1]


class RNN(RecurrentNetwork):
    """Simple recurrent network: h_t = tanh(x_t W + h_{t-1} U + b), then y = h_T V + c from the last state.

    Inputs are sequences (rows, time, channels) or tokens (rows, time), which are embedded; further axes count as
    channels, so that images are read row by row. With lengths, what lies behind them is not seen. The result is
    (rows, outputs): logits of classes, or numbers such as forecasts. Where a series is forecast, the network says by
    how much it will change: its last value is added to y (`relative`).

    Raises:
        OptionError: a size below 1, a dropout outside of [0, 1).
        ShapeError: inputs that are no sequences.

    >>> RNN(outputs=3)([[[1.0, 2.0], [3.0, 4.0]]]).shape
    (1, 3)

    Source: Elman, Finding Structure in Time, Cognitive Science 14 (1990).
    """

    cell = nn.SimpleRNN


class LSTM(RecurrentNetwork):
    """Long short-term memory: gates decide what a cell forgets, takes in and shows; y = h_T V + c from the last state.

    i, f, o = sigmoid and g = tanh of x_t W + h_{t-1} U + b; c_t = f * c_{t-1} + i * g; h_t = o * tanh(c_t). Inputs,
    lengths, the result and what is raised are those of `rnn`.

    >>> LSTM(outputs=3, tokens=10, bidirectional=True)([[1, 2, 3, 4]]).shape
    (1, 3)

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997).
    """

    cell = nn.LSTM


class GRU(RecurrentNetwork):
    """Gated recurrent units: one gate resets, one updates the state; y = h_T V + c from the last one.

    r, z = sigmoid and n = tanh of x_t W + b and h_{t-1} U + b_s, the latter times r in n; h_t = (1 - z) n + z h_{t-1}.
    Inputs, lengths, the result and what is raised are those of `rnn`.

    >>> GRU(outputs=1, layers=2)([[[1.0], [3.0], [2.0]]]).shape
    (1, 1)

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
    """

    cell = nn.GRU


CELLS: dict[str, type[nn.Recurrent]] = {"rnn": nn.SimpleRNN, "lstm": nn.LSTM, "gru": nn.GRU}


@trained_with(
    optimizer={"name": "adam", "lr": 2e-3, "clip_norm": 1.0},
    train={"epochs": 10, "batch_size": 32, "epoch_rows": 6400},
)
class CharRNN(RecurrentNetwork):
    """Recurrent language model: at each position of a text the scores of the next token, from those before it.

    Tokens (rows, time) are embedded and go through recurrent layers; scores = h_t V + c, (rows, time, outputs).
    By default it is trained for 2000 steps of 32 windows; `nbdl generate` lets it write.

    Args:
        outputs: size of the vocabulary that it predicts: that of its inputs.
        tokens: size of the vocabulary.
        cell: kind of the recurrent layers.
        embedding: size of the vectors of tokens.
        hidden: size of the states.
        layers: number of recurrent layers.
        dropout: share of each layer's results that is left out at random while training.

    Raises:
        OptionError: a size below 1, a dropout outside of [0, 1), data whose inputs and outputs are different
            vocabularies.

    >>> CharRNN(outputs=10, tokens=10)([[1, 2, 3, 4]]).shape
    (1, 4, 10)

    Source: Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks (2015); Graves, Generating Sequences
    With Recurrent Neural Networks, arXiv:1308.0850 (2013).
    """

    sequences = True

    def __init__(
        self,
        *,
        outputs: int,
        tokens: int,
        cell: Literal["lstm", "gru", "rnn"] = "lstm",
        embedding: int = 32,
        hidden: int = 128,
        layers: int = 2,
        dropout: float = 0.0,
    ):
        if outputs != tokens:
            raise OptionError(
                f"char_rnn predicts the tokens that it reads, {tokens} of them; these data have {outputs} outputs"
            )
        self.cell = CELLS[cell]
        super().__init__(
            outputs=outputs, tokens=tokens, embedding=embedding, hidden=hidden, layers=layers, dropout=dropout
        )
