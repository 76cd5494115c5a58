"""The protocol of optimizers: an update rule over tensors, traced and fused into one loop over all parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nbdl import functions
from nbdl.errors import OptionError
from nbdl.ir import ops
from nbdl.ir.graph import Node, scope
from nbdl.nn.module import Parameter, is_building
from nbdl.optim.flat import Flat
from nbdl.optim.schedules import Schedule
from nbdl.resolve import resolve
from nbdl.tensor import Tensor

Slots = dict[str, Tensor]
LearningRate = float | str | Mapping[str, Any] | Schedule


class Optimizer:
    """Moves parameters against their gradients.

    A subclass defines `init(parameter) -> slots` (what it remembers about each element, e.g. a moment) and
    `update(parameter, gradient, slots, step) -> (parameter, slots)`, in ordinary tensor code. All parameters of a dtype are one
    vector, so the rule must work element by element; a rule that needs the norm of each single tensor says `elementwise = False`
    and is traced for each parameter.

    Args:
        lr: learning rate: a number, or a schedule (an object, a name, or a mapping with `name` and options).
        weight_decay: adds `weight_decay * parameter` to the gradient (L2 penalty); optimizers with decoupled decay override this.
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
        if isinstance(lr, int | float) and lr < 0:
            raise OptionError(f"the learning rate lr can't be negative, as {lr} is")
        if weight_decay < 0:
            raise OptionError(f"weight_decay can't be negative, as {weight_decay} is")
        for name, limit in (("clip_value", clip_value), ("clip_norm", clip_norm)):
            if limit is not None and limit <= 0:
                raise OptionError(f"{name} must be positive, not {limit}; leave it out for no clipping")
        self.lr = lr if isinstance(lr, int | float) else resolve("schedules", lr)
        self.weight_decay = weight_decay
        self.clip_value = clip_value
        self.clip_norm = clip_norm
        self.state: OptimizerState | None = None

    # --- the update rule ----------------------------------------------------------------------------------------------

    def init(self, parameter: Tensor) -> Slots:
        """Starting values of what is remembered; the default remembers nothing."""
        return {}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        """Return the new parameter and slots; `step` is a float32 scalar that is 0 at the first update."""
        raise NotImplementedError(f"{type(self).__name__} defines no update(self, parameter, gradient, slots, step)")

    def learning_rate(self, step: Tensor) -> Tensor:
        """The learning rate at a step, as a scalar of its dtype: the schedule's value times the scale that callbacks may set."""
        rate = self.lr(step) if callable(self.lr) else functions.asarray(float(self.lr), step.dtype)
        return rate if self.state is None else rate * self.state.lr_scale

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
        if parameters is not None:
            self.attach(parameters)
        state = self._attached()
        if is_building():
            return
        gradients = [ops.gradient(loss.node, parameter.node) for parameter in state.parameters]
        state.apply(gradients)

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

        Raises `OptionError` if `backward` has not filled the gradients.
        """
        state = self._attached()
        missing = [each.name or str(place) for place, each in enumerate(state.parameters) if each.grad is None]
        if len(missing) == len(state.parameters):
            raise OptionError("no parameter has a gradient: call loss.backward() before optimizer.step()")
        gradients = [
            ops.broadcast_to(ops.constant(0, each.dtype), each.shape) if each.grad is None else each.grad.node for each in state.parameters
        ]
        state.apply(gradients)
        state.realize()


class OptimizerState:
    """What an optimizer holds for a group of parameters: the flat vector, the slots, the step."""

    def __init__(self, optimizer: Optimizer, parameters: Sequence[Parameter]):
        self.optimizer = optimizer
        self.parameters = tuple(parameters)
        self.flat = Flat(self.parameters)
        self.vector = Parameter(self.flat.pack_arrays([each.numpy() for each in self.parameters]), name="parameters")
        self.step = Parameter(0.0, trainable=False, name="step")
        self.lr_scale = Parameter(1.0, trainable=False, name="lr_scale")
        self.slots: dict[str, Parameter] = {}
        for name, start in self._init_slots().items():
            self.slots[name] = Parameter(start, trainable=False, name=name)
        self.share_memory()

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
        vector = self.vector.node.value
        assert vector is not None  # a Parameter outside of a program has a value
        for parameter, view in zip(self.parameters, self.flat.views(vector), strict=True):
            grad = parameter.grad
            parameter._set(ops.value(view, differentiable=True))
            parameter.grad = grad

    def bind(self) -> None:
        """While tracing: make every parameter a part of the vector's node."""
        for parameter, node in zip(self.parameters, self.flat.unpack(self.vector.node), strict=True):
            parameter.node = node

    def apply(self, gradients: Sequence[Node]) -> None:
        """Record one update of all parameters."""
        optimizer = self.optimizer
        with scope(f"update by {type(optimizer).__name__}"):
            gradient = Tensor.wrap(self._limited(self.flat.pack(gradients)))
            slots: Slots = dict(self.slots)
            if optimizer.elementwise:
                vector, new_slots = optimizer.update(self.vector, self._decayed(self.vector, gradient), slots, self.step)
            else:
                vector, new_slots = self._update_each(gradient, slots)
            if new_slots.keys() != self.slots.keys():
                raise OptionError(f"{type(optimizer).__name__}.update returns the slots {sorted(new_slots)}, but init made {sorted(self.slots)}")
            self.vector.node = vector.node
            for name, slot in self.slots.items():
                slot.node = new_slots[name].node
            self.step.node = ops.add(self.step.node, 1)
        self.bind()

    def _decayed(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        decay = self.optimizer.weight_decay
        return gradient + decay * parameter if decay and not getattr(self.optimizer, "decoupled_decay", False) else gradient

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
        for place, (old, grad) in enumerate(zip(flat.unpack(self.vector.node), flat.unpack(gradient.node), strict=True)):
            parameter = Tensor.wrap(old)
            own = {name: Tensor.wrap(pieces[place]) for name, pieces in cut.items()}
            parts.append(self.optimizer.update(parameter, self._decayed(parameter, Tensor.wrap(grad)), own, self.step))
        vector = Tensor.wrap(flat.pack([new.node for new, _ in parts]))
        return vector, {name: Tensor.wrap(flat.pack([own[name].node for _, own in parts])) for name in slots}

    def realize(self) -> None:
        """Compute what `apply` recorded, and make it the parameters' value."""
        from nbdl import lazy

        variables = list(self.variables.values())
        lazy.realize([variable.node for variable in variables])
        for variable in variables:
            value = variable.node.value
            assert value is not None  # just computed
            variable._set(ops.value(value, differentiable=variable.trainable))
        self.share_memory()


__all__ = ["LearningRate", "Optimizer", "OptimizerState", "Slots"]
