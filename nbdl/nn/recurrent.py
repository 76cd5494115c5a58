"""Recurrent layers: simple, LSTM and GRU, in one direction or both, as native loops over time."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from nbdl import functions
from nbdl.errors import OptionError, ShapeError
from nbdl.ir.shapes import Shape, has_batch, show_shape
from nbdl.nn.initializers import Initializer
from nbdl.nn.layers import ActivationLike, resolve_activation
from nbdl.nn.module import Module, Parameter
from nbdl.options import check_whole
from nbdl.products import matmul
from nbdl.recorded import Arguments
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

    A subclass names its states, says how many gates it has, and computes the states after a step.
    """

    GATES: ClassVar[int] = 1
    """How many vectors of `units` numbers a step works out from input and state."""
    STATES: ClassVar[tuple[str, ...]] = ("h",)
    """Names of the states; the first one is the output."""

    weight: Parameter
    recurrent_weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "tanh",
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        reverse: bool = False,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
        bias_initializer: Initializer | None = None,
    ):
        """
        Args:
            units: size of the state, at least 1.
            activation: what the new state goes through: a name, a mapping with `name` and options, or a function.
            return_sequences: return the states of all steps instead of the last one.
            return_state: return a pair: the output, and the tuple of the last states.
            reverse: go from the last step to the first; outputs keep the order of the inputs.
            use_bias: whether biases are added.
            kernel_initializer: starting values of the weights of the inputs.
            recurrent_initializer: starting values of the weights of the state.
            bias_initializer: starting values of the bias; None for zeros (with 1 for the forget gate of an LSTM).
        """
        self.units = check_whole(f"units of {type(self).__name__}", units, 1)
        self.activation = resolve_activation(activation)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.reverse = reverse
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.recurrent_initializer = recurrent_initializer
        self.bias_initializer = bias_initializer

    def build(self, *shapes: Shape) -> None:
        """Make the weights for inputs `(n, time, features)`."""
        shape = shapes[0]
        if len(shape) != 3 or has_batch(shape[1:]):
            raise ShapeError(f"{type(self).__name__} takes sequences (rows, time, features), not {show_shape(shape)}")
        width = self.GATES * self.units
        self.weight = self.parameter("weight", (shape[2], width), self.kernel_initializer)
        self.recurrent_weight = self.parameter("recurrent_weight", (self.units, width), self.recurrent_initializer)
        initializer = self.bias_initializer or self._first_bias
        self.bias = self.parameter("bias", (width,), initializer) if self.use_bias else None

    def _first_bias(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        return np.zeros(shape, dtype)

    def step(self, states: States, x: Tensor) -> States:
        """The states after a time step: x is the input's product with the weight, `(n, GATES * units)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no step(self, states, x)")

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the last state, or the states of all steps."""
        return self._through_time(*inputs, **named)

    def _through_time(self, x: Tensor, mask: Tensor | None = None, *states: Tensor) -> Any:
        self._check(x, mask, states)
        by_time = matmul(functions.permute_dims(x, (1, 0, 2)), self.weight)
        zeros = functions.zeros((x.shape[0], self.units), by_time.dtype)
        final, outputs = self._scan(states or (zeros,) * len(self.STATES), by_time, mask)
        result = functions.permute_dims(outputs, (1, 0, 2)) if self.return_sequences else final[0]
        return (result, final) if self.return_state else result

    def _scan(self, begin: States, x: Tensor, mask: Tensor | None) -> tuple[States, Tensor]:
        elements = {"x": x}
        if mask is not None:
            elements["mask"] = functions.expand_dims(functions.permute_dims(mask, (1, 0)), 2)

        def step(states: dict[str, Tensor], element: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
            new = dict(zip(self.STATES, self.step(tuple(states.values()), element["x"]), strict=True))
            if mask is not None:
                new = {name: functions.where(element["mask"], new[name], states[name]) for name in self.STATES}
            return new, new[self.STATES[0]]

        final, outputs = scan(step, dict(zip(self.STATES, begin, strict=True)), elements, reverse=self.reverse)
        return tuple(final.values()), outputs

    def _check(self, x: Tensor, mask: Tensor | None, states: States) -> None:
        if len(x.shape) == 3 and x.shape[1] == 0:
            raise ShapeError("a sequence needs at least one step in time")
        if len(x.shape) != 3 or x.shape[2] != self.weight.shape[0]:
            raise ShapeError(
                f"it was built for sequences (rows, time, {self.weight.shape[0]}), not {show_shape(x.shape)}"
            )
        if mask is not None and (mask.shape != x.shape[:2] or mask.dtype.kind != "b"):
            raise ShapeError(
                f"a mask for {show_shape(x.shape)} is of booleans {show_shape(x.shape[:2])}, not {mask.dtype} "
                f"{show_shape(mask.shape)}"
            )
        wanted = [(x.shape[0], self.units)] * len(self.STATES)
        if states and [each.shape for each in states] != wanted:
            raise ShapeError(
                f"it begins with {' and '.join(self.STATES)}, each {show_shape(wanted[0])}, not with "
                f"{', '.join(show_shape(each.shape) for each in states)}"
            )

    def _part(self, x: Tensor, gate: int) -> Tensor:
        """The numbers of one gate."""
        return x[:, gate * self.units : (gate + 1) * self.units]

    def _gates(self, states: States, x: Tensor) -> Tensor:
        """x + h U + b, for all gates."""
        gates = x + matmul(states[0], self.recurrent_weight)
        return _named("gates", gates if self.bias is None else gates + self.bias)


def _named(name: str, x: Tensor) -> Tensor:
    """x, called so in generated code."""
    x.node.title = name
    return x


class SimpleRNN(Recurrent):
    """Simple recurrent layer.

    h_t = activation(x_t W + h_{t-1} U + b), with W `(features, units)`, U `(units, units)` and b `(units,)`. Takes and
    returns what `Recurrent` says.

    Raises:
        OptionError: `units` isn't a whole number of at least 1.
        ShapeError: inputs, mask or states of another shape.

    Source: Elman, Finding Structure in Time, Cognitive Science 14 (1990).

    >>> import numpy as np
    >>> SimpleRNN(3)(np.ones((2, 5, 4), np.float32)).shape
    (2, 3)
    """

    def step(self, states: States, x: Tensor) -> States:
        """The state after a time step."""
        return (self.activation(self._gates(states, x)),)


class LSTM(Recurrent):
    """Long short-term memory.

    i, f, o = sigmoid and g = activation of the four parts (in the order i, f, g, o) of x_t W + h_{t-1} U + b;
    c_t = f * c_{t-1} + i * g;  h_t = o * activation(c_t). W is `(features, 4 units)`, U `(units, 4 units)`, b
    `(4 units,)`. The states are h and c. Takes and returns what `Recurrent` says. The bias of the forget gate f starts
    at 1: a new network remembers.

    Raises:
        OptionError: `units` isn't a whole number of at least 1.
        ShapeError: inputs, mask or states of another shape.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997); the forget gate: Gers et
    al., Learning to Forget, Neural Computation 12 (2000); its bias: Jozefowicz et al., ICML 2015.

    >>> import numpy as np
    >>> LSTM(3, return_sequences=True)(np.ones((2, 5, 4), np.float32)).shape
    (2, 5, 3)
    """

    GATES = 4
    STATES = ("h", "c")

    def _first_bias(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        bias = np.zeros(shape, dtype)
        bias[self.units : 2 * self.units] = 1
        return bias

    def step(self, states: States, x: Tensor) -> States:
        """The states h and c after a time step."""
        gates = self._gates(states, x)
        input_gate = _named("input_gate", functions.sigmoid(self._part(gates, 0)))
        forget_gate = _named("forget_gate", functions.sigmoid(self._part(gates, 1)))
        candidate = _named("candidate", self.activation(self._part(gates, 2)))
        output_gate = _named("output_gate", functions.sigmoid(self._part(gates, 3)))
        cell = forget_gate * states[1] + input_gate * candidate
        return output_gate * _named("activated", self.activation(cell)), cell


class GRU(Recurrent):
    """Gated recurrent unit.

    With a = x_t W + b and s = h_{t-1} U + b_s, each of three parts: r, z = sigmoid(a + s) of the first two, the
    candidate n = activation(a_3 + r * s_3), and h_t = (1 - z) * n + z * h_{t-1}. W is `(features, 3 units)`, U
    `(units, 3 units)`, b and b_s `(3 units,)`. Takes and returns what `Recurrent` says.

    The reset gate r is applied after the product with the state, which lets all three products be one (the original
    applies it before).

    Raises:
        OptionError: `units` isn't a whole number of at least 1.
        ShapeError: inputs, mask or states of another shape.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.

    >>> import numpy as np
    >>> GRU(3)(np.ones((2, 5, 4), np.float32)).shape
    (2, 3)
    """

    GATES = 3

    recurrent_bias: Parameter | None

    def build(self, *shapes: Shape) -> None:
        """Make the weights for inputs `(n, time, features)`."""
        super().build(*shapes)
        width = self.GATES * self.units
        self.recurrent_bias = self.parameter("recurrent_bias", (width,), "zeros") if self.use_bias else None

    def step(self, states: States, x: Tensor) -> States:
        """The state after a time step."""
        (h,) = states
        recurrent = _named("product", matmul(h, self.recurrent_weight))
        recurrent = _named("recurrent", recurrent if self.recurrent_bias is None else recurrent + self.recurrent_bias)
        x = _named("gates", x if self.bias is None else x + self.bias)
        reset = _named("reset_gate", functions.sigmoid(self._part(x, 0) + self._part(recurrent, 0)))
        update = _named("update_gate", functions.sigmoid(self._part(x, 1) + self._part(recurrent, 1)))
        candidate = _named("candidate", self.activation(self._part(x, 2) + reset * self._part(recurrent, 2)))
        return (candidate + update * (h - candidate),)


class Bidirectional(Module):
    """A recurrent layer in both directions: one goes through the sequence forwards, another one backwards.

    Takes x `(n, time, features)`, if given a mask `(n, time)`, and the states to begin with, those of the layer that
    goes forwards first; returns what the layer returns, the two outputs joined along the last axis, or added, and the
    states of both.

    Args:
        layer: the layer that goes forwards; the other one is made with the same options.
        merge: `"concat"` or `"sum"`.

    Raises:
        OptionError: another `merge`, or a layer that goes backwards.

    Source: Schuster and Paliwal, Bidirectional Recurrent Neural Networks, IEEE Transactions on Signal Processing 45
    (1997).

    >>> import numpy as np
    >>> Bidirectional(LSTM(3))(np.ones((2, 5, 4), np.float32)).shape
    (2, 6)
    """

    def __init__(self, layer: Recurrent, merge: Literal["concat", "sum"] = "concat"):
        if merge not in ("concat", "sum"):
            raise OptionError(f"Bidirectional joins its outputs by 'concat' or 'sum', not {merge!r}")
        if not isinstance(layer, Recurrent) or layer.reverse:
            raise OptionError("Bidirectional takes a recurrent layer that goes forwards, such as LSTM(64)")
        self.forwards = layer
        arguments, options = layer.arguments()
        self.backwards = type(layer)(*arguments, **{**options, "reverse": True})
        self.merge = merge
        self.label_children()

    def arguments(self) -> Arguments:
        """What makes the layer again."""
        return (self.forwards,), {"merge": self.merge}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the joined outputs of both directions."""
        return self._through_time(*inputs, **named)

    def _through_time(self, x: Tensor, mask: Tensor | None = None, *states: Tensor) -> Any:
        count = len(self.forwards.STATES)
        if states and len(states) != 2 * count:
            raise ShapeError(f"it begins with {2 * count} states, {count} for each direction, not {len(states)}")
        returned = [self.forwards(x, mask, *states[:count]), self.backwards(x, mask, *states[count:])]
        if self.forwards.return_state:
            (first, first_states), (second, second_states) = returned
            return self._joined(first, second), (*first_states, *second_states)
        return self._joined(*returned)

    def _joined(self, first: Tensor, second: Tensor) -> Tensor:
        joined: Tensor = functions.concat([first, second], -1) if self.merge == "concat" else first + second
        return joined
