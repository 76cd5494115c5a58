"""The plain layers: dense, flatten, dropout, activation, and layers one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import Any

from nbdl import functions, random
from nbdl.errors import DataError, OptionError, ShapeError
from nbdl.ir.shapes import Shape, show_shape
from nbdl.nn.initializers import Initializer
from nbdl.nn.inputs import only
from nbdl.nn.module import Container, Module, Parameter
from nbdl.options import check_whole
from nbdl.products import matmul
from nbdl.recorded import Arguments
from nbdl.resolve import resolve
from nbdl.tensor import Tensor

ActivationLike = str | Mapping[str, Any] | Callable[[Tensor], Tensor] | None


class Dense(Module):
    """Fully connected layer.

    y = activation(x @ weight + bias), with x `(..., inputs)`, weight `(inputs, units)`, bias `(units,)` and y `(...,
    units)`.

    Args:
        units: number of outputs, at least 1.
        activation: a name, a mapping with `name` and options, a function, or None.
        use_bias: whether a bias is added.
        kernel_initializer: starting values of the weight.
        bias_initializer: starting values of the bias.

    Raises:
        OptionError: `units` isn't a whole number of at least 1.
        ShapeError: the input is a scalar, or its last size is not the one the layer was built with.

    >>> import numpy as np
    >>> Dense(3)(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        units: int,
        activation: ActivationLike = None,
        *,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
    ):
        self.units = check_whole("units of Dense", units, 1)
        self.activation = resolve_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer

    def build(self, *shapes: Shape) -> None:
        """Make the weight and the bias for inputs `(..., inputs)`."""
        shape = only(shapes)
        if len(shape) < 2 or not isinstance(shape[-1], int):
            raise ShapeError(
                f"Dense takes (rows, ..., inputs), not {show_shape(shape)}; put a batch axis in front of a single row"
            )
        self.weight = self.parameter("weight", (shape[-1], self.units), self.kernel_initializer)
        self.bias = self.parameter("bias", (self.units,), self.bias_initializer) if self.use_bias else None

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return activation(x @ weight + bias)."""
        x = only(inputs)
        if x.shape[-1] != self.weight.shape[0]:
            raise ShapeError(f"it was built for inputs of size {self.weight.shape[0]}, not {x.shape[-1]}")
        y = matmul(x, self.weight)
        if self.bias is not None:
            y = y + self.bias
        return self.activation(y)


class Flatten(Module):
    """All axes behind the batch become one: `(n, a, b, ...)` to `(n, a * b * ...)`."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x with two axes."""
        x = only(inputs)
        return x.reshape(x.shape[0], -1)


class Dropout(Module):
    """While training, each element becomes 0 with probability `rate`, and the others grow by 1 / (1 - rate).

    Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 15 (2014).

    Raises:
        OptionError: `rate` is not a number in [0, 1).
    """

    def __init__(self, rate: float = 0.5):
        self.rate = rate
        if not isinstance(rate, Real) or not 0 <= rate < 1:
            raise OptionError(f"the dropout rate must be at least 0 and less than 1, not {rate!r}")

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x, thinned out while training."""
        x = only(inputs)
        if not self.training or self.rate == 0:
            return x
        kept = random.uniform(x.shape, x.dtype) >= self.rate
        return functions.where(kept, x * (1 / (1 - self.rate)), 0.0)


class Activation(Module):
    """An activation function as a layer of its own."""

    def __init__(self, function: ActivationLike):
        self.function = resolve_activation(function)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return function(x)."""
        x = only(inputs)
        return self.function(x)


class Sequential(Container):
    """Layers one after another.

    Args:
        layers: modules, and functions or names of activations.

    Raises:
        OptionError: something that is none of these, such as a list of layers.
        DataError: it is called with more than one input.

    >>> net = Sequential(Dense(64, activation="relu"), Dense(10))
    """

    def __init__(self, *layers: Module | Callable[[Tensor], Tensor]):
        self.layers = [_as_layer(layer) for layer in layers]
        self.label_children()

    def add(self, layer: Module | Callable[[Tensor], Tensor]) -> None:
        """Put a layer at the end. Raises `OptionError` if it is none."""
        self.layers.append(_as_layer(layer))
        self.label_children()

    def arguments(self) -> Arguments:
        """The layers that it has now."""
        return tuple(self.layers), {}

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the output of the last layer."""
        if len(inputs) != 1:
            raise DataError(
                f"Sequential hands one input from layer to layer and can't take {len(inputs)}: write a module of your "
                "own, with a forward that has a parameter for each"
            )
        (x,) = inputs
        for layer in self.layers:
            x = layer(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, place: int) -> Module:
        return self.layers[place]


def _as_layer(given: Any) -> Module:
    """A layer for what `Sequential` takes: functions and names of activations become layers."""
    if isinstance(given, Module):
        return given
    if isinstance(given, type):
        raise OptionError(f"{given.__name__} is a class; Sequential takes a layer made of it: {given.__name__}(...)")
    if not callable(given) and not isinstance(given, str | Mapping):
        raise OptionError(
            f"give the layers one by one, Sequential(a, b): {type(given).__name__!r} is neither a layer nor a function"
        )
    return Activation(given)


def resolve_activation(activation: ActivationLike) -> Callable[[Tensor], Tensor]:
    """Find an activation function; None is the identity. Raises `OptionError` for what can't be called."""
    if activation is None:
        return _identity
    function: Callable[[Tensor], Tensor] = resolve("activations", activation)
    if not callable(function):
        raise OptionError(f"an activation is a name, a mapping with a name, or a function, not {function!r}")
    return function


def _identity(x: Tensor) -> Tensor:
    return x
