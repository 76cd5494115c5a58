"""The protocol of optimizers: an update rule over tensors, traced and fused into one loop over all parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nbdl import functions, lazy
from nbdl.errors import OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node, scope
from nbdl.ir.shapes import concrete, show_shape
from nbdl.nn.module import Parameter, is_building
from nbdl.optim.flat import Flat
from nbdl.optim.schedules import Schedule
from nbdl.recorded import Recorded
from nbdl.resolve import resolve
from nbdl.tensor import Tensor, node_of

Slots = dict[str, Tensor]
LearningRate = float | str | Mapping[str, Any] | Schedule


class Optimizer(Recorded):
    """Moves parameters against their gradients.

    A subclass defines `init(parameter) -> slots` (what it remembers about each element, e.g. a moment) and
    `update(parameter, gradient, slots, step) -> (parameter, slots)`, in ordinary tensor code. All parameters of a dtype
    are one vector, so the rule must work element by element; a rule that needs the norm of each single tensor says
    `elementwise = False` and is traced for each parameter.

    Args:
        lr: learning rate: a number, or a schedule (an object, a name, or a mapping with `name` and options).
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty); optimizers with decoupled decay
            override this.
        clip_value: limits each element of the gradient to [-clip_value, clip_value].
        clip_norm: scales the gradient down so that its norm over all parameters is at most this.

    Raises:
        OptionError: a negative or zero limit, or a negative rate.
    """

    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        lr: LearningRate = 1e-3,
        *,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ):
        if weight_decay < 0:
            raise OptionError(f"weight_decay can't be negative, as {weight_decay} is")
        for name, limit in (("clip_value", clip_value), ("clip_norm", clip_norm)):
            if limit is not None and limit <= 0:
                raise OptionError(f"{name} must be positive, not {limit}; leave it out for no clipping")
        self.state: OptimizerState | None = None
        self.lr = lr
        self.weight_decay = weight_decay
        self.clip_value = clip_value
        self.clip_norm = clip_norm

    @property
    def lr(self) -> float | Schedule:
        """The learning rate. It may be set at any time: a number is read by every step, and needs no compilation.

        Raises `OptionError` if it is set to a negative number.
        """
        return self._lr

    @lr.setter
    def lr(self, lr: LearningRate) -> None:
        if isinstance(lr, int | float) and lr < 0:
            raise OptionError(f"the learning rate lr can't be negative, as {lr} is")
        self._lr: float | Schedule = lr if isinstance(lr, int | float) else resolve("schedules", lr)
        if self.state is not None:
            self.state.set_rate(self._lr)

    # --- the update rule ----------------------------------------------------------------------------------------------

    def init(self, parameter: Tensor) -> Slots:
        """Starting values of what is remembered; the default remembers nothing."""
        return {}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Return the new parameter and slots; `step` is a float32 scalar that is 0 at the first update."""
        raise NotImplementedError(f"{type(self).__name__} defines no update(self, parameter, gradient, slots, step)")

    def learning_rate(self, step: Tensor) -> Tensor:
        """The learning rate at a step, as a scalar of its dtype: the schedule's value times the scale that callbacks
        may set.
        """
        if self.state is None:
            return self.lr(step) if callable(self.lr) else functions.asarray(float(self.lr), step.dtype)
        rate = self.lr(step) if callable(self.lr) else Tensor.wrap(ops.cast(self.state.rate, step.dtype))
        return rate * self.state.lr_scale

    # --- use ----------------------------------------------------------------------------------------------------------

    def attach(self, parameters: Sequence[Parameter]) -> Optimizer:
        """Take charge of parameters. Raises `OptionError` if the optimizer has others already, or there are none."""
        if not parameters:
            raise OptionError("there are no parameters to train; call the network once, so that its layers make theirs")
        if self.state is None:
            self.state = OptimizerState(self, parameters)
        elif {*map(id, self.state.parameters)} != {*map(id, parameters)}:
            raise OptionError("this optimizer trains other parameters already; make one optimizer for each group")
        return self

    def minimize(self, loss: Tensor, parameters: Sequence[Parameter] | None = None) -> None:
        """One step down the gradient of `loss`; inside a traced program this becomes part of the program."""
        # Attaching makes parameters views of one vector, which are new leaves; the loss was computed from the old ones.
        leaves = {id(parameter): parameter.node for parameter in parameters or ()}
        if parameters is not None:
            self.attach(parameters)
        state = self._attached()
        if is_building():
            return
        gradients = [ops.gradient(loss.node, leaves.get(id(each), each.node)) for each in state.parameters]
        if lazy.is_traced(loss.node):
            state.apply(gradients)
        else:
            state.update_now(gradients)

    def _attached(self) -> OptimizerState:
        if self.state is None:
            raise OptionError("this optimizer has no parameters yet: call optimizer.attach(net.parameters()) first")
        return self.state

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self._attached().parameters:
            parameter.grad = None

    def step(self) -> None:
        """Update the parameters from their `.grad`; what is pending runs now.

        A parameter without a gradient counts as one whose gradient is zero. The losses that were differentiated let go
        of their past (they keep their values), so that a list of losses doesn't keep every step alive.

        Raises:
            OptionError: `backward` has not filled the gradients.
            ShapeError: a `.grad` that was set by hand doesn't have its parameter's shape.
        """
        state = self._attached()
        if all(each.grad is None for each in state.parameters):
            raise OptionError("no parameter has a gradient: call loss.backward() before optimizer.step()")
        state.update_now([_gradient_of(each) for each in state.parameters])


