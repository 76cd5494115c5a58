"""Modules: named parameters, and a forward function made of tensor operations."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Iterator, Sequence
from typing import Any, Self, TypeVar

import numpy as np

from nbdl import lazy, random
from nbdl.aligned import aligned_copy
from nbdl.errors import DataError, NbdlError, OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import current_scope, scope
from nbdl.ir.shapes import Shape, has_batch, show_shape
from nbdl.nn.calls import is_building, note_call
from nbdl.nn.initializers import Initializer, initialize
from nbdl.nn.trainable import Trainable
from nbdl.recorded import Recorded
from nbdl.tensor import Tensor, TensorLike, as_array, node_of

Found = TypeVar("Found")

Spec = tuple[Shape, np.dtype[Any]]
"""Shape and dtype of a tensor."""


_PROGRAMS = ("_programs", "_predictions")
"""Attributes in which a network keeps programs that were compiled for its own arrays."""

_BESIDE = {*_PROGRAMS, "_arguments", "_compiled", "_loss", "_metrics"}
"""Attributes that hold what is no part of a network, or a part once more."""


class _Changes:
    count: int = 0


def changes() -> int:
    """How often an attribute of any module was set to something else."""
    return _Changes.count


class Parameter(Tensor):
    """A tensor that belongs to a module: trained by gradients, or (`trainable=False`) state such as running means."""

    __slots__ = ("is_state", "name", "trainable")

    def __init__(self, data: TensorLike, dtype: Any = None, *, trainable: bool = True, name: str = ""):
        # An array of its own: training changes it in place, and what was given may be read-only or a user's data.
        self._set(ops.value(aligned_copy(as_array(data, dtype)), differentiable=trainable))
        self.trainable = trainable
        self.is_state = not trainable
        self.name = name

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """Copy the value, which may be a part of an optimizer's vector, and the gradient."""
        made = Parameter(self.numpy(), trainable=self.trainable, name=self.name)
        made.is_state = self.is_state
        memo[id(self)] = made
        made.grad = None if self.grad is None else Tensor(np.array(self.grad.numpy()))
        return made

    def set_trainable(self, trainable: bool) -> None:
        """Say whether it is trained; state never is."""
        self.trainable = trainable and not self.is_state
        if self.node.differentiable != self.trainable:
            self._set(ops.value(lazy.value_of(self.node), differentiable=self.trainable))

    def assign(self, value: TensorLike) -> None:
        """Replace the value; inside a traced program this becomes part of the program. No gradient flows through it to
        what the value was computed from.

        Raises `ShapeError` if the shape differs, `UntraceableError` inside of `jit`, `scan` or `vmap`.
        """
        tensor = value if isinstance(value, Tensor) else Tensor(value, self.dtype)
        if tensor.shape != self.shape:
            raise ShapeError(
                f"the parameter {self.name or '?'} has the shape {show_shape(self.shape)}, not "
                f"{show_shape(tensor.shape)}"
            )
        if is_building():
            return
        lazy.check_change(f"the parameter {self.name}" if self.name else "a parameter")
        node = ops.stop_gradient(ops.cast(tensor.node, self.dtype))
        if self.trainable and not lazy.is_traced(node):
            lazy.realize([tensor.node])  # gradients end at a parameter, so it has no past
        if tensor.node.value is not None:
            node = ops.value(aligned_copy(tensor.node.value, self.dtype), differentiable=self.trainable)
        else:
            node.differentiable = self.trainable
        grad = self.grad
        self._set(node)
        self.grad = grad


