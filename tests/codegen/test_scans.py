"""Loops over time as generated programs: all as plain Python with several workers, some as machine code, all with
`-m slow`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import Tensor
from nbdl.codegen.program import Program
from nbdl.codegen.shards import mixes_rows
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, has_batch
from tests.codegen.maker import EXAMPLES, RUNS, Maker
from tests.codegen.oracle import compare, run_oracle
from tests.scans import CASES, N

COMPILED = ["gates", "a_loop_in_a_loop", "counting_and_masks"]
MIXING = {"rows_in_another_order"}
"""Cases that need all rows at once."""


def rows_first(node: Node) -> Node:
    """A result with the batch axis in front."""
    if has_batch(node.shape) and node.shape[0] != Batch():
        place = node.shape.index(Batch())
        node = ops.transpose(node, (place, *[axis for axis in range(len(node.shape)) if axis != place]))
    return node


def make(name: str, dtype: Any = np.float64) -> Maker:
    """The program of a case: everything that it returns, and gradients of all inputs without rows."""
    case, made = CASES[name], Maker(dtype=np.dtype(dtype))
    arrays = case.arrays(EXAMPLES)
    leaves = {
        key: made.rows(key, array=array) if case.shapes[key][:1] == (N,) else made.state(key, array=array)
        for key, array in arrays.items()
    }
    outputs = case.outputs(nbdl.scan, *[Tensor.wrap(leaf) for leaf in leaves.values()])
    loss = nbdl.zeros((), made.dtype)
    for each in outputs:
        made.result(rows_first(each.node))
        if each.dtype.kind == "f":
            loss = loss + nbdl.mean(nbdl.sin(each))
    made.result(loss.node)
    made.result(*[rows_first(ops.gradient(loss.node, leaf)) for leaf in leaves.values() if leaf.dtype.kind == "f"])
    return made


@pytest.mark.parametrize("name", CASES)
def test_as_plain_python(name: str) -> None:
    program = make(name).check()
    assert mixes_rows(program.plan.fusion.order) == (name in MIXING)


@cache
def compiled(name: str, dtype: str) -> tuple[Maker, Program]:
    """A case's program, compiled once for all tests."""
    made = make(name, dtype)
    return made, Program(made.variables, name)


OTHERS = [pytest.param(name, "float64", marks=pytest.mark.slow) for name in CASES if name not in COMPILED]


@pytest.mark.parametrize(("name", "dtype"), [*[(name, "float32") for name in COMPILED], *OTHERS])
def test_as_machine_code(name: str, dtype: str) -> None:
    made, program = compiled(name, dtype)
    order = np.random.default_rng(0).permutation(EXAMPLES)
    for batch, workers in RUNS:
        rows = order[: 2 * batch - (batch > 2)]
        got = {key: array.copy() for key, array in made.arrays.items()}
        program.bind(got, batch=batch, workers=workers, seed=5).run(rows, 0, 2)
        wanted = run_oracle(made.variables, made.arrays, rows, batch=batch, steps=2, seed=5)
        # float32: sums over rows and steps in another order, polynomials for exp and tanh
        compare(got, wanted, 1e-9 if dtype == "float64" else 1e-3, f"with batches of {batch} and {workers} workers")