def _gradient_of(parameter: Parameter) -> Node:
    """The node of a parameter's `.grad`, zeros if it has none."""
    if parameter.grad is None:
        return ops.broadcast_to(ops.constant(0, parameter.dtype), parameter.shape)
    gradient = node_of(parameter.grad)
    if gradient.shape != parameter.shape:
        name, shape = getattr(parameter, "name", "") or "a parameter", show_shape(parameter.shape)
        raise ShapeError(f"the gradient of {name} must have its shape {shape}, not {show_shape(gradient.shape)}")
    return ops.cast(gradient, parameter.dtype)


class OptimizerState:
    """What an optimizer holds for a group of parameters: the flat vector, the slots, the step."""

    def __init__(self, optimizer: Optimizer, parameters: Sequence[Parameter]):
        self.optimizer = optimizer
        self.parameters = tuple(parameters)
        self.flat = Flat(self.parameters)
        self.vector = Parameter(self.flat.pack_arrays([each.numpy() for each in self.parameters]), name="parameters")
        self.rate = ops.value(np.zeros((), self.flat.dtype), name="learning_rate")
        self.set_rate(optimizer.lr)
        self.step = Parameter(0.0, trainable=False, name="step")
        self.lr_scale = Parameter(1.0, trainable=False, name="lr_scale")
        self.slots: dict[str, Parameter] = {}
        for name, start in self._init_slots().items():
            self.slots[name] = Parameter(start, trainable=False, name=name)
        self.programs: OrderedDict[Hashable, NativeUpdate | int] = OrderedDict()
        self.share_memory()

    def set_rate(self, lr: float | Schedule) -> None:
        """Write a learning rate that is a number where programs read it."""
        lazy.known_value(self.rate)[...] = lr if isinstance(lr, int | float) else 0

    def _init_slots(self) -> dict[str, Tensor]:
        if self.optimizer.elementwise:
            return self.optimizer.init(self.vector)
        each = [self.optimizer.init(parameter) for parameter in self.parameters]
        return {name: Tensor.wrap(self.flat.pack([slots[name].node for slots in each])) for name in each[0]}

    @property
    def variables(self) -> dict[str, Parameter]:
        """All that changes from step to step, by name."""
        return {"parameters": self.vector, **self.slots, "step": self.step, "lr_scale": self.lr_scale}

    def share_memory(self) -> None:
        """Make every parameter a view of the vector."""
        for parameter, view in zip(self.parameters, self.flat.views(lazy.known_value(self.vector.node)), strict=True):
            grad = parameter.grad
            parameter._set(ops.value(view, differentiable=True))
            parameter.grad = grad
        self.shared = [parameter.node for parameter in self.parameters]

    def gather(self) -> None:
        """Take values into the vector that parameters got elsewhere: assigned, loaded, or by another optimizer."""
        changed = [each.node is not own for each, own in zip(self.parameters, self.shared, strict=True)]
        if not any(changed):
            return
        vector = lazy.known_value(self.vector.node).copy()  # what was computed from the old parameters keeps them
        for parameter, view, new in zip(self.parameters, self.flat.views(vector), changed, strict=True):
            if new:
                view[...] = parameter.numpy()
        self.vector._set(ops.value(vector, differentiable=True))
        self.share_memory()

    def bind(self) -> None:
        """While tracing: make every parameter a part of the vector's node."""
        for parameter, node in zip(self.parameters, self.flat.unpack(self.vector.node), strict=True):
            parameter.node = node

    def apply(self, gradients: Sequence[Node]) -> None:
        """Record one update of all parameters."""
        optimizer = self.optimizer
        with scope(f"update by {type(optimizer).__name__}"):
            with scope("gradient"):
                packed = self.flat.pack(gradients)
            gradient = Tensor.wrap(self._limited(packed))
            slots: Slots = dict(self.slots)
            if optimizer.elementwise:
                vector, new_slots = optimizer.update(
                    self.vector, self._decayed(self.vector, gradient), slots, self.step
                )
            else:
                vector, new_slots = self._update_each(gradient, slots)
            if new_slots.keys() != self.slots.keys():
                raise OptionError(
                    f"{type(optimizer).__name__}.update returns the slots {sorted(new_slots)}, "
                    f"but init made {sorted(self.slots)}"
                )
            # A loss that is computed from the new parameters doesn't ask how they came about.
            self.vector.node = ops.stop_gradient(vector.node)
            self.vector.node.differentiable = True
            for name, slot in self.slots.items():
                slot.node = new_slots[name].node
            self.step.node = ops.add(self.step.node, 1)
        self.bind()

    def _decayed(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        decay = self.optimizer.weight_decay
        return (
            gradient + decay * parameter
            if decay and not getattr(self.optimizer, "decoupled_decay", False)
            else gradient
        )

    def _limited(self, gradient: Node) -> Node:
        tensor = Tensor.wrap(gradient)
        if self.optimizer.clip_value is not None:
            tensor = functions.clip(tensor, -self.optimizer.clip_value, self.optimizer.clip_value)
        if self.optimizer.clip_norm is not None:
            norm = functions.sqrt(functions.sum(tensor * tensor))
            tensor = tensor * functions.minimum(1.0, self.optimizer.clip_norm / (norm + 1e-12))
        return tensor.node

    def _update_each(self, gradient: Tensor, slots: Slots) -> tuple[Tensor, Slots]:
        flat, parts = self.flat, []
        cut = {name: flat.unpack(slot.node) for name, slot in slots.items()}
        for place, (old, grad) in enumerate(
            zip(flat.unpack(self.vector.node), flat.unpack(gradient.node), strict=True)
        ):
            parameter = Tensor.wrap(old)
            own = {name: Tensor.wrap(pieces[place]) for name, pieces in cut.items()}
            parts.append(self.optimizer.update(parameter, self._decayed(parameter, Tensor.wrap(grad)), own, self.step))
        vector = Tensor.wrap(flat.pack([new.node for new, _ in parts]))
        return vector, {name: Tensor.wrap(flat.pack([own[name].node for _, own in parts])) for name in slots}

    # --- a step outside of a traced program ---

    def update_now(self, gradients: Sequence[Node]) -> None:
        """One update, computed at once: interpreted at first, natively once the same graph keeps coming back."""
        shape, leaves, numbers = lazy.structure(gradients)
        lazy.check_known(numbers)
        live = lazy.live_nodes(numbers, gradients)
        own = {parameter.node: place for place, parameter in enumerate(self.parameters)}
        roles = [own.get(leaf) for leaf in leaves]  # a gradient may be of a loss from before the last step
        known = self._program(
            (shape, tuple([numbers[node] for node in live]), tuple(roles), self._settings()),
            lambda: NativeUpdate(self, gradients, leaves, roles, live),
        )
        self.gather()
        if known is None:
            self._interpret(gradients, live)
        else:
            for node, array in zip(live, known.run(self, leaves), strict=True):
                lazy.keep_value(node, array)
            self.share_memory()
        _release_losses(numbers)

    def _program(self, key: Hashable, compile_it: Callable[[], NativeUpdate]) -> NativeUpdate | None:
        """The program of a graph that has come back often enough; None if it is to be interpreted."""
        known = self.programs.pop(key, 0)
        if isinstance(known, int):
            known = known + 1
            if known > lazy.ROUNDS and not lazy.is_debugging():
                known = compile_it()
        self.programs[key] = known
        if len(self.programs) > lazy.REMEMBERED:
            self.programs.popitem(last=False)
        return None if isinstance(known, int) or lazy.is_debugging() else known

    def _settings(self) -> Hashable:
        """What a program has in it of the optimizer's attributes: all but a learning rate that is a number."""
        rate = None if isinstance(self.optimizer.lr, int | float) else self.optimizer.lr
        others = [value for name, value in vars(self.optimizer).items() if name not in ("state", "_lr", "_arguments")]
        return rate, tuple([value if isinstance(value, Hashable) else repr(value) for value in others])

    def _interpret(self, gradients: Sequence[Node], live: Sequence[Node]) -> None:
        variables = list(self.variables.values())
        before = [(each, each.node) for each in (*variables, *self.parameters)]
        try:
            self.apply(gradients)
            lazy.interpret_now([*[variable.node for variable in variables], *live])
        except BaseException:  # Ctrl-C, or a number that isn't finite: the parameters stay as they were
            for each, node in before:
                each.node = node
            raise
        for variable in variables:
            variable._set(ops.value(lazy.known_value(variable.node), differentiable=variable.trainable))
        self.share_memory()


def _release_losses(nodes: Iterable[Node]) -> None:
    """Let the user's tensors of differentiated losses keep their values alone."""
    for node in nodes:
        if node.primitive is lazy.GRADIENT:
            loss = node.inputs[0]
            owner = loss.tensor() if loss.tensor is not None and loss.inputs else None
            if isinstance(owner, Tensor) and owner.node is loss and loss.value is not None:
                owner.node = ops.value(loss.value)


class NativeUpdate:
    """A compiled `backward` and `step`: from the leaves of the loss to new parameters."""

    def __init__(
        self,
        state: OptimizerState,
        gradients: Sequence[Node],
        leaves: Sequence[Node],
        roles: Sequence[int | None],
        live: Sequence[Node],
    ):
        from nbdl.codegen.plan import Variable
        from nbdl.codegen.program import Program

        variables = state.variables
        before = [each.node for each in (*variables.values(), *state.parameters)]
        self.names = list(variables)
        self.inputs = [place for place, role in enumerate(roles) if role is None]
        symbols = {
            name: ops.leaf(each.shape, each.dtype, name=name, differentiable=each.trainable)
            for name, each in variables.items()
        }
        for name, variable in variables.items():
            variable.node = symbols[name]
        state.bind()
        try:
            fresh = {
                leaf: lazy.placeholder(leaf, place) if role is None else state.parameters[role].node
                for place, (leaf, role) in enumerate(zip(leaves, roles, strict=True))
            }
            new = lazy.rebuild([*gradients, *live], fresh)
            state.apply(new[: len(gradients)])
            results = {name: variable.node for name, variable in variables.items()}
        finally:
            for each, node in zip((*variables.values(), *state.parameters), before, strict=True):
                each.node = node
        outputs = new[len(gradients) :]
        changed = {name: None if results[name] is symbols[name] else results[name] for name in variables}
        described = [
            Variable(name, "value" if changed[name] is None else "state", symbols[name], changed[name])
            for name in variables
        ]
        described += [Variable(f"input_{place}", "value", fresh[leaves[place]]) for place in self.inputs]
        described += [Variable(f"output_{place}", "result", None, node) for place, node in enumerate(outputs, start=1)]
        constants = lazy.constants_of([*results.values(), *outputs])
        described += [
            Variable(f"{node.param('name') or 'constant'}_{place}", "value", node)
            for place, node in enumerate(constants)
        ]
        self.constants = [lazy.known_value(node) for node in constants]
        self.outputs = [(concrete(node.shape, 0), node.dtype) for node in outputs]
        self.program = Program(described, "One step of an explicit training loop.")
        self.bound: Any = None

    def run(self, state: OptimizerState, leaves: Sequence[Node]) -> list[np.ndarray]:
        """Update the state's arrays; return the values of the tensors that the caller still holds."""
        vector = state.vector.numpy().copy()  # what was computed from the old parameters keeps them
        state.vector._set(ops.value(vector, differentiable=True))
        made = [np.empty(shape, dtype) for shape, dtype in self.outputs]
        own = [lazy.known_value(state.variables[name].node) for name in self.names]
        arrays = [*own, *[lazy.known_value(leaves[place]) for place in self.inputs], *made, *self.constants]
        if self.bound is None:
            named = zip(self.program.variables, arrays, strict=True)
            self.bound = self.program.bind({each.name: array for each, array in named})
        self.bound.run_once(arrays)
        return made


__all__ = ["LearningRate", "Optimizer", "OptimizerState", "Slots"]
