"""A program put together by hand: leaves with arrays, and results, under names that don't clash with another
program's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.codegen.plan import Role, Variable
from nbdl.codegen.program import Program
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.shapes import Batch, Shape, has_batch
from tests.codegen.oracle import compare, run_oracle
from tests.codegen.plain import PlainRun

EXAMPLES = 70
RUNS = ((7, 1), (1, 1), (5, 3), (1, 2), (33, 2))
"""Batch and workers; with more workers than rows some have none."""


class Maker:
    """Collects the variables of a program.

    Args:
        prefix: of all names.
        dtype: of floating-point numbers.

    `batch` is what programs are told about it.
    """

    def __init__(self, prefix: str = "", dtype: Any = np.float64):
        self.prefix = prefix
        self.batch: int | None = None
        self.dtype = np.dtype(dtype)
        self.random = np.random.default_rng(7)
        self.key = ops.leaf((2,), np.int64, name="key")
        self.arrays: dict[str, np.ndarray] = {}
        self._roles: dict[str, Role] = {}
        self._leaves: dict[str, Node] = {}
        self._results: dict[str, Node] = {}

    def leaf(self, name: str, role: Role, array: np.ndarray, shape: Shape | None = None) -> Node:
        """A leaf with its array; floating-point arrays take the maker's dtype."""
        array = np.ascontiguousarray(array, self.dtype if array.dtype.kind == "f" else None).reshape(array.shape)
        node = ops.leaf(
            shape or array.shape, array.dtype, name=name, differentiable=role == "state" and array.dtype.kind == "f"
        )
        self.arrays[self.prefix + name], self._roles[self.prefix + name] = array, role
        self._leaves[self.prefix + name] = node
        return node

    def rows(self, name: str, *shape: int, array: np.ndarray | None = None) -> Node:
        """A batch of rows."""
        array = self.random.standard_normal((EXAMPLES, *shape)) if array is None else array
        return self.leaf(name, "rows", array, (Batch(), *array.shape[1:]))

    def state(self, name: str, *shape: int, array: np.ndarray | None = None) -> Node:
        """A tensor that may be updated."""
        return self.leaf(name, "state", self.random.standard_normal(shape) if array is None else array)

    def constants(self, *outputs: Node) -> None:
        """Hand in the arrays that a graph uses as they are."""
        for node in topological(outputs):
            if node.value is not None and node.name == "input":
                name = f"{self.prefix}constant_{len(self._leaves)}"
                self.arrays[name], self._roles[name], self._leaves[name] = node.value, "value", node

    def update(self, leaf: Node, new: Node) -> None:
        """Say what becomes of a state."""
        name = next(name for name, node in self._leaves.items() if node is leaf)
        self._results[name] = new

    def result(self, *nodes: Node) -> None:
        """Hand nodes out: row by row if they have the batch axis."""
        for node in nodes:
            name = f"{self.prefix}result_{len(self._results)}"
            rows = has_batch(node.shape)
            shape = (EXAMPLES, *node.shape[1:]) if rows else node.shape
            self.arrays[name] = np.zeros(shape, node.dtype)  # type: ignore[arg-type]
            self._roles[name] = "row_result" if rows else "result"
            self._results[name] = node

    @property
    def variables(self) -> list[Variable]:
        """What a program is made of."""
        made = [
            Variable(name, role, self._leaves.get(name), self._results.get(name)) for name, role in self._roles.items()
        ]
        return [*made, Variable(f"{self.prefix}key", "key", self.key)]

    def check(self, tolerance: float = 1e-9) -> Program:
        """Run the program as plain Python, for several batch sizes and workers, and compare with the interpreter."""
        program = Program(self.variables, "a case", self.batch)
        order = np.random.default_rng(0).permutation(EXAMPLES)
        for batch, workers in RUNS:
            rows = order[: 2 * batch - (batch > 2)]
            wanted = run_oracle(self.variables, self.arrays, rows, batch=batch, steps=2, seed=5)
            for isolated in (True, False)[: min(workers, 2)]:
                got = {name: array.copy() for name, array in self.arrays.items()}
                PlainRun(program, got, batch=batch, workers=workers, seed=5, isolated=isolated).run(rows, 2)
                compare(got, wanted, tolerance, f"with batches of {batch} and {workers} workers, isolated: {isolated}")
        return program
