"""Every rule of the simplifier: the graph that it leaves, and that its value stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.ir.primitives import apply
from nbdl.ir.shapes import Batch
from nbdl.ir.verify import verify
from nbdl.passes.simplify import RULES, RULES_BY_KIND, simplify

FLOAT = np.dtype(np.float64)
ROWS = 5
Build = Callable[[Node, Node, Node], Node]


@dataclass(frozen=True)
class Rewrite:
    """What a rule is for: a graph of leaves x (n, 3), v (3,) and s (), and the operations that are left of it."""

    rule: str
    build: Build
    left: tuple[str, ...]


def zero(x: Node) -> Node:
    return ops.constant(0.0, x.dtype)


def one(x: Node) -> Node:
    return ops.constant(1.0, x.dtype)


def cube(x: Node) -> Node:
    return ops.broadcast_to(ops.reshape(x, (Batch(), 3, 1)), (Batch(), 3, 2))


REWRITES = [
    Rewrite("_drop_zero", lambda x, v, s: apply("add", x, zero(x)), ()),
    Rewrite("_drop_zero", lambda x, v, s: apply("add", zero(x), x), ()),
    Rewrite("_drop_zero", lambda x, v, s: apply("subtract", x, zero(x)), ()),
    Rewrite("_drop_zero", lambda x, v, s: apply("subtract", zero(x), x), ("constant", "subtract")),
    Rewrite("_drop_zero", lambda x, v, s: apply("add", s, ops.broadcast_to(zero(x), (3,))), ("broadcast",)),
    Rewrite("_add_of_negative", lambda x, v, s: apply("add", x, apply("negative", v)), ("subtract",)),
    Rewrite("_add_of_negative", lambda x, v, s: apply("add", apply("negative", v), x), ("subtract",)),
    Rewrite(
        "_join_pads",
        lambda x, v, s: ops.pad_axis(x, 1, 6, 0) + (ops.pad_axis(x * v, 1, 0, 6) + ops.pad_axis(v * x, 1, 3, 3)),
        ("concatenate", "multiply", "multiply"),
    ),
    Rewrite("_join_pads", lambda x, v, s: ops.pad_axis(x, 1, 4, 0) + ops.pad_axis(x, 1, 0, 4), ("add", "pad", "pad")),
    Rewrite("_join_pads", lambda x, v, s: ops.pad_axis(x, 1, 3, 0) + ops.pad_axis(x, 1, 3, 0), ("add", "pad", "pad")),
    Rewrite("_subtract_negative", lambda x, v, s: x - (-v), ("add",)),
    Rewrite("_drop_one", lambda x, v, s: apply("multiply", one(x), x), ()),
    Rewrite("_drop_one", lambda x, v, s: apply("multiply", x, one(x)), ()),
    Rewrite("_drop_one", lambda x, v, s: apply("divide", x, one(x)), ()),
    Rewrite("_drop_one", lambda x, v, s: apply("divide", one(x), x), ("constant", "divide")),
    Rewrite("_join_factors", lambda x, v, s: (x * 2.0) * 3.0, ("constant", "multiply")),
    Rewrite("_join_factors", lambda x, v, s: 3.0 * (2.0 * x), ("constant", "multiply")),
    Rewrite("_join_factors", lambda x, v, s: (x * 1e200) * 1e200, ("constant", "multiply", "multiply")),
    Rewrite("_join_factors", lambda x, v, s: (x * 1e-200) * 1e-200, ("constant", "multiply", "multiply")),
    Rewrite("_negative_outside", lambda x, v, s: (-x) * (-v), ("multiply",)),
    Rewrite("_negative_outside", lambda x, v, s: (-x) / v, ("divide", "negative")),
    Rewrite("_negative_outside", lambda x, v, s: ops.reduce_sum(-x, (1,)), ("negative", "sum")),
    Rewrite("_negative_outside", lambda x, v, s: -ops.reshape(-v, (3, 1)), ("reshape",)),
    Rewrite("_same_twice", lambda x, v, s: -(-x), ()),
    Rewrite("_same_twice", lambda x, v, s: apply("reshape", ops.reshape(v, (3, 1)), shape=(1, 3)), ("reshape",)),
    Rewrite(
        "_same_twice",
        lambda x, v, s: ops.transpose(ops.transpose(cube(x), (1, 0, 2)), (2, 1, 0)),
        ("broadcast", "reshape", "transpose"),
    ),
    Rewrite("_first", lambda x, v, s: ops.stop_gradient(x), ()),
    Rewrite("_reshape_to_itself", lambda x, v, s: apply("reshape", x, shape=x.shape), ()),
    Rewrite("_reshape_to_itself", lambda x, v, s: apply("broadcast", x, shape=x.shape), ()),
    Rewrite("_single_outside", lambda x, v, s: ops.broadcast_to(s, (3,)) * 2.0, ("broadcast", "constant", "multiply")),
    Rewrite("_single_outside", lambda x, v, s: ops.reshape(ops.broadcast_to(s, (2, 3)), (6,)), ("broadcast",)),
    Rewrite("_nothing_to_reduce", lambda x, v, s: ops.reduce_sum(ops.reshape(x, (Batch(), 1, 3)), (1,)), ("reshape",)),
    Rewrite("_nothing_to_reduce", lambda x, v, s: ops.reduce_max(ops.reshape(v, (1, 3)), (0,)), ("reshape",)),
    Rewrite("_nothing_to_reduce", lambda x, v, s: ops.reduce_max(v, (0,)), ("max",)),
    Rewrite("_swap_of_vector_like", lambda x, v, s: ops.transpose(ops.reshape(v, (1, 3))), ("reshape",)),
    Rewrite("_swap_of_vector_like", lambda x, v, s: ops.transpose(x), ("transpose",)),
    Rewrite("_fold_constants", lambda x, v, s: ops.exp(ops.constant(0.5, FLOAT)) * x, ("constant", "multiply")),
    Rewrite("_without_broadcasts", lambda x, v, s: x + ops.broadcast_to(v, (Batch(), 3)), ("add",)),
    Rewrite(
        "_without_broadcasts",
        lambda x, v, s: ops.broadcast_to(ops.reshape(v, (3, 1)), (3, 4)) + 1.0,
        ("add", "broadcast", "constant", "reshape"),
    ),
]


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.rule)
def test_rule(rewrite: Rewrite) -> None:
    x, v, s = ops.leaf((Batch(), 3), FLOAT), ops.leaf((3,), FLOAT), ops.leaf((), FLOAT)
    random = np.random.default_rng(0)
    values = {x: random.standard_normal((ROWS, 3)), v: random.standard_normal(3), s: np.asarray(0.7)}
    before = rewrite.build(x, v, s)
    (after,) = simplify(simplify([before]))  # the list of passes has it twice
    verify([after], like=[before])
    assert sorted(node.name for node in topological([after]) if node.name != "input") == sorted(rewrite.left)
    (wanted,), (got,) = interpret([before], values, rows=ROWS), interpret([after], values, rows=ROWS)
    np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_every_rule_has_a_test() -> None:
    rules = {rule.__name__ for group in (*RULES.values(), *RULES_BY_KIND.values()) for rule in group}
    assert rules == {rewrite.rule for rewrite in REWRITES}


def test_factors_of_small_integers_are_not_joined() -> None:
    x = ops.leaf((3,), np.uint8)
    (after,) = simplify([(x * 200) * 2])
    assert interpret([after], {x: np.array([1, 2, 3], np.uint8)})[0].tolist() == [144, 32, 176]


def test_a_simplified_graph_stays_as_it_is() -> None:
    x, v = ops.leaf((Batch(), 3), FLOAT), ops.leaf((3,), FLOAT)
    node = ops.exp(x * v) - ops.reduce_sum(x, (1,))
    assert simplify([node]) == [node]
