"""`keras.layers`: recurrent layers."""

from __future__ import annotations

from typing import Any

from nbdl import nn
from nbdl.compat.keras.layers.base import Layer, activation_of, initializer_of
from nbdl.compat.naming import refuse

KNOWN = ("use_bias", "return_sequences", "return_state")
REFUSED = {
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "recurrent_activation": "sigmoid",
    "stateful": False,
    "time_major": False,
    "unroll": False,
}


def _taken(layer: Layer, options: dict[str, Any]) -> dict[str, Any]:
    """What the native layer is told; the rest is for all layers, or refused."""
    refuse(type(layer).__name__, {name: options.pop(name) for name in REFUSED if name in options}, REFUSED)
    told = {name: options.pop(name) for name in KNOWN if name in options}
    # `reverse` is what nbdl's Bidirectional makes the other layer with.
    told["reverse"] = options.pop("go_backwards", False) | options.pop("reverse", False)
    for name in ("kernel_initializer", "recurrent_initializer"):
        if name in options:
            told[name] = initializer_of(options.pop(name))
    layer.begin(**options)
    return told


class SimpleRNN(Layer, nn.SimpleRNN):
    """`nbdl.nn.SimpleRNN`."""

    def __init__(self, units: int, activation: Any = "tanh", **options: Any):
        told = _taken(self, options)
        nn.SimpleRNN.__init__(self, units, activation_of(activation), **told)


class LSTM(Layer, nn.LSTM):
    """`nbdl.nn.LSTM`."""

    def __init__(self, units: int, activation: Any = "tanh", *, unit_forget_bias: bool = True, **options: Any):
        told = _taken(self, options)
        told["bias_initializer"] = None if unit_forget_bias else "zeros"
        nn.LSTM.__init__(self, units, activation_of(activation), **told)


class GRU(Layer, nn.GRU):
    """`nbdl.nn.GRU`: the gate is applied after the product, as Keras' `reset_after=True`."""

    def __init__(self, units: int, activation: Any = "tanh", *, reset_after: bool = True, **options: Any):
        refuse("GRU", {"reset_after": reset_after}, {"reset_after": True})
        told = _taken(self, options)
        nn.GRU.__init__(self, units, activation_of(activation), **told)


class Bidirectional(Layer, nn.Bidirectional):
    """`nbdl.nn.Bidirectional`."""

    def __init__(self, layer: Any, merge_mode: Any = "concat", **options: Any):
        self.begin(**options)
        self.input_shape = self.input_shape or layer.input_shape
        nn.Bidirectional.__init__(self, layer, merge_mode)
