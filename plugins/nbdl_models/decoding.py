"""From one sequence of tokens to another: teacher forcing, and decoding, greedy or with beams, for any decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import nbdl
from nbdl import nn
from nbdl.data.vocabulary import END, PADDING, START
from nbdl.errors import DtypeError, OptionError, ShapeError
from nbdl.ir.shapes import Shape, product, show_shape
from nbdl.nn.calls import building
from nbdl.tensor import Tensor
from nbdl.train import Batch
from nbdl.train.compiling import measured_loss, measured_metrics

Tensors = tuple[Tensor, ...]
TOKEN = np.int64
NEVER = -1e30  # the logarithm of a probability of 0, for sums that must stay finite


class SequenceToSequence(nn.Module):
    """A network that reads a sequence of tokens and writes another one, each token after those before it.

    x is `(n, source time)`, padded with 0; y is `(n, target time)`, the tokens to write and the end (2), then -1. In
    training the decoder is fed the truth: start (1) and y without its last token. By itself it is fed what it wrote.

    A subclass makes its layers in `make_layers` and defines the four steps `read`, `teach`, `begin` and `write`.
    """

    longest: int
    """How many tokens it writes by itself: as many as the targets have that it was built with."""

    def __init__(self, tokens: int, outputs: int, longest: int | None):
        name = type(self).__name__
        if longest is not None and longest < 1:
            raise OptionError(f"{name} writes at least one token, not longest={longest}")
        if outputs <= END:
            raise OptionError(f"{name} writes padding, start, end and other tokens: at least 4, not {outputs}")
        self.tokens = tokens
        self.outputs = outputs
        self.given_longest = longest

    # --- what a subclass defines ---

    def make_layers(self) -> None:
        """Make the layers."""
        raise NotImplementedError(f"{type(self).__name__} defines no make_layers(self)")

    def read(self, source: Tensor) -> Tensors:
        """Return what is kept of the source, each `(n, ...)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no read(self, source)")

    def teach(self, memory: Tensors, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `(n, time, outputs)` and attention `(n, time, source time)`, given all tokens before each."""
        raise NotImplementedError(f"{type(self).__name__} defines no teach(self, memory, previous)")

    def begin(self, memory: Tensors) -> Tensors:
        """Return the states to begin with, each `(n, ...)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no begin(self, memory)")

    def write(self, memory: Tensors, states: Tensors, token: Tensor) -> tuple[Tensor, Tensor, Tensors]:
        """Return logits `(n, outputs)`, attention `(n, source time)` and new states, given the last token `(n,)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no write(self, memory, states, token)")

    # --- training ---

    def build(self, *shapes: Shape) -> None:
        """Make the layers for sources `(n, source time)` and, if they are known yet, targets `(n, target time)`."""
        times = [shape[1] for shape in shapes if len(shape) == 2 and isinstance(shape[1], int)]
        if len(times) != len(shapes):
            wrong = " and ".join(map(show_shape, shapes))
            raise ShapeError(f"{type(self).__name__} takes tokens (n, time), not {wrong}")
        self.longest = self.given_longest or (times[1] if len(times) > 1 else 2 * times[0])
        self.make_layers()
        self.label_children()
        with building():
            first = nbdl.full((1, 1), START, TOKEN)
            self.teach(self.read(nbdl.full((1, times[0]), START, TOKEN)), first)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits `(n, time, outputs)`: of what follows each token of the second input; without one, of what the
        network writes by itself.
        """
        source, *previous = inputs
        _check_tokens(source)
        if previous:
            return self.teach(self.read(source), previous[0])[0]
        return self._written(source)[0]

    def train_step(self, batch: Batch) -> Mapping[str, Any]:
        """A step down the loss, the decoder being fed the truth."""
        logits = self(batch.x, shifted(batch.y))
        loss = measured_loss(self, logits, batch)
        self.optimizer.minimize(loss, self.parameters())
        return {"loss": loss, **measured_metrics(self, logits, batch)}

    def test_step(self, batch: Batch) -> Mapping[str, Any]:
        """Loss and metrics, the decoder being fed the truth: a row is right as a whole where greedy decoding is."""
        logits = self(batch.x, shifted(batch.y))
        return {"loss": measured_loss(self, logits, batch), **measured_metrics(self, logits, batch)}

    # --- writing ---

    def decode(self, x: Any, beams: int = 1) -> np.ndarray:
        """Return the tokens that the network writes for sources, `(n, longest)`, padding (0) behind the end (2).

        With one beam the most probable token is taken at each place; with more, that many beginnings are followed, and
        the most probable whole is taken.

        Raises:
            OptionError: no beams, or more than there are tokens.
        """
        if not 1 <= beams <= self.outputs:
            raise OptionError(f"decode follows from 1 to {self.outputs} beams (there are so many tokens), not {beams}")
        if beams == 1:
            return without_tail(self.predict(x).argmax(axis=2))
        return without_tail(traced_back(Beams(self, beams).predict(x)))

    def attention(self, x: Any) -> np.ndarray:
        """Return how much the decoder looks at each place of the source for each token that it writes, `(n, longest,
        source time)`.
        """
        return Attention(self).predict(x)

    def _written(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and attention of what the network writes by itself, the most probable token each time."""
        memory = self.read(source)

        def step(state: tuple[Tensor, Tensors], _: None) -> tuple[tuple[Tensor, Tensors], tuple[Tensor, Tensor]]:
            logits, weights, states = self.write(memory, state[1], state[0])
            return (nbdl.argmax(logits, axis=-1).astype(TOKEN), states), (logits, weights)

        first = nbdl.full((source.shape[0],), START, TOKEN)
        _, (logits, weights) = nbdl.scan(step, (first, self.begin(memory)), length=self.longest)
        return nbdl.permute_dims(logits, (1, 0, 2)), nbdl.permute_dims(weights, (1, 0, 2))


def shifted(y: Tensor) -> Tensor:
    """What a decoder is fed that is to write y: the start, and y without its last token, padding for -1."""
    tokens = nbdl.where(y < 0, PADDING, y).astype(TOKEN)
    first = nbdl.full((y.shape[0], 1), START, TOKEN)
    return nbdl.concat([first, tokens[:, :-1]], axis=1)


def without_tail(tokens: np.ndarray) -> np.ndarray:
    """Tokens with padding behind the first end.

    >>> without_tail(np.array([[5, 2, 5], [5, 6, 7]])).tolist()
    [[5, 2, 0], [5, 6, 7]]
    """
    ended = np.cumsum(tokens == END, axis=1) - (tokens == END) > 0
    return np.where(ended, PADDING, tokens).astype(np.int64)


def _check_tokens(source: Tensor) -> None:
    if source.dtype.kind not in "iu":
        raise DtypeError(f"it takes tokens as whole numbers, not {source.dtype}")


class Attention(nn.Module):
    """The attention of a network that writes by itself, `(n, longest, source time)`."""

    def __init__(self, net: SequenceToSequence):
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the weights for each token written."""
        return self.net._written(inputs[0])[1]


class Beams(nn.Module):
    """Beam search: the `beams` most probable beginnings go on, in each step with all tokens.

    Returns, for each step and beam, the token, the beam of the step before that it goes on from, and the logarithm of
    the probability of all up to it: `(n, longest, beams, 3)`.

    Source: Sutskever, Vinyals, Le, Sequence to Sequence Learning with Neural Networks, NeurIPS 2014, section 3.2.
    """

    def __init__(self, net: SequenceToSequence, beams: int):
        self.net = net
        self.beams = beams

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return tokens, the beams that they go on from, and scores."""
        net, beams = self.net, self.beams
        source = inputs[0]
        memory = tuple([self._repeated(each) for each in net.read(source)])
        rows = source.shape[0]

        def step(state: tuple[Tensor, Tensor, Tensors], _: None) -> tuple[tuple[Tensor, Tensor, Tensors], Tensor]:
            token, scores, states = state
            logits, _weights, states = net.write(memory, states, token.reshape(-1))
            token, origin, scores = self._best(token, scores, nbdl.log_softmax(logits))
            picked = nbdl.one_hot(origin, beams)
            states = tuple([self._followed(each, picked) for each in states])
            made = [each.astype("float32") for each in (token, origin, scores)]
            return (token, scores, states), nbdl.stack(made, axis=2)

        # Only one of the beginnings, which are all alike, goes on at first.
        alone = nbdl.where(nbdl.arange(beams) == 0, 0.0, NEVER)
        scores = nbdl.broadcast_to(alone.astype("float32"), (rows, beams))
        first = nbdl.full((rows, beams), START, TOKEN)
        _, made = nbdl.scan(step, (first, scores, net.begin(memory)), length=net.longest)
        return nbdl.permute_dims(made, (1, 0, 2, 3))

    def _best(self, token: Tensor, scores: Tensor, logs: Tensor) -> Tensors:
        """The most probable continuations: tokens, the beams that they go on from, and scores, each `(n, beams)`."""
        outputs = self.net.outputs
        logs = logs.reshape(-1, self.beams, outputs)
        ended = nbdl.expand_dims((token == END) | (token == PADDING), 2)
        nothing = nbdl.where(nbdl.arange(outputs) == PADDING, 0.0, NEVER)
        total = (nbdl.expand_dims(scores, 2) + nbdl.where(ended, nothing, logs)).reshape(-1, self.beams * outputs)
        places, values = [], []
        for _ in range(self.beams):
            places.append(nbdl.argmax(total, axis=-1))
            values.append(nbdl.max(total, axis=1))
            taken = nbdl.arange(self.beams * outputs) == nbdl.expand_dims(places[-1], 1)
            total = nbdl.where(taken, 2 * NEVER * self.net.longest, total)
        place = nbdl.stack(places, axis=1).astype(TOKEN)
        origin = nbdl.floor(place.astype("float32") / outputs).astype(TOKEN)
        return place - origin * outputs, origin, nbdl.stack(values, axis=1)

    def _repeated(self, x: Tensor) -> Tensor:
        """Each row as often as there are beams."""
        wide = nbdl.broadcast_to(nbdl.expand_dims(x, 1), (x.shape[0], self.beams, *x.shape[1:]))
        return wide.reshape(-1, *x.shape[1:])

    def _followed(self, state: Tensor, picked: Tensor) -> Tensor:
        """A state of the beams that go on: `picked` is `(n, beams, beams)`, 1 where a beam goes on from another."""
        flat = state.reshape(-1, self.beams, product(state.shape[1:])).astype("float32")
        return nbdl.matmul(picked, flat).reshape(-1, *state.shape[1:]).astype(state.dtype)


def traced_back(steps: np.ndarray) -> np.ndarray:
    """The tokens of the most probable beam, `(n, longest)`: from its end back to where it came from."""
    rows = np.arange(len(steps))
    beam = steps[:, -1, :, 2].argmax(axis=1)
    tokens = np.zeros(steps.shape[:2], np.int64)
    for step in reversed(range(steps.shape[1])):
        tokens[:, step] = steps[rows, step, beam, 0]
        beam = steps[rows, step, beam, 1].astype(np.int64)
    return tokens
