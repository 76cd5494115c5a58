"""A step of an explicit training loop as a program: for a graph that keeps coming back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nbdl import lazy
from nbdl.aligned import aligned_copy
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import concrete

if TYPE_CHECKING:
    from nbdl.optim.state import OptimizerState


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
        vector = aligned_copy(state.vector.numpy())  # what was computed from the old parameters keeps them
        state.vector._set(ops.value(vector, differentiable=True))
        made = [np.empty(shape, dtype) for shape, dtype in self.outputs]
        own = [lazy.known_value(state.variables[name].node) for name in self.names]
        arrays = [*own, *[lazy.known_value(leaves[place]) for place in self.inputs], *made, *self.constants]
        if self.bound is None:
            named = zip(self.program.variables, arrays, strict=True)
            self.bound = self.program.bind({each.name: array for each, array in named})
        self.bound.run_once(arrays)
        return made
