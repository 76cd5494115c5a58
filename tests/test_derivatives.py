"""Derivatives of derivatives, of what a function encloses, of lists and of powers."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl.errors import DtypeError


@pytest.mark.parametrize(
    "around", [lambda f: f, nbdl.jit, lambda f: nbdl.jit(nbdl.jit(f))], ids=["plain", "jit", "twice"]
)
def test_derivatives_of_derivatives_inside_of_other_functions(around):
    second = around(nbdl.grad(nbdl.grad(lambda x: x**3)))
    assert float(second(2.0)) == 12.0
    np.testing.assert_allclose(around(nbdl.vmap(nbdl.grad(nbdl.grad(lambda x: x**3))))([2.0, 1.0]).numpy(), [12, 6])
    inner = nbdl.grad(lambda x: nbdl.value_and_grad(lambda y: y**3)(x)[0])
    assert float(around(inner)(2.0)) == 12.0
    product = around(nbdl.grad(lambda x: nbdl.sum(nbdl.grad(lambda y: nbdl.sum(y**3))(x) * [1.0, 2.0])))
    np.testing.assert_allclose(product([1.0, 2.0]).numpy(), [6.0, 24.0])  # Hessian times vector


def test_what_a_function_only_encloses_is_constant_to_it():
    """Also where it is the same number as the argument."""
    assert float(nbdl.grad(lambda x: nbdl.grad(lambda y: x * y)(x))(3.0)) == 1.0
    w = nbdl.Tensor(3.0, requires_grad=True)
    assert float(nbdl.grad(lambda y: w * y)(w)) == 3.0
    assert [float(each) for each in nbdl.grad(lambda a, b: a * a * b, argnums=(0, 1))(w, w)] == [18.0, 9.0]


def test_tensors_in_lists_are_differentiated():
    np.testing.assert_allclose(
        nbdl.grad(lambda x: nbdl.sum(nbdl.asarray([x[0], 2 * x[1]])))([1.0, 2.0]).numpy(), [1, 2]
    )
    nested = nbdl.grad(lambda x: nbdl.sum(nbdl.ones((1, 2)) * [[x[0] * x[1], 1.0]]))
    np.testing.assert_allclose(nested([3.0, 2.0]).numpy(), [2, 3])
    wide = nbdl.grad(lambda x: nbdl.sum(nbdl.asarray([x[0], x[0]], "float64")).astype("float32"))
    np.testing.assert_allclose(wide([3.0]).numpy(), [2])


@pytest.mark.parametrize("exponent", [0, 2, 4, np.float32(2), 1.5])
def test_powers_have_derivatives_at_zero(exponent):
    function = slope = lambda x: x**exponent
    for order in range(1, 6 if exponent != 1.5 else 2):
        slope = nbdl.grad(slope)
        wanted = float(np.prod(exponent - np.arange(order))) if order == exponent else 0.0
        assert float(slope(0.0)) == float(nbdl.jit(slope)(0.0)) == wanted, order
    both = nbdl.grad(lambda x, y: function(x) * x**y)(0.0, 0.0)
    assert np.isfinite(float(both))


def test_whole_numbers_have_no_gradient():
    with pytest.raises(DtypeError, match="a gradient needs floating-point numbers"):
        nbdl.grad(lambda x: nbdl.sum(x.astype("int32")))([1.5])
