"""Reverse-mode differentiation: shared nodes, leaves that aren't reached, gradients of gradients."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import Tensor, testing
from nbdl.autodiff import differentiate, expand_gradients
from nbdl.errors import DtypeError, ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import topological
from nbdl.ir.interpret import interpret


def leaf(*numbers: float) -> Tensor:
    return Tensor(np.array(numbers), requires_grad=True)


def grad(loss: Tensor, x: Tensor) -> Tensor:
    return Tensor.wrap(ops.gradient(loss.node, x.node))


def test_a_node_used_several_times_adds_up():
    x = leaf(2.0, 3.0)
    y = x * x
    nbdl.sum(y * y + 3 * y + x).backward()
    np.testing.assert_allclose(x.grad.numpy(), 4 * x.numpy() ** 3 + 6 * x.numpy() + 1, rtol=1e-15)


def test_both_operands_the_same():
    x = leaf(3.0)
    nbdl.sum(x / x + x - x).backward()
    assert x.grad.numpy() == [0.0]


def test_a_long_chain_does_not_recurse():
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y * 1.0
    nbdl.sum(y).backward()
    assert x.grad.numpy() == [1.0]


def test_shared_nodes_are_differentiated_once():
    x = leaf(1.0, 2.0)
    y = nbdl.exp(x)
    for _ in range(20):  # 2**20 paths, 20 nodes
        y = y + y
    expanded = expand_gradients([grad(nbdl.sum(y), x).node])
    assert len(topological(expanded)) < 100


def test_a_leaf_that_is_not_reached_has_gradient_zero():
    x, z = leaf(1.0, 2.0), leaf(5.0)
    loss = nbdl.sum(x)
    assert interpret(differentiate(loss.node, [z.node]))[0].tolist() == [0.0]
    assert grad(loss, z).numpy().tolist() == [0.0]


def test_nothing_flows_through_detach():
    x = leaf(3.0)
    nbdl.sum(x * x.detach()).backward()
    assert x.grad.numpy() == [3.0]
    assert not x.detach().requires_grad


def test_gradients_add_up_over_calls():
    x = leaf(3.0)
    nbdl.sum(x * x).backward()
    nbdl.sum(2 * x).backward()
    assert x.grad.numpy() == [8.0]


def test_backward_of_part_of_what_ran_already():
    x = leaf(3.0)
    y = x * x
    assert y.numpy() == [9.0]
    nbdl.sum(y * y).backward()
    assert x.grad.numpy() == [108.0]


def test_gradient_of_a_gradient():
    x = leaf(0.5, 2.0)
    loss = nbdl.sum(nbdl.exp(x) * x)
    first = grad(loss, x)
    second = grad(nbdl.sum(first), x)
    third = grad(nbdl.sum(second), x)
    value = x.numpy()
    for order, found in ((1, first), (2, second), (3, third)):
        np.testing.assert_allclose(found.numpy(), np.exp(value) * (value + order), rtol=1e-14)


def test_gradient_penalty():
    """A loss that has a gradient inside, as in WGAN-GP, differentiated once more."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4, 3))

    def penalty(weight: Tensor) -> Tensor:
        point = Tensor(x, requires_grad=True)
        slope = grad(nbdl.sum(nbdl.tanh(nbdl.matmul(point, weight))), point)
        norm = nbdl.sqrt(nbdl.sum(slope * slope, axis=1))
        return nbdl.mean(nbdl.square(norm - 1))

    testing.check_gradients(penalty, generator.normal(size=(3, 2)))


def test_hessian_vector_product():
    generator = np.random.default_rng(1)
    x, v = generator.normal(size=3), generator.normal(size=3)

    def directional(point: Tensor) -> Tensor:
        return nbdl.sum(grad(nbdl.sum(nbdl.sin(point) * point * point), point) * v)

    testing.check_gradients(directional, x)


def test_gradient_with_respect_to_something_inside():
    x = leaf(2.0)
    y = x * 3
    assert grad(nbdl.sum(y * y), y).numpy() == [12.0]


def test_broadcast_operands_are_summed_back():
    bias, x = leaf(1.0, 2.0, 3.0), np.ones((4, 3))
    nbdl.sum(x * bias).backward()
    assert bias.grad.numpy().tolist() == [4.0, 4.0, 4.0]
    scale = Tensor(2.0, dtype=np.float64, requires_grad=True)
    nbdl.sum(x * scale).backward()
    assert scale.grad.shape == ()
    assert float(scale.grad) == 12.0


@pytest.mark.parametrize("function", [nbdl.maximum, nbdl.minimum])
def test_a_tie_shares_the_gradient(function):
    x, y = leaf(1.0, 2.0), leaf(1.0, 5.0)
    nbdl.sum(function(x, y)).backward()
    assert x.grad.numpy()[0] == y.grad.numpy()[0] == 0.5


def test_equal_maxima_share_the_gradient():
    x = leaf(4.0, 1.0, 4.0)
    nbdl.max(x).backward()
    assert x.grad.numpy().tolist() == [0.5, 0.0, 0.5]


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 0.5, -1, -2, 2.5])
def test_powers_at_a_number(exponent: float):
    testing.check_gradients(lambda x: x**exponent, np.array([0.5, 1.0, 2.5]))


def test_power_of_zero_and_of_negative_numbers():
    x = leaf(0.0, -2.0)
    nbdl.sum(x**4).backward()
    assert x.grad.numpy().tolist() == [0.0, -32.0]


def test_where_keeps_what_is_not_taken_out_of_the_gradient():
    x = leaf(-1.0, 4.0)
    nbdl.sum(nbdl.where(x > 0, x, 0.0)).backward()
    assert x.grad.numpy().tolist() == [0.0, 1.0]


def test_only_a_scalar_has_a_gradient():
    with pytest.raises(ShapeError, match=r"a gradient needs a scalar; this tensor has the shape \(2,\)"):
        leaf(1.0, 2.0).backward()


def test_nothing_to_differentiate():
    with pytest.raises(DtypeError, match="make parameters with requires_grad=True"):
        nbdl.sum(Tensor([1.0])).backward()


def test_integers_carry_no_gradient():
    x = leaf(1.7, 2.2)
    rounded = x.astype("int64")
    assert not rounded.requires_grad
    nbdl.sum(x * rounded).backward()
    assert x.grad.numpy().tolist() == [1.0, 2.0]
