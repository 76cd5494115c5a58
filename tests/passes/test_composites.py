"""Compositions with derivatives of their own: what a program makes of a softmax."""

from __future__ import annotations

import numpy as np

from nbdl.ir import ops
from nbdl.ir.graph import topological
from nbdl.ir.interpret import interpret
from nbdl.passes import run_passes
from nbdl.passes.composites import expand_composites
from tests import oracle
from tests.codegen.maker import Maker


def test_softmax_becomes_its_parts():
    x = ops.value(np.random.default_rng(0).normal(size=(3, 5)))
    (expanded,) = expand_composites([ops.softmax(x, 1)])
    assert {node.name for node in topological([expanded])} == {"input", "max", "subtract", "exp", "sum", "divide"}
    (found,) = interpret([expanded])
    np.testing.assert_allclose(found, oracle.softmax(x.value), rtol=1e-14)


def test_its_gradient_asks_for_the_result_alone():
    x, g = (ops.leaf((3, 5), np.float64, name=name, differentiable=True) for name in "xg")
    y = ops.softmax(x, 1)
    loss = ops.reshape(ops.reduce_sum(y * g, (0, 1)), ())
    (gradient,) = run_passes([ops.gradient(loss, x)])
    names = [node.name for node in topological([gradient])]
    assert names.count("exp") == 1
    assert names.count("divide") == 1
    assert names.count("sum") == 2


def test_program_of_attention_and_its_gradient():
    make = Maker()
    x, weights = make.rows("x", 3, 5), make.state("weights", 5, 5)
    y = ops.softmax(ops.matmul(ops.reshape(x, (ops.product((x.shape[0], 3)), 5)), weights), 1)
    loss = ops.reshape(ops.reduce_sum(y * y, (0, 1)), ())
    make.result(ops.gradient(loss, weights), ops.reshape(y, x.shape), ops.softmax(ops.reshape(x, (x.shape[0], 15)), 1))
    make.check()
