"""What an optimizer holds for a group of parameters, and how an update changes it: recorded, or at once."""

from __future__ import annotations

import copy
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl import functions, lazy
from nbdl.aligned import aligned_copy
from nbdl.errors import OptionError
from nbdl.ir import ops
from nbdl.ir.graph import Node, scope
from nbdl.nn.module import Parameter
from nbdl.optim.flat import Flat
from nbdl.optim.native import NativeUpdate
from nbdl.optim.schedules import Schedule
from nbdl.tensor import Tensor

if TYPE_CHECKING:
    from nbdl.optim.optimizer import Optimizer

Slots = dict[str, Tensor]

_MADE_ONCE = (
    "what an optimizer keeps is made when it is first used: if its options have changed since, compile again with a "
    "new one"
)


class _Kept(Slots):
    """The slots that an update is given."""

    def __missing__(self, name: str) -> Tensor:
        raise OptionError(f"this optimizer keeps no {name!r}; {_MADE_ONCE}")


class OptimizerState:
    """What an optimizer holds for a group of parameters: the flat vector, the slots, the step."""

    def __init__(self, optimizer: Optimizer, parameters: Sequence[Parameter]):
        self.optimizer = optimizer
        self.parameters = tuple(parameters)
        self.flat = Flat(self.parameters)
        self.vector = Parameter(self.flat.pack_arrays([each.numpy() for each in self.parameters]), name="parameters")
        self.rate = ops.value(np.zeros((), self.flat.dtype), name="learning_rate")
        self.set_rate(optimizer.lr)
        self.step = Parameter(0.0, np.float64, trainable=False, name="step")  # float32 would stop at 2**24
        self.lr_scale = Parameter(1.0, trainable=False, name="lr_scale")
        self.slots: dict[str, Parameter] = {}
        for name, start in self._init_slots().items():
            self.slots[name] = Parameter(start, trainable=False, name=name)
        self.programs: OrderedDict[Hashable, NativeUpdate | int] = OrderedDict()
        self.share_memory()

    def __deepcopy__(self, memo: dict[int, Any]) -> OptimizerState:
        """Copy the vector, the slots and the step; the copy's parameters, too, are views of its vector."""
        self.gather()
        made = copy.copy(self)
        memo[id(self)] = made
        made.optimizer, made.parameters = copy.deepcopy((self.optimizer, self.parameters), memo)
        made.vector, made.slots, made.step, made.lr_scale = copy.deepcopy(
            (self.vector, self.slots, self.step, self.lr_scale), memo
        )
        made.flat = Flat(made.parameters)
        made.rate = ops.value(lazy.known_value(self.rate).copy(), name="learning_rate")
        made.programs = OrderedDict()
        made.share_memory()
        return made

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
        if not self.is_assigned:
            return
        changed = [each.node is not own for each, own in zip(self.parameters, self.shared, strict=True)]
        # A copy: what was computed from the old parameters keeps them.
        vector = aligned_copy(lazy.known_value(self.vector.node))
        for parameter, view, new in zip(self.parameters, self.flat.views(vector), changed, strict=True):
            if new:
                view[...] = parameter.numpy()
        self.vector._set(ops.value(vector, differentiable=True))
        self.share_memory()

    @property
    def is_assigned(self) -> bool:
        """Whether a parameter got its value elsewhere."""
        return any(each.node is not own for each, own in zip(self.parameters, self.shared, strict=True))

    def bind(self) -> None:
        """While tracing: make every parameter a part of the vector's node."""
        self.bound = self.flat.unpack(self.vector.node)
        for parameter, node in zip(self.parameters, self.bound, strict=True):
            parameter.node, node.tensor = node, weakref.ref(parameter)

    def gather_nodes(self) -> None:
        """While tracing: take what parameters were assigned, or given by another optimizer, into the vector's node."""
        if any(each.node is not own for each, own in zip(self.parameters, self.bound, strict=True)):
            self._set_vector(self.flat.pack([each.node for each in self.parameters]))
            self.bind()

    def _set_vector(self, node: Node) -> None:
        """What is computed from the new parameters doesn't ask how they came about."""
        self.vector.node = ops.stop_gradient(node)
        self.vector.node.differentiable = True

    def apply(self, gradients: Sequence[Node]) -> None:
        """Record one update of all parameters."""
        if self.vector.node.value is None:
            self.gather_nodes()
        optimizer = self.optimizer
        with scope(f"update by {type(optimizer).__name__}"):
            with scope("gradient"):
                packed = self.flat.pack(gradients)
            gradient = Tensor.wrap(self._limited(packed))
            slots = _Kept(self.slots)
            if optimizer.elementwise:
                vector, new_slots = self._updated(self.vector, gradient, slots)
            else:
                vector, new_slots = self._update_each(gradient, slots)
            if new_slots.keys() != self.slots.keys():
                raise OptionError(
                    f"{type(optimizer).__name__}.update returns the slots {sorted(new_slots)}, "
                    f"but init made {sorted(self.slots)}; {_MADE_ONCE}"
                )
            self._set_vector(vector.node)
            for name, slot in self.slots.items():
                slot.node = new_slots[name].node
            self.step.node = ops.add(self.step.node, 1)
        self.bind()

    def _updated(self, parameter: Tensor, gradient: Tensor, slots: Slots) -> tuple[Tensor, Slots]:
        """What the update rule makes of a parameter. Raises `OptionError` if it isn't a tensor and slots."""
        step = self.step.astype(np.float32)
        found = self.optimizer.update(parameter, self._decayed(parameter, gradient), slots, step)
        try:
            new, new_slots = found
            return functions.asarray(new), dict(new_slots)
        except (TypeError, ValueError):
            raise OptionError(
                f"{type(self.optimizer).__name__}.update must return the new parameter and a dictionary of slots, "
                f"not {type(found).__name__}"
            ) from None

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
            own = _Kept({name: Tensor.wrap(pieces[place]) for name, pieces in cut.items()})
            parts.append(self._updated(parameter, Tensor.wrap(grad), own))
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
