"""Networks of every registered layer, to be trained on a card and with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl import Tensor, nn, random
from nbdl.plugins import Registered
from tests.gpu import walk

IMAGE, SEQUENCE, TABLE = (6, 6, 2), (6, 4), (6,)

LAYERS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "activation": (TABLE, {"function": "tanh"}),
    "average_pool1d": (SEQUENCE, {}),
    "average_pool2d": (IMAGE, {}),
    "basic_block": (IMAGE, {"filters": 3, "stride": 2}),
    "batch_norm": (IMAGE, {}),
    "conv1d": (SEQUENCE, {"filters": 3}),
    "conv1d_transpose": (SEQUENCE, {"filters": 3, "stride": 2}),
    "conv2d": (IMAGE, {"filters": 4, "groups": 2, "padding": "same"}),
    "conv2d_transpose": (IMAGE, {"filters": 3, "stride": 2}),
    "dense": (SEQUENCE, {"units": 5}),
    "dropout": (TABLE, {"rate": 0.3}),
    "feed_forward": (SEQUENCE, {"hidden": 7, "width": 4}),
    "flatten": (IMAGE, {}),
    "global_average_pool": (IMAGE, {}),
    "global_max_pool": (IMAGE, {}),
    "gru": (SEQUENCE, {"units": 5, "return_sequences": True}),
    "image_input": ((6, 6), {}),
    "layer_norm": (SEQUENCE, {}),
    "learned_positions": (SEQUENCE, {"length": 8}),
    "lstm": (SEQUENCE, {"units": 5, "reverse": True}),
    "max_pool1d": (SEQUENCE, {}),
    "max_pool2d": (IMAGE, {"size": 3, "stride": 2, "padding": "same"}),
    "multi_head_attention": (SEQUENCE, {"heads": 2, "causal": True, "rotary": True}),
    "rms_norm": (SEQUENCE, {}),
    "simple_rnn": (SEQUENCE, {"units": 5}),
    "sinusoidal_positions": (SEQUENCE, {}),
    "transformer_block": (SEQUENCE, {"heads": 2, "hidden": 6, "norm_first": False}),
    "upsampling1d": (SEQUENCE, {}),
    "upsampling2d": (IMAGE, {}),
    "zero_padding2d": (IMAGE, {}),
}
"""The shape of a row, and options, of layers that take one input of float32 and need no others."""


class Forked(nn.Module):
    """Two layers side by side."""

    def __init__(self, joined: nn.Module):
        self.left, self.right, self.joined = nn.Dense(3), nn.Dense(2), joined

    def forward(self, *inputs: Tensor) -> Tensor:
        joined: Tensor = self.joined(self.left(inputs[0]), self.right(inputs[0]))
        return joined


OTHERS: dict[str, Callable[[Registered], nn.Module]] = {
    "bidirectional": lambda thing: thing.factory(nn.SimpleRNN(3)),
    "concatenate": lambda thing: Forked(thing.make()),
    "residual": lambda thing: thing.factory(nn.Dense(4, activation="relu")),
}
"""Layers of others."""

OF_MODELS = {"char_transformer_network", "transformer_network"}
"""What models are made of: they are trained with these."""


def layer_program(thing: Registered) -> tuple[Any, Any]:
    """Two steps of a layer between dense ones."""
    random.set_seed(0)
    generator = np.random.default_rng(0)
    if thing.name == "embedding":
        x: np.ndarray = generator.integers(0, 7, (walk.ROWS, 5)).astype(np.int32)
        layer = thing.make(tokens=7, width=4)
    else:
        shape, options = LAYERS.get(thing.name, (SEQUENCE, {}))
        x = generator.standard_normal((walk.ROWS, *shape), np.float32)
        layer = OTHERS[thing.name](thing) if thing.name in OTHERS else thing.make(**options)
    before = [nn.Dense(x.shape[-1])] if x.dtype.kind == "f" else []
    net = nn.Sequential(*before, layer, nn.Flatten(), nn.Dense(2))
    return walk.training(net, x, generator.standard_normal((walk.ROWS, 2), np.float32), walk.PLAIN, "mse")


def trained_alone() -> list[Registered]:
    """The layers that a test of their own trains: all that models don't."""
    return [each for each in walk.registered("layers") if each.name not in OF_MODELS]
