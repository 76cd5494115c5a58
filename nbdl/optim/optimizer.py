"""The protocol of optimizers: an update rule over tensors, traced and fused into one loop over all parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import inf
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from nbdl import functions, lazy
from nbdl.errors import OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import show_shape
from nbdl.nn.calls import is_building
from nbdl.nn.module import Parameter
from nbdl.optim.schedules import Schedule
from nbdl.optim.state import OptimizerState, Slots
from nbdl.recorded import Recorded
from nbdl.resolve import resolve
from nbdl.tensor import Tensor, node_of

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
        OptionError: a negative or zero limit, or a rate that is negative or no rate at all.
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
        if not isinstance(weight_decay, Real):
            raise OptionError(f"weight_decay must be a number, not {weight_decay!r}")
        if not weight_decay >= 0:
            raise OptionError(f"weight_decay can't be negative, as {weight_decay} is")
        for name, limit in (("clip_value", clip_value), ("clip_norm", clip_norm)):
            if limit is not None and (not isinstance(limit, Real) or not limit > 0):
                raise OptionError(f"{name} must be positive, not {limit!r}; leave it out for no clipping")
        self.state: OptimizerState | None = None
        self.lr = lr
        self.weight_decay: float = weight_decay
        self.clip_value: float | None = clip_value
        self.clip_norm: float | None = clip_norm

    @property
    def lr(self) -> float | Schedule:
        """The learning rate. It may be set at any time: a number is read by every step, and needs no compilation.

        Raises `OptionError` if it is set to a negative number, or to what is neither a number nor a schedule.
        """
        return self._lr

    @lr.setter
    def lr(self, lr: LearningRate) -> None:
        self._lr: float | Schedule = _rate(lr)
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
            raise OptionError(
                "there are no parameters to train: layers make theirs when the network is called for the first time, "
                "and those of layers with trainable=False don't count"
            )
        if self.state is None:
            self.state = OptimizerState(self, parameters)
        elif (own := {*map(id, self.state.parameters)}) != (given := {*map(id, parameters)}):
            if own & given:
                raise OptionError(
                    "the network has other parameters than those that this optimizer was made for: compile again with "
                    "a new one after layers are added, taken away or frozen; groups of parameters need one each"
                )
            raise OptionError("this optimizer trains other parameters already; make one optimizer for each group")
        return self

    def minimize(self, loss: Tensor, parameters: Sequence[Parameter] | None = None) -> None:
        """One step down the gradient of `loss`; inside a traced program this becomes part of the program.

        The gradient is that where the loss was computed, also if its parameters have changed since.

        Raises `OptionError` if the loss depends on no parameter, `UntraceableError` inside of `jit`, `scan` or `vmap`.
        """
        if parameters is not None:
            self.attach(parameters)
        state = self._trained()
        if is_building():
            return
        lazy.check_change("what an optimizer trains")
        if not loss.node.differentiable:
            raise OptionError(
                "nothing can be learned from this loss: it depends on no parameter, or only through what was detached, "
                "rounded or compared"
            )
        gradients = _gradients(loss.node, state.parameters)
        if lazy.is_traced(loss.node):
            state.apply(gradients)
        else:
            state.update_now(gradients)

    def _attached(self) -> OptimizerState:
        if self.state is None:
            raise OptionError("this optimizer has no parameters yet: call optimizer.attach(net.parameters()) first")
        return self.state

    def _trained(self) -> OptimizerState:
        """The state, if its parameters are still trained."""
        state = self._attached()
        for each in state.parameters:
            if not getattr(each, "trainable", True):  # plain tensors may be trained, too
                raise OptionError(
                    f"{each.name or 'a parameter'} was frozen after the optimizer took charge of it: freeze first, and "
                    "then call compile, or make the optimizer"
                )
        return state

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
        state = self._trained()
        if all(each.grad is None for each in state.parameters):
            raise OptionError("no parameter has a gradient: call loss.backward() before optimizer.step()")
        state.update_now([_gradient_of(each) for each in state.parameters])


def _rate(lr: Any) -> float | Schedule:
    """A learning rate as a number of Python's (NumPy's and single tensors become one), or a schedule."""
    if isinstance(lr, Real) or (isinstance(lr, np.ndarray | Tensor) and lr.ndim == 0):
        lr = float(lr)
        if not 0 <= lr < inf:
            raise OptionError(f"the learning rate lr can't be negative or infinite, as {lr} is")
        return lr
    schedule: Schedule = resolve("schedules", lr)
    if not callable(schedule):
        raise OptionError(f"the learning rate lr must be a number or a schedule, not {lr!r}")
    return schedule


def _gradients(loss: Node, parameters: Sequence[Parameter]) -> list[Node]:
    """The derivatives of a loss by parameters, as it has read them: attaching, updates and assignments give a parameter
    another node, and a loss may know it by one from before, or by several.
    """
    own = {id(parameter): parameter for parameter in parameters}
    read: dict[int, list[Node]] = {}
    stack, seen = [loss], {loss}
    while stack:
        node = stack.pop()
        owner = None if node.tensor is None else node.tensor()
        if id(owner) in own:
            read.setdefault(id(owner), []).append(node)
        elif node.name != "stop_gradient":
            new = [each for each in node.inputs if each.differentiable and each not in seen]
            seen.update(new)
            stack.extend(new)
    return [
        reduce(ops.add, [ops.gradient(loss, node) for node in read.get(id(parameter), [parameter.node])])
        for parameter in parameters
    ]


def _gradient_of(parameter: Parameter) -> Node:
    """The node of a parameter's `.grad`, zeros if it has none."""
    if parameter.grad is None:
        return ops.broadcast_to(ops.constant(0, parameter.dtype), parameter.shape)
    gradient = node_of(parameter.grad)
    if gradient.shape != parameter.shape:
        name, shape = getattr(parameter, "name", "") or "a parameter", show_shape(parameter.shape)
        raise ShapeError(f"the gradient of {name} must have its shape {shape}, not {show_shape(gradient.shape)}")
    return ops.cast(gradient, parameter.dtype)


__all__ = ["LearningRate", "Optimizer", "Slots"]
