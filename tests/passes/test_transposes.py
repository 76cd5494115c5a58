"""Products of heads: transposed operands and results that no copy is made of, and those that need one."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.ir.shapes import Batch
from nbdl.ir.strided import layout_of
from nbdl.passes import run_passes
from nbdl.passes.transposes import fold_transposes
from tests.codegen.maker import Maker

HEADS_FIRST, KEYS = (0, 2, 1, 3), (0, 2, 3, 1)


def names(outputs: list[Node]) -> list[str]:
    return [node.name for node in topological(outputs)]


def same(before: list[Node], after: list[Node], arrays: dict[Node, np.ndarray], rows: int) -> None:
    for one, other in zip(interpret(before, arrays, rows=rows), interpret(after, arrays, rows=rows), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)


def test_heads_are_read_and_written_where_they_lie():
    q, k, v = (ops.leaf((Batch(), 5, 2, 3), np.float64, name=name) for name in "qkv")
    scores = ops.matmul(ops.transpose(q, HEADS_FIRST), ops.transpose(k, KEYS))
    means = ops.transpose(ops.matmul(scores, ops.transpose(v, HEADS_FIRST)), HEADS_FIRST)
    folded = fold_transposes([means])
    assert names(folded).count("strided_matmul") == 2
    assert "transpose" not in names(folded)
    arrays = {leaf: np.random.default_rng(0).normal(size=(4, 5, 2, 3)) for leaf in (q, k, v)}
    same([means], folded, arrays, 4)


def test_a_result_that_is_read_in_two_orders_is_copied_for_one():
    x, y = (ops.leaf((4, 5, 5), np.float64, name=name) for name in "xy")
    product = ops.matmul(ops.transpose(x, (1, 0, 2)), ops.transpose(y, (1, 2, 0)))
    folded = fold_transposes([ops.transpose(product, (1, 0, 2)), product * 2])
    assert names(folded).count("transpose") == 1


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_axes_gives_the_same(seed: int):
    random = np.random.default_rng(seed)
    rank = int(random.integers(3, 6))
    leading = tuple(int(size) for size in random.integers(1, 4, rank - 2))
    m, n, k = (int(size) for size in random.integers(1, 5, 3))
    operands, arrays = [], {}
    for shape in ((*leading, m, k), (*leading, k, n)):
        order = tuple(int(axis) for axis in random.permutation(rank))
        lying = tuple(shape[order.index(axis)] for axis in range(rank))
        leaf = ops.leaf(lying, np.float64)
        arrays[leaf] = random.normal(size=lying)
        operands.append(ops.transpose(leaf, order))
    result = ops.transpose(ops.matmul(*operands), tuple(int(axis) for axis in random.permutation(rank)))
    folded = run_passes([result])
    assert all(layout_of(node) is not None for node in topological(folded) if node.name == "strided_matmul")
    same([result], folded, arrays, 0)


@pytest.mark.parametrize("causal", [False, True])
def test_program_of_heads_and_their_gradients(causal: bool):
    make = Maker()
    x = make.rows("x", 5, 6)
    rows = ops.reshape(x, (Batch(5), 6))
    weights = [make.state(name, 6, 6) for name in ("q", "k", "v")]
    q, k, v = (ops.reshape(ops.matmul(rows, each), (Batch(), 5, 2, 3)) for each in weights)
    scores = ops.matmul(ops.transpose(q, HEADS_FIRST), ops.transpose(k, KEYS))
    if causal:
        place = ops.iota(5)
        scores = ops.where(ops.binary("less_equal", place, ops.reshape(place, (5, 1))), scores, -1e30)
    means = ops.transpose(ops.matmul(ops.softmax(scores, 3), ops.transpose(v, HEADS_FIRST)), HEADS_FIRST)
    loss = ops.reshape(ops.reduce_sum(means * means, range(4)), ())
    make.result(ops.reshape(means, x.shape), *[ops.gradient(loss, each) for each in weights])
    program = make.check()
    assert program.source.count(" matmul_blocks(") == 6, "two on the way forward, four on the way back"
    assert "transpose" not in program.source
