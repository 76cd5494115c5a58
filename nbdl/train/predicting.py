"""Predict again and again: a program is recorded once for a shape, and kept as long as the network is as it was.

Recording takes milliseconds, a small network's row microseconds.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from nbdl.codegen.standby import STANDBY, compile_standby, shareable_products
from nbdl.nn.module import Module, changes
from nbdl.train import tracing
from nbdl.train.feed import Feed, make_feed
from nbdl.train.measuring import Prediction

KEPT = 4
"""Programs that a network keeps, for different shapes; the oldest goes first."""
FLOAT32 = np.dtype(np.float32)

Key = tuple[Any, ...]
_node_of = attrgetter("node")


def predict(net: Module, x: Any, batch_size: int = 1024, workers: int | None = None) -> np.ndarray:
    """Return the network's output for every row of `x`; arguments and errors are those of `Module.predict`."""
    # a known program checks what it reads, sooner than NumPy could
    plain = type(x) is np.ndarray and x.dtype is FLOAT32 and x.ndim and x.size
    inputs = (x,) if plain else make_feed(x).inputs
    in_order = x.flags.c_contiguous if plain else all(each.flags.c_contiguous for each in inputs)
    key = (batch_size, workers, x.shape) if plain else (batch_size, workers, *map(_kind, inputs))
    programs: dict[Key, Repeated] = net.__dict__.setdefault("_predictions", {})
    known = programs.get(key)
    if known is not None:
        if not known.state.is_unchanged():
            programs.clear()
        elif in_order:
            return known.run(inputs)
    prediction = Prediction(net, inputs if len(inputs) > 1 else inputs[0], batch_size=batch_size, workers=workers)
    if tracing.is_debugged(net):
        return prediction.run()
    before = shareable_products(prediction.traced.program)
    predicted = prediction.run()
    if in_order:
        alone = workers == 1 or prediction.bound.workers > 1
        shares = not alone and shareable_products(prediction.traced.program) > before
        programs[key] = Repeated(prediction, shares)
        for old in list(programs)[:-KEPT]:
            programs.pop(old, None)
    return predicted


def _kind(array: np.ndarray) -> Key:
    """What a program depends on; most arrays are float32."""
    return array.shape if array.dtype is FLOAT32 else (array.shape, array.dtype)


class State:
    """What a network was like: its attributes, its lists and mappings, and the arrays of its parameters."""

    def __init__(self, net: Module):
        self.changes = changes()
        self.parameters = [parameter for _, parameter in net.named_parameters()]
        self.nodes = [parameter.node for parameter in self.parameters]
        self.things = [
            thing
            for module in net.modules()
            for name, thing in vars(module).items()
            if _may_change(thing) and name not in ("_arguments", "_predictions", "_programs")
        ]
        self.copies = [_copied(thing) for thing in self.things]

    def is_unchanged(self) -> bool:
        """Whether a program recorded then would be recorded now."""
        try:
            return (
                changes() == self.changes
                and list(map(_node_of, self.parameters)) == self.nodes
                and self.things == self.copies
            )
        except ValueError:  # it compared arrays, so one is another now
            return False


def _may_change(thing: Any) -> bool:
    """Whether a thing can change and stay the same object: a list, mapping or set, or a tuple that holds one.

    >>> _may_change((3, 3)), _may_change(((), {"scale": 1.0}))
    (False, True)
    """
    return any(map(_may_change, thing)) if isinstance(thing, tuple) else isinstance(thing, list | dict | set)


def _copied(thing: Any) -> Any:
    """A copy of lists and mappings and of those in them; what else they hold is the same.

    >>> inner = [1.0]
    >>> copied = _copied({"scale": inner})
    >>> inner[0] = 2.0
    >>> copied
    {'scale': [1.0]}
    """
    if isinstance(thing, dict):
        return {key: _copied(each) for key, each in thing.items()}
    if isinstance(thing, list | tuple):
        return (list if isinstance(thing, list) else tuple)(map(_copied, thing))
    return thing.copy() if isinstance(thing, set) else thing


class Repeated:
    """A program that predicts rows of one shape and dtype, from whatever arrays it is given.

    Args:
        prediction: has run once.
        shares: whether threads on standby do parts of its work.
    """

    def __init__(self, prediction: Prediction, shares: bool):
        self.state, self.bound, self.check = State(prediction.net), prediction.bound, prediction.traced.check
        self.again = self.bound.again
        if shares:
            compile_standby()
            self.again = partial(STANDBY.run, self.bound.again)
        rows, inputs, predicted = prediction.feed.rows, prediction.feed.inputs, prediction.predicted
        self.rows, self.shape, self.dtype = (rows, 1), predicted.shape, predicted.dtype
        self.flat, self.flats = (rows, predicted.size // rows), [(rows, each.size // rows) for each in inputs]
        self.is_flat = self.shape == self.flat and all(each.ndim == 2 for each in inputs)
        names = [each.name for each in self.bound.program.variables if each.role != "key"]
        self.places = [names.index(f"{name}_data") for name in prediction.feed.arrays()]
        self.result = names.index("predicted")
        self.finite = names.index("finite") if "finite" in names else None
        for place in (*self.places, self.result):  # what was predicted may be large, so it isn't kept
            self.bound.flat[place] = np.empty((0, *self.bound.flat[place].shape[1:]), self.bound.flat[place].dtype)

    def run(self, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the output for contiguous rows of its shape.

        Raises `DataError` for a token that no vocabulary has, and for numbers that aren't finite.
        """
        if self.check is not None:
            self.check(Feed(inputs))
        predicted = np.empty(self.flat, self.dtype)
        arrays = self.bound.flat.copy()
        for place, array, flat in zip(self.places, inputs, self.flats):  # noqa: B905 - strict takes its time
            arrays[place] = array if self.is_flat else array.reshape(flat)
        arrays[self.result] = predicted
        if self.finite is not None:
            arrays[self.finite] = np.empty(self.rows, bool)
        self.again(arrays)
        if self.finite is not None and 0 in arrays[self.finite].tobytes():  # `all` takes a microsecond more
            make_feed(inputs)  # says where, or that only the sum is too large
        return predicted if self.is_flat else predicted.reshape(self.shape)
