"""Predict again and again: a program is recorded once for a shape, and kept as long as the network is as it was.

Recording takes milliseconds, a small network's row microseconds.
"""

from __future__ import annotations

import threading
from operator import attrgetter
from typing import Any

import numpy as np

from nbdl.nn.module import Module, changes
from nbdl.train import tracing
from nbdl.train.feed import Feed, make_feed
from nbdl.train.measuring import Prediction

KEPT = 4
"""Programs that a network keeps, for different shapes; the one used longest ago goes first."""
FLOAT32 = np.dtype(np.float32)

_node_of = attrgetter("node")


def predict(net: Module, x: Any, *, batch_size: int = 1024, workers: int | None = None) -> np.ndarray:
    """Return the network's output for every row of `x`; arguments and errors are those of `Module.predict`."""
    inputs, asked = _checked(x), (batch_size, workers)
    kept: list[Repeated] = net.__dict__.setdefault("_predictions", [])
    for each in kept:
        if each.takes(inputs, asked):
            if each.state.is_unchanged():
                return each.run(inputs)
            kept.clear()
            break
    prediction = Prediction(net, inputs if len(inputs) > 1 else inputs[0], batch_size=batch_size, workers=workers)
    predicted = prediction.run()
    if not tracing.is_debugged(net) and all(each.flags.c_contiguous for each in inputs):
        kept.append(Repeated(prediction, asked))
        del kept[:-KEPT]
    return predicted


def _checked(x: Any) -> tuple[np.ndarray, ...]:
    """The inputs as a program takes them, the usual ones without a detour. Raises as `make_feed` does."""
    if type(x) is np.ndarray and x.dtype == FLOAT32 and x.ndim and 0 < x.size == np.count_nonzero(np.isfinite(x)):
        return (x,)
    return make_feed(x).inputs


class State:
    """What a network was like: its attributes, its lists and mappings, and the arrays of its parameters."""

    def __init__(self, net: Module):
        self.changes = changes()
        self.parameters = [parameter for _, parameter in net.named_parameters()]
        self.nodes = [parameter.node for parameter in self.parameters]
        self.things = [
            (thing, thing.copy())
            for module in net.modules()
            for name, thing in vars(module).items()
            if isinstance(thing, list | dict | set) and name not in ("_predictions", "_programs")
        ]

    def is_unchanged(self) -> bool:
        """Whether a program recorded then would be recorded now."""
        return (
            changes() == self.changes
            and list(map(_node_of, self.parameters)) == self.nodes
            and all(map(_same, self.things))
        )


def _same(thing: tuple[Any, Any]) -> bool:
    now, then = thing
    try:
        return bool(now == then)
    except ValueError:  # arrays, of which one is another one now
        return False


class Repeated:
    """A program that predicts rows of one shape and dtype, from whatever arrays it is given.

    Args:
        prediction: has run once.
        asked: the size of a batch and the workers that `predict` was asked for.
    """

    def __init__(self, prediction: Prediction, asked: tuple[int, int | None]):
        self.state, self.asked = State(prediction.net), asked
        self.bound, self.check = prediction.bound, prediction.traced.check
        inputs, rows = prediction.feed.inputs, prediction.feed.rows
        self.specs = [(each.shape, each.dtype) for each in inputs]
        self.shape, self.dtype = prediction.predicted.shape, prediction.predicted.dtype
        self.flats = [(rows, each.size // rows) for each in (*inputs, prediction.predicted)]
        names = [each.name for each in self.bound.program.variables if each.role != "key"]
        data = [f"{name}_data" for name in prediction.feed.arrays()]
        self.places = [names.index(name) for name in (*data, "predicted")]
        self.empty = [np.empty((0, width), array.dtype) for (_, width), array in zip(
            self.flats, (*inputs, prediction.predicted), strict=True)]  # fmt: skip
        self._hold(self.empty)
        self._busy = threading.Lock()

    def takes(self, inputs: tuple[np.ndarray, ...], asked: tuple[int, int | None]) -> bool:
        """Whether it is for such rows."""
        if asked != self.asked or len(inputs) != len(self.specs):
            return False
        for array, (shape, dtype) in zip(inputs, self.specs, strict=True):
            if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
                return False
        return True

    def run(self, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the output for rows that it takes. Raises `DataError` for a token that no vocabulary has."""
        if self.check is not None:
            self.check(Feed(inputs))
        predicted = np.empty(self.shape, self.dtype)
        with self._busy:
            self._hold([array.reshape(flat) for array, flat in zip((*inputs, predicted), self.flats, strict=True)])
            try:
                self.bound.again()
            finally:
                self._hold(self.empty)  # a user's rows may be large
        return predicted

    def _hold(self, arrays: list[np.ndarray]) -> None:
        flat = self.bound.flat
        for place, array in zip(self.places, arrays, strict=True):
            flat[place] = array
