"""`keras.layers`: recurrent layers."""

from __future__ import annotations

from typing import Any

from nbdl import nn
from nbdl.compat.keras.layers.base import Layer, activation_of, initializer_of
from nbdl.compat.naming import refuse

KNOWN = ("use_bias", "return_sequences", "return_state", "reverse")
INITIALIZERS = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
REFUSED = {
    "dropout": 0.0,
    "recurrent_activation": "sigmoid",
    "recurrent_dropout": 0.0,
    "reset_after": True,
    "stateful": False,
    "time_major": False,
    "unroll": False,
}


class Recurrent(Layer):
    """What recurrent layers have in common: how options are translated, and what is returned."""

    flipped = False
    """Whether it goes backwards; Keras then returns the last step first, and nbdl the first."""

    def translated(self, activation: Any, options: dict[str, Any]) -> dict[str, Any]:
        """Options of the native layer; the rest is for all layers, or refused."""
        refuse(type(self).__name__, {name: options.pop(name) for name in REFUSED if name in options}, REFUSED)
        told = {name: options.pop(name) for name in KNOWN if name in options}
        told |= {name: initializer_of(options.pop(name)) for name in INITIALIZERS if name in options}
        self.flipped = options.pop("go_backwards", False)
        self.begin(**options)
        # `reverse` alone is what nbdl's Bidirectional makes its second layer with: it counts on nbdl's order.
        return {"activation": activation_of(activation), "reverse": self.flipped, **told}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the output; with `return_state` followed by the last states."""
        made = super().forward(*inputs, **named)
        output, states = made if isinstance(made, tuple) else (made, ())
        output = output[:, ::-1] if self.flipped and output.ndim == 3 else output
        return (output, *states) if states else output


class SimpleRNN(Recurrent, nn.SimpleRNN):
    """`nbdl.nn.SimpleRNN`."""

    def __init__(self, units: int, activation: Any = "tanh", **options: Any):
        nn.SimpleRNN.__init__(self, units, **self.translated(activation, options))


class LSTM(Recurrent, nn.LSTM):
    """`nbdl.nn.LSTM`; without `unit_forget_bias` all biases start at 0."""

    def __init__(self, units: int, activation: Any = "tanh", unit_forget_bias: bool = True, **options: Any):
        if not unit_forget_bias:
            options.setdefault("bias_initializer", "zeros")
        nn.LSTM.__init__(self, units, **self.translated(activation, options))


class GRU(Recurrent, nn.GRU):
    """`nbdl.nn.GRU`: the gate is applied after the product, as with Keras' `reset_after=True`."""

    def __init__(self, units: int, activation: Any = "tanh", **options: Any):
        nn.GRU.__init__(self, units, **self.translated(activation, options))


class Bidirectional(Layer, nn.Bidirectional):
    """`nbdl.nn.Bidirectional`."""

    def __init__(self, layer: Any, merge_mode: Any = "concat", **options: Any):
        self.begin(**options)
        self.input_shape = self.input_shape or layer.input_shape
        nn.Bidirectional.__init__(self, layer, merge_mode)
        if not self.trainable:
            self.trainable = False  # those inside, too
