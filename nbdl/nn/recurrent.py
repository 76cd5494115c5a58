"""Recurrent layers: simple, LSTM and GRU, in one direction or both, as native loops over time."""

from __future__ import annotations

from typing import Any, Literal

from nbdl import functions
from nbdl.errors import OptionError, ShapeError
from nbdl.ir.shapes import Shape, has_batch, show_shape
from nbdl.nn.initializers import Initializer
from nbdl.nn.layers import ActivationLike, resolve_activation
from nbdl.nn.module import Module, Parameter
from nbdl.recurrence import scan
from nbdl.tensor import Tensor

States = tuple[Tensor, ...]


class Recurrent(Module):
    """What recurrent layers have in common: a state that goes from one time step to the next.

    Takes x `(n, time, features)`, and, if given, a mask `(n, time)` of booleans (where it is False the state stays as
    it is) and the states `(n, units)` to begin with (zeros otherwise). Returns the last state `(n, units)`, or with
    `return_sequences` those after every step, `(n, time, units)`.

    The products with the inputs are taken for all steps at once, before the loop; so are the gradients of the weights,
    after it.

    Args:
        units: size of the state, at least 1.
        return_sequences: return the states of all steps instead of the last one.
        return_state: return a pair: the output, and the tuple of the last states.
        reverse: go from the last step to the first; outputs keep the order of the inputs.
        use_bias: whether biases are added.
        kernel_initializer: starting values of the weights of the inputs.
        recurrent_initializer: starting values of the weights of the state.

    Raises:
        OptionError: `units` is less than 1.
        ShapeError: inputs, mask or states of another shape.
    """

    GATES = 1
    """How many vectors of `units` numbers a step works out from input and state."""
    STATES = 1
    """How many states there are."""

    weight: Parameter
    recurrent_weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        reverse: bool = False,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
    ):
        if units < 1:
            raise OptionError(f"{type(self).__name__} needs at least one unit, not {units}")
        self.units = units
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.reverse = reverse
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.recurrent_initializer = recurrent_initializer

    def build(self, *shapes: Shape) -> None:
        """Make the weights for inputs `(n, time, features)`."""
        shape = shapes[0]
        if len(shape) != 3 or has_batch(shape[1:]):
            raise ShapeError(f"{type(self).__name__} takes sequences (rows, time, features), not {show_shape(shape)}")
        width = self.GATES * self.units
        self.weight = self.parameter("weight", (shape[2], width), self.kernel_initializer)
        self.recurrent_weight = self.parameter("recurrent_weight", (self.units, width), self.recurrent_initializer)
        self.bias = self.parameter("bias", (width,), "zeros") if self.use_bias else None

    def step(self, states: States, x: Tensor) -> States:
        """The states after a time step: x is the input's product with the weight, `(n, GATES * units)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no step(self, states, x)")

    def forward(self, *inputs: Any) -> Any:
        """Return the last state, or the states of all steps."""
        x, mask, states = inputs[0], *(*inputs[1:], None, None)[:1], inputs[2:]
        self._check(x, mask, states)
        by_time = functions.matmul(functions.permute_dims(x, (1, 0, 2)), self.weight)
        begin = tuple(states) or (functions.zeros((x.shape[0], self.units), x.dtype),) * self.STATES
        final, outputs = self._scan(begin, by_time, mask)
        result = functions.permute_dims(outputs, (1, 0, 2)) if self.return_sequences else final[0]
        return (result, final) if self.return_state else result

    def _scan(self, begin: States, x: Tensor, mask: Tensor | None) -> tuple[States, Tensor]:
        if mask is None:
            return scan(lambda states, x: _with_output(self.step(states, x)), begin, x, reverse=self.reverse)
        present = functions.expand_dims(functions.permute_dims(mask, (1, 0)), 2)

        def masked(states: States, element: tuple[Tensor, Tensor]) -> tuple[States, Tensor]:
            new = self.step(states, element[0])
            kept = tuple([functions.where(element[1], after, before) for after, before in zip(new, states, strict=True)])
            return _with_output(kept)

        return scan(masked, begin, (x, present), reverse=self.reverse)

    def _check(self, x: Tensor, mask: Tensor | None, states: tuple[Tensor, ...]) -> None:
        if len(x.shape) != 3 or x.shape[2] != self.weight.shape[0]:
            raise ShapeError(
                f"it was built for sequences (rows, time, {self.weight.shape[0]}), not {show_shape(x.shape)}"
            )
        if mask is not None and (mask.shape != x.shape[:2] or mask.dtype.kind != "b"):
            raise ShapeError(
                f"a mask for {show_shape(x.shape)} is of booleans {show_shape(x.shape[:2])}, not {mask.dtype} "
                f"{show_shape(mask.shape)}"
            )
        if states and (len(states) != self.STATES or any(each.shape != (x.shape[0], self.units) for each in states)):
            shapes = ", ".join(show_shape(each.shape) for each in states)
            raise ShapeError(
                f"it begins with {self.STATES} states {show_shape((x.shape[0], self.units))}, not with {shapes}"
            )

    def _part(self, x: Tensor, gate: int) -> Tensor:
        """The numbers of one gate."""
        return x[:, gate * self.units : (gate + 1) * self.units]

    def _gates(self, states: States, x: Tensor) -> Tensor:
        """x + h U + b, for all gates."""
        gates = x + functions.matmul(states[0], self.recurrent_weight)
        return gates if self.bias is None else gates + self.bias


def _with_output(states: States) -> tuple[States, Tensor]:
    return states, states[0]


class SimpleRNN(Recurrent):
    """Simple recurrent layer.

    h_t = activation(x_t W + h_{t-1} U + b), with W `(features, units)`, U `(units, units)` and b `(units,)`. Takes and
    returns what `Recurrent` says.

    Args:
        units: size of the state.
        activation: a name, a mapping with `name` and options, or a function.
        options: those of `Recurrent`.

    Source: Elman, Finding Structure in Time, Cognitive Science 14 (1990).

    >>> import numpy as np
    >>> SimpleRNN(3)(np.ones((2, 5, 4), np.float32)).shape
    (2, 3)
    """

    def __init__(self, units: int, activation: ActivationLike = "tanh", **options: Any):
        super().__init__(units, **options)
        self.activation = resolve_activation(activation)

    def step(self, states: States, x: Tensor) -> States:
        """The state after a time step."""
        return (self.activation(self._gates(states, x)),)


class LSTM(Recurrent):
    """Long short-term memory.

    i, f, o = sigmoid and g = tanh of the four parts (in the order i, f, g, o) of x_t W + h_{t-1} U + b;
    c_t = f * c_{t-1} + i * g;  h_t = o * tanh(c_t). W is `(features, 4 units)`, U `(units, 4 units)`, b `(4 units,)`.
    The states are h and c. Takes and returns what `Recurrent` says.

    Args:
        units: size of each state.
        forget_bias: starting value of the bias of f: with 1, a new network remembers.
        options: those of `Recurrent`.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997); the forget gate: Gers et
    al., Learning to Forget, Neural Computation 12 (2000); its bias: Jozefowicz et al., ICML 2015.

    >>> import numpy as np
    >>> LSTM(3, return_sequences=True)(np.ones((2, 5, 4), np.float32)).shape
    (2, 5, 3)
    """

    GATES = 4
    STATES = 2

    def __init__(self, units: int, *, forget_bias: float = 1.0, **options: Any):
        super().__init__(units, **options)
        self.forget_bias = forget_bias

    def build(self, *shapes: Shape) -> None:
        """Make the weights for inputs `(n, time, features)`."""
        super().build(*shapes)
        if self.bias is not None:
            values = self.bias.numpy().copy()
            values[self.units : 2 * self.units] = self.forget_bias
            self.bias.assign(values)

    def step(self, states: States, x: Tensor) -> States:
        """The states h and c after a time step."""
        gates = self._gates(states, x)
        keep = functions.sigmoid(self._part(gates, 0)) * functions.tanh(self._part(gates, 2))
        cell = functions.sigmoid(self._part(gates, 1)) * states[1] + keep
        return functions.sigmoid(self._part(gates, 3)) * functions.tanh(cell), cell


class GRU(Recurrent):
    """Gated recurrent unit.

    r, z = sigmoid of the first two parts of x_t W + b + h_{t-1} U; the candidate is
    n = tanh((x_t W + b)_3 + r * ((h_{t-1} U)_3 + b_n)); h_t = (1 - z) * n + z * h_{t-1}. W is `(features, 3 units)`, U
    `(units, 3 units)`, b `(3 units,)`, b_n `(units,)`. Takes and returns what `Recurrent` says.

    The reset gate is applied after the product with the state, which lets all three products be one (the original
    applies it before).

    Args:
        units: size of the state.
        options: those of `Recurrent`.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.

    >>> import numpy as np
    >>> GRU(3)(np.ones((2, 5, 4), np.float32)).shape
    (2, 3)
    """

    GATES = 3

    candidate_bias: Parameter | None

    def build(self, *shapes: Shape) -> None:
        """Make the weights for inputs `(n, time, features)`."""
        super().build(*shapes)
        self.candidate_bias = self.parameter("candidate_bias", (self.units,), "zeros") if self.use_bias else None

    def step(self, states: States, x: Tensor) -> States:
        """The state after a time step."""
        (h,) = states
        recurrent = functions.matmul(h, self.recurrent_weight)
        x = x if self.bias is None else x + self.bias
        reset = functions.sigmoid(self._part(x, 0) + self._part(recurrent, 0))
        update = functions.sigmoid(self._part(x, 1) + self._part(recurrent, 1))
        inner = self._part(recurrent, 2)
        inner = inner if self.candidate_bias is None else inner + self.candidate_bias
        candidate = functions.tanh(self._part(x, 2) + reset * inner)
        return (candidate + update * (h - candidate),)


class Bidirectional(Module):
    """A recurrent layer in both directions: one goes through the sequence forwards, another one backwards.

    Takes x `(n, time, features)` and, if given, a mask `(n, time)`; returns what the layer returns, the two outputs
    joined along the last axis, or added.

    Args:
        layer: the layer that goes forwards; the other one is made with the same options.
        merge: `"concat"` or `"sum"`.

    Raises:
        OptionError: another `merge`, or a layer that goes backwards or returns its state.

    Source: Schuster and Paliwal, Bidirectional Recurrent Neural Networks, IEEE Transactions on Signal Processing 45
    (1997).

    >>> import numpy as np
    >>> Bidirectional(LSTM(3))(np.ones((2, 5, 4), np.float32)).shape
    (2, 6)
    """

    def __init__(self, layer: Recurrent, merge: Literal["concat", "sum"] = "concat"):
        if merge not in ("concat", "sum"):
            raise OptionError(f"Bidirectional joins its outputs by 'concat' or 'sum', not {merge!r}")
        if layer.reverse or layer.return_state:
            raise OptionError("Bidirectional takes a layer that goes forwards and doesn't return its state")
        self.forwards = layer
        arguments, options = layer.arguments()
        self.backwards = type(layer)(*arguments, **{**options, "reverse": True})
        self.merge = merge
        self.label_children()

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What makes the layer again."""
        return (self.forwards,), {"merge": self.merge}

    def forward(self, *inputs: Any) -> Tensor:
        """Return the joined outputs of both directions."""
        outputs = [self.forwards(*inputs), self.backwards(*inputs)]
        joined: Tensor = functions.concat(outputs, -1) if self.merge == "concat" else outputs[0] + outputs[1]
        return joined
