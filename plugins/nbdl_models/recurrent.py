"""Recurrent networks that read a sequence and give one answer: classification, and forecasts."""

from __future__ import annotations

from typing import Literal

from nbdl import functions, nn
from nbdl.errors import OptionError, ShapeError
from nbdl.hookspecs import trained_with
from nbdl.ir.shapes import Shape, has_batch, show_shape
from nbdl.tensor import Tensor
from nbdl_models.transformer import check_sizes

Cell = Literal["rnn", "lstm", "gru"]
CELLS: dict[Cell, type[nn.Recurrent]] = {"rnn": nn.SimpleRNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(nn.Module):
    """The network that `rnn`, `lstm` and `gru` make: recurrent layers, and a matrix that turns states into answers.

    Args:
        cell: kind of the recurrent layers.
        outputs: number of answers.
        tokens: size of the vocabulary, where the inputs are tokens.
        embedding: size of the vectors of tokens.
        hidden: size of the states.
        layers: number of recurrent layers.
        bidirectional: whether each layer goes through the sequence in both directions.
        dropout: share of each layer's results that is left out at random while training.
        sequences: give an answer at each place instead of one at the end.
        series: the channel that is forecast: its last value is added to the answers.

    Raises:
        OptionError: a size below 1, a dropout outside of [0, 1).
        ShapeError: inputs that are no sequences.
    """

    def __init__(
        self,
        cell: Cell,
        outputs: int,
        *,
        tokens: int | None = None,
        embedding: int = 32,
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        sequences: bool = False,
        series: int | None = None,
    ):
        check_sizes(cell, embedding=embedding, hidden=hidden, layers=layers)
        if not 0 <= dropout < 1:
            raise OptionError(f"{cell} takes a dropout of at least 0 and less than 1, not {dropout}")
        self.embedding = None if tokens is None else nn.Embedding(tokens, embedding)
        self.layers = [
            self._layer(cell, hidden, bidirectional, sequences or place < layers - 1) for place in range(layers)
        ]
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Dense(outputs)
        self.series = series

    @staticmethod
    def _layer(cell: Cell, hidden: int, bidirectional: bool, sequences: bool) -> nn.Module:
        layer = CELLS[cell](hidden, return_sequences=sequences)
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


TRAINING = trained_with(optimizer={"name": "adam", "lr": 3e-3}, train={"epochs": 30, "batch_size": 32})


@TRAINING
def rnn(
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
) -> nn.Module:
    """Simple recurrent network: h_t = tanh(x_t W + h_{t-1} U + b), then y = h_T V + c from the last state.

    Inputs are sequences (rows, time, channels) or tokens (rows, time), which are embedded; further axes count as
    channels, so that images are read row by row. With lengths, what lies behind them is not seen. The result is
    (rows, outputs): logits of classes, or numbers such as forecasts. Where a series is forecast, the network says by
    how much it will change: its last value is added to y (`relative`).

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

    Raises:
        OptionError: a size below 1, a dropout outside of [0, 1).

    >>> rnn(outputs=3)([[[1.0, 2.0], [3.0, 4.0]]]).shape
    (1, 3)

    Source: Elman, Finding Structure in Time, Cognitive Science 14 (1990).
    """
    return RecurrentNetwork(
        "rnn", outputs, tokens=tokens, embedding=embedding, hidden=hidden, layers=layers,
        bidirectional=bidirectional, dropout=dropout, series=series if relative else None,
    )  # fmt: skip


@TRAINING
def lstm(
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
) -> nn.Module:
    """Long short-term memory: gates decide what a cell forgets, takes in and shows; y = h_T V + c from the last state.

    i, f, o = sigmoid and g = tanh of x_t W + h_{t-1} U + b; c_t = f * c_{t-1} + i * g; h_t = o * tanh(c_t). Inputs,
    lengths and the result are those of `rnn`.

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

    Raises:
        OptionError: a size below 1, a dropout outside of [0, 1).

    >>> lstm(outputs=3, tokens=10, bidirectional=True)([[1, 2, 3, 4]]).shape
    (1, 3)

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997).
    """
    return RecurrentNetwork(
        "lstm", outputs, tokens=tokens, embedding=embedding, hidden=hidden, layers=layers,
        bidirectional=bidirectional, dropout=dropout, series=series if relative else None,
    )  # fmt: skip


@TRAINING
def gru(
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
) -> nn.Module:
    """Gated recurrent units: one gate resets, one updates the state; y = h_T V + c from the last one.

    r, z = sigmoid and n = tanh of x_t W + b and h_{t-1} U + b_s, the latter times r in n; h_t = (1 - z) n + z h_{t-1}.
    Inputs, lengths and the result are those of `rnn`.

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

    Raises:
        OptionError: a size below 1, a dropout outside of [0, 1).

    >>> gru(outputs=1, layers=2)([[[1.0], [3.0], [2.0]]]).shape
    (1, 1)

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
    """
    return RecurrentNetwork(
        "gru", outputs, tokens=tokens, embedding=embedding, hidden=hidden, layers=layers,
        bidirectional=bidirectional, dropout=dropout, series=series if relative else None,
    )  # fmt: skip


@trained_with(
    optimizer={"name": "adam", "lr": 2e-3, "clip_norm": 1.0},
    train={"epochs": 10, "batch_size": 32, "epoch_rows": 6400},
)
def char_rnn(
    *,
    outputs: int,
    tokens: int,
    cell: Literal["lstm", "gru", "rnn"] = "lstm",
    embedding: int = 32,
    hidden: int = 128,
    layers: int = 2,
    dropout: float = 0.0,
) -> nn.Module:
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

    >>> char_rnn(outputs=10, tokens=10)([[1, 2, 3, 4]]).shape
    (1, 4, 10)

    Source: Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks (2015); Graves, Generating Sequences
    With Recurrent Neural Networks, arXiv:1308.0850 (2013).
    """
    if outputs != tokens:
        raise OptionError(
            f"char_rnn predicts the tokens that it reads, {tokens} of them; these data have {outputs} outputs"
        )
    return RecurrentNetwork(
        cell, outputs, tokens=tokens, embedding=embedding, hidden=hidden, layers=layers, dropout=dropout,
        sequences=True,
    )  # fmt: skip