class Module(Recorded, Trainable):
    """A part of a network.

    A subclass makes its parameters in `build(self, *shapes)`, called once with the shapes of the first inputs, and
    computes in `forward(self, *inputs)`. Parameters and modules set as attributes, or in lists, tuples and dictionaries
    set as attributes, are found by name.

    >>> class Scale(Module):
    ...     def build(self, shape):
    ...         self.factor = self.parameter("factor", (shape[-1],), "ones")
    ...     def forward(self, x):
    ...         return x * self.factor
    """

    training: bool = True
    """Set by the trainer: layers such as dropout act only while training."""

    task: str | None = None
    """What it is trained for, given a data set: None for the data's targets, `"reconstruction"` for its own input,
    `"generation"` for nothing but what its own `train_step` says. The command line hands the data over accordingly.
    """

    _built: bool = False
    _trainable: bool = True
    _label: str = ""
    _inputs: tuple[Spec, ...] = ()

    def __init__(self) -> None: ...

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, and count it if it changes what a program would be recorded from."""
        if name != "training" and self.__dict__.get(name, _Changes) is not value:  # who records sets `training`
            _Changes.count += 1
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        """Remove an attribute, and count it."""
        _Changes.count += 1
        super().__delattr__(name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy parameters, state and optimizer, and what was compiled for them not: the copy's programs are its own."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        kept = {name: value for name, value in vars(self).items() if name not in _PROGRAMS}
        vars(made).update(copy.deepcopy(kept, memo))
        return made

    @property
    def trainable(self) -> bool:
        """Whether it is trained. Setting it freezes (or frees) this module and all that is inside by then, with the
        parameters that they have yet to make; state such as running means follows the data all the same. `compile` (or
        making an optimizer) comes after.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        for module in self.modules():
            module._trainable = trainable
            for _, parameter in module._inside(Parameter):
                parameter.set_trainable(trainable)

    @property
    def _called(self) -> str:
        """What generated code and messages call it."""
        return self._label or type(self).__name__.lower()

    def build(self, *shapes: Shape) -> None:
        """Make the parameters; the default has none."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output. Subclasses must define it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(self, x)")

    def __call__(self, *inputs: TensorLike, **named: TensorLike) -> Any:
        """Return `forward` of the inputs; parameters don't depend on the shapes of named ones, such as a mask.

        Raises `DataError` if `forward` takes another number of inputs.
        """
        return self._run(
            [_as_tensor(each) for each in inputs], **{name: _as_tensor(each) for name, each in named.items()}
        )

    def _run(self, inputs: list[Any], **options: Any) -> Any:
        """Build if need be, and call `forward`, within a scope and with errors that name the layer."""
        outer = current_scope()
        with scope(f"{outer}.{self._called}" if outer else self._called):
            try:
                if not self._built:
                    self.build_for([(each.shape, each.dtype) for each in inputs if isinstance(each, Tensor)])
                output = self.forward(*inputs, **options)
            except NbdlError as error:
                raise _located(error, self, [*inputs, *options.values()]) from error
            except TypeError:
                if (misfit := _misfit(self, inputs, options)) is not None:
                    raise _located(misfit, self, [*inputs, *options.values()]) from None
                raise
            note_call(self, current_scope(), output)
            return output

    def build_for(self, inputs: Sequence[Spec]) -> None:
        """Make the parameters for inputs of these shapes and dtypes: the first call does it, and loading from a
        file.
        """
        self._inputs = tuple(inputs)
        before = set(map(id, self.modules()))
        self.build(*[shape for shape, _ in inputs])
        self._built = True
        self.label_children()
        if not self.training:
            self.eval()  # what `build` made, too
        if not self._trainable:
            for module in [each for each in self.modules() if id(each) not in before]:
                module.trainable = False
            for _, parameter in self._inside(Parameter):
                parameter.set_trainable(False)

    def parameter(
        self,
        name: str,
        shape: Shape,
        initializer: Initializer = "glorot_uniform",
        *,
        trainable: bool = True,
        dtype: Any = np.float32,
    ) -> Parameter:
        """Make a parameter with starting values from an initializer (a name, `name` plus options, or a function).

        Raises `ShapeError` if the shape depends on the batch.
        """
        if has_batch(shape):
            raise ShapeError(
                f"the parameter {name} can't have the shape {show_shape(shape)}: it would depend on the batch"
            )
        sizes = tuple(map(operator.index, shape))  # type: ignore[arg-type]  # a NumPy number is welcome
        values = initialize(initializer, random.generator(), sizes, np.dtype(dtype))
        made = Parameter(values, trainable=trainable, name=f"{self._called}.{name}")
        made.set_trainable(self._trainable)
        return made

    # --- what is inside ---

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with the names of their attributes."""
        return self._inside(Module)

    def _inside(self, kind: type[Found]) -> Iterator[tuple[str, Found]]:
        """What attributes hold of a kind, with their names."""
        for name, thing in vars(self).items():
            if name not in _BESIDE:
                yield from _found_in(thing, name, kind)

    def modules(self) -> Iterator[Module]:
        """This module and all modules inside, each once."""
        seen: set[int] = set()
        stack: list[Module] = [self]
        while stack:
            module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield module
                stack.extend(reversed([child for _, child in module.named_children()]))

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """All parameters, state included, with their full names; a shared one comes once."""
        seen: set[int] = set()
        for name, parameter in self._walk_parameters(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def _walk_parameters(self, prefix: str, around: tuple[Module, ...] = ()) -> Iterator[tuple[str, Parameter]]:
        if any(each is self for each in around):
            raise OptionError(
                f"{prefix.rstrip('.')} is a module that it is a part of itself; keep weakref.ref(module) in its place"
            )
        for name, parameter in self._inside(Parameter):
            yield prefix + name, parameter
        for name, child in self.named_children():
            if not (name.startswith("_") and child in around):  # which knows what it is a part of
                yield from child._walk_parameters(f"{prefix}{name}.", (*around, self))

    def parameters(self) -> list[Parameter]:
        """The parameters that are trained."""
        return [each for _, each in self.named_parameters() if each.trainable]

    def train(self, training: bool = True) -> Module:
        """Switch layers such as dropout on (or off)."""
        for module in self.modules():
            module.training = training
        return self

    def eval(self) -> Module:
        """Switch layers such as dropout off."""
        return self.train(False)

    def label_children(self) -> None:
        """Give modules the names by which comments and messages call them: `dense_1`, `dense_2`, ..."""
        counts: dict[str, int] = {}
        for name, child in self.named_children():
            kind = type(child).__name__.lower()
            numbered = name.rpartition(".")[2].isdigit()
            if numbered:  # also those that have a name already: layers may be added one by one
                counts[kind] = counts.get(kind, 0) + 1
            child._label = child._label or (f"{kind}_{counts[kind]}" if numbered else name)

    # --- values by name ---

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and state, by full name."""
        return {name: np.array(parameter.numpy()) for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Set all parameters and state.

        Raises `OptionError` or `ShapeError`, before anything is changed, if they don't fit.
        """
        own = dict(self.named_parameters())
        missing, extra = own.keys() - state.keys(), state.keys() - own.keys()
        if missing or extra:
            differences = [f"without {sorted(missing)}"] * bool(missing) + [f"with {sorted(extra)} besides"] * bool(
                extra
            )
            raise OptionError(f"these weights belong to another network: {'; '.join(differences)}")
        for name, parameter in own.items():
            if parameter.shape != state[name].shape:
                raise ShapeError(
                    f"the saved {name} has the shape {show_shape(state[name].shape)}, the network's "
                    f"{show_shape(parameter.shape)}"
                )
        for name, parameter in own.items():
            parameter.assign(np.asarray(state[name], parameter.dtype))


def _found_in(thing: Any, name: str, kind: type[Found]) -> Iterator[tuple[str, Found]]:
    """A thing of a kind, or those in a list, tuple or dictionary and in what these hold."""
    if isinstance(thing, kind):
        yield name, thing
    elif isinstance(thing, list | tuple | dict):
        items = thing if isinstance(thing, dict) else dict(enumerate(thing))
        sought = (kind, list, tuple, dict)
        if any(issubclass(each, sought) for each in set(map(type, items.values()))):  # there may be a million numbers
            for key, each in items.items():
                if isinstance(each, sought):
                    yield from _found_in(each, f"{name}.{key}", kind)


def _as_tensor(value: TensorLike) -> Tensor | None:
    return value if isinstance(value, Tensor) or value is None else Tensor.wrap(node_of(value))


def _misfit(module: Module, inputs: list[Any], options: dict[str, Any]) -> DataError | None:
    """What there is to say if `forward` can't be called with these inputs; None if it can."""
    signature = inspect.signature(module.forward)
    try:
        signature.bind(*inputs, **options)
    except TypeError as error:
        names = ", ".join(signature.parameters)
        return DataError(
            f"{type(module).__name__}.forward({names}) can't take {len(inputs)} input{'s' * (len(inputs) != 1)} "
            f"({error}); several arrays are given as a tuple, in the order of its parameters"
        )
    return None


def _located(error: NbdlError, module: Module, inputs: list[Any]) -> NbdlError:
    """Name the innermost layer in which an error arose, and the shapes that it was given."""
    if getattr(error, "layer", None) is not None or isinstance(module, Container):
        return error
    shapes = ", ".join(show_shape(each.shape) for each in inputs if isinstance(each, Tensor))
    located = type(error)(f"in layer {module._label or type(module).__name__} (input {shapes}): {error}")
    located.layer = module  # type: ignore[attr-defined]
    return located


class Container(Module):
    """A module that only arranges others; errors name the layer inside it."""
