"""`torch.nn`: recurrent layers, in several layers and directions as PyTorch stacks them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nbdl import functions, nn
from nbdl.compat.naming import refuse
from nbdl.compat.torch.nn.layers import around
from nbdl.compat.torch.nn.module import Module
from nbdl.compat.torch.tensors import as_torch
from nbdl.errors import ShapeError
from nbdl.ir.shapes import show_shape
from nbdl.nn.initializers import initialize
from nbdl.nn.layers import Dropout
from nbdl.nn.recurrent import Recurrent
from nbdl.random import generator
from nbdl.tensor import Tensor

FLOAT32 = np.dtype(np.float32)


class Stack(Module):
    """Recurrent layers on one another: a native one for each layer and direction.

    Takes x `(time, n, input_size)`, or `(n, time, input_size)` with `batch_first`, or without n, and the states to
    begin with, `(layers * directions, n, hidden_size)` each. Returns the states of the last layer after every
    step, and the last states of all layers. There is one bias where PyTorch has two that are added up (all but GRU).

    Args:
        input_size: number of inputs a step.
        hidden_size: size of the states.
        num_layers: how many layers stand on one another.
        bias: whether there are biases.
        batch_first: whether the first axis is n, and not time.
        dropout: rate of the dropout between two layers.
        bidirectional: whether a second layer goes backwards at each place; the outputs are joined.
    """

    NATIVE: ClassVar[type[Recurrent]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **options: Any,
    ):
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.directions = batch_first, 2 if bidirectional else 1
        self.between = Dropout(dropout)
        self.layers = [
            self._layer(input_size if place < self.directions else hidden_size * self.directions, **options,
                        use_bias=bias, reverse=bidirectional and place % 2 == 1)
            for place in range(num_layers * self.directions)
        ]  # fmt: skip
        self._built = True

    def _layer(self, inputs: int, **options: Any) -> Recurrent:
        layer = self.NATIVE(self.hidden_size, return_sequences=True, return_state=True, **options)
        layer.build_for([((1, 1, inputs), FLOAT32)])
        for parameter in layer.parameters():
            as_torch(parameter)
            sizes = tuple(size for size in parameter.shape if isinstance(size, int))
            parameter.assign(initialize(around(self.hidden_size), generator(), sizes, FLOAT32))
        return layer

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the states after every step, and the last ones."""
        x, begin = inputs[0], inputs[1] if len(inputs) > 1 else None
        if x.ndim == 2:
            begin = None if begin is None else [functions.expand_dims(each, 1) for each in _tuple(begin)]
            output, last = self._run_batch(functions.expand_dims(x, 0), begin)
            return output[0], self._states([each[:, 0] for each in last])
        output, last = self._run_batch(x if self.batch_first else functions.permute_dims(x, (1, 0, 2)), begin)
        return output if self.batch_first else functions.permute_dims(output, (1, 0, 2)), self._states(last)

    def _run_batch(self, x: Tensor, begin: Any) -> tuple[Tensor, list[Tensor]]:
        states = [] if begin is None else _tuple(begin)
        shape = (len(self.layers), x.shape[0], self.hidden_size)
        if any(each.shape != shape for each in states):
            shapes = ", ".join(show_shape(each.shape) for each in states)
            raise ShapeError(f"it begins with states {show_shape(shape)}, not {shapes}")
        last: list[Any] = []
        for place in range(0, len(self.layers), self.directions):
            x = self.between(x) if place else x
            made = []
            for number in range(place, place + self.directions):
                output, final = self.layers[number](x, None, *[each[number] for each in states])
                made.append(output)
                last.append(final)
            x = functions.concat(made, -1)
        return x, [functions.stack(each) for each in zip(*last, strict=True)]

    def _states(self, states: list[Tensor]) -> Any:
        return states[0] if len(states) == 1 else tuple(states)


def _tuple(states: Any) -> tuple[Any, ...]:
    return tuple(states) if isinstance(states, tuple | list) else (states,)


class RNN(Stack):
    """`nbdl.nn.SimpleRNN`, stacked; `nonlinearity` is `tanh` or `relu`."""

    NATIVE = nn.SimpleRNN

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", **options: Any
    ):
        super().__init__(input_size, hidden_size, num_layers, activation=nonlinearity, **options)


class LSTM(Stack):
    """`nbdl.nn.LSTM`, stacked; the states are a pair (h, c)."""

    NATIVE = nn.LSTM

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, proj_size: int = 0, **options: Any):
        refuse("nn.LSTM", {"proj_size": proj_size}, {"proj_size": 0})
        super().__init__(input_size, hidden_size, num_layers, **options)


class GRU(Stack):
    """`nbdl.nn.GRU`, stacked."""

    NATIVE = nn.GRU
