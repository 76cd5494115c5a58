"""Maxima are taken before what is monotone, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import activations
from nbdl.autodiff import differentiate, expand_gradients
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.passes.pooling import pool_first
from nbdl.tensor import Tensor

FUNCTIONS = {
    "relu": activations.relu,
    "tanh": nbdl.tanh,
    "sigmoid": nbdl.sigmoid,
    "bias": lambda x: x + np.linspace(-1, 1, 3),
    "bias and relu": lambda x: activations.relu(x - np.linspace(-1, 1, 3).reshape(1, 1, 1, 3)),
    "limits": lambda x: nbdl.clip(x, -0.5, 0.5),
    "two": lambda x: nbdl.tanh(nbdl.maximum(x, -0.5)),
}
OTHERS = {
    "falling": lambda x: -x,
    "square": nbdl.square,
    "by pixel": lambda x: x + np.arange(6.0).reshape(1, 1, 6, 1),
    "swapped": lambda x: 1.0 - x,
    "by image": lambda x: x * nbdl.sum(x, (1, 2, 3), keepdims=True),
    "leaky": activations.leaky_relu,
    "another number": lambda x: nbdl.where(x <= 0.0, 0.5, x),
}


def network(function, x: Node) -> Node:
    return nbdl.sum(nbdl.square(nbdl.max_pool2d(function(Tensor.wrap(x)), 2))).node


def reads(node: Node) -> str:
    """What the maxima are taken of."""
    (pool,) = [each for each in topological([node]) if each.name == "max_pool"]
    return pool.inputs[0].name


@pytest.fixture
def x() -> Node:
    values = np.random.default_rng(0).permutation(2 * 4 * 6 * 3).reshape(2, 4, 6, 3) / 70.0 - 1
    return ops.value(values, name="x", differentiable=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_monotone_functions_go_behind(x: Node, name: str):
    before = network(FUNCTIONS[name], x)
    (after,) = pool_first([before])
    assert reads(before) != "input"
    assert reads(after) == "input"
    values = interpret([before, after, *differentiate(before, [x]), *differentiate(after, [x])])
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[2], values[3])


@pytest.mark.parametrize("name", OTHERS)
def test_other_functions_stay(x: Node, name: str):
    before = network(OTHERS[name], x)
    (after,) = pool_first([before])
    assert reads(after) == reads(before) != "input"


def test_a_gradient_by_what_is_pooled_is_kept(x: Node):
    hidden = nbdl.tanh(Tensor.wrap(x)).node
    loss = nbdl.sum(nbdl.square(nbdl.max_pool2d(Tensor.wrap(hidden), 2))).node
    wanted = interpret(expand_gradients([ops.gradient(loss, hidden)]))
    got = interpret(expand_gradients(pool_first([ops.gradient(loss, hidden)])))
    assert np.count_nonzero(got[0]) == 2 * 2 * 3 * 3
    np.testing.assert_array_equal(wanted[0], got[0])


def test_nan_stays_nan(x: Node):
    values = np.array(x.value)
    values[0, 1, 1, 0] = np.nan
    node = nbdl.max_pool2d(activations.relu(Tensor(values)), 2).node
    before, after = interpret([node]), interpret(pool_first([node]))
    assert np.isnan(before[0][0, 0, 0, 0])
    np.testing.assert_array_equal(before[0], after[0])
