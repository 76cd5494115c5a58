"""The lazy tensor and its functions: values, dtypes and conversions, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nbdl
from nbdl import Tensor, testing
from nbdl.errors import DtypeError, ShapeError, UntraceableError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch

FINITE = st.floats(-3, 3, width=32)


def arrays(most: int = 3, least: int = 0) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=least, max_dims=most, min_side=1, max_side=4), elements=FINITE
    )


class TestMaking:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (1.5, np.float32),
            ([1.0, 2.0], np.float32),
            (3, np.int64),
            ([True, False], np.bool_),
            (np.float64(1.5), np.float64),
            (np.zeros(2), np.float64),
            (np.zeros(2, np.float16), np.float32),
            (np.zeros(2, np.int16), np.int64),
            (np.zeros(2, np.uint8), np.uint8),
        ],
    )
    def test_dtype(self, data, dtype):
        assert Tensor(data).dtype == dtype

    def test_a_dtype_that_is_asked_for_keeps_all_digits(self):
        assert float(Tensor(0.1, np.float64)) == 0.1
        assert Tensor([1, 2], np.float64).dtype == np.float64

    @pytest.mark.parametrize("data", ["text", [1.0, "a"], None, [1j], object()])
    def test_what_is_no_number_is_refused(self, data):
        with pytest.raises(DtypeError, match="a tensor holds numbers"):
            Tensor(data)

    def test_functions_that_make_tensors(self):
        for found, expected in [
            (nbdl.zeros((2, 3)), np.zeros((2, 3), np.float32)),
            (nbdl.ones(3, np.int64), np.ones(3, np.int64)),
            (nbdl.full((2,), 0.5), np.full(2, 0.5, np.float32)),
            (nbdl.full_like(Tensor([1, 2]), 7), np.array([7, 7])),
            (nbdl.arange(4), np.arange(4)),
            (nbdl.one_hot([2, 0], 3), np.eye(3, dtype=np.float32)[[2, 0]]),
        ]:
            np.testing.assert_array_equal(found.numpy(), expected)
            assert found.dtype == expected.dtype

    def test_exchange_without_copies(self):
        array = np.arange(3, dtype=np.float32)
        tensor = nbdl.asarray(array)
        assert np.shares_memory(np.from_dlpack(tensor), array)
        assert np.shares_memory(tensor.numpy(), array)
        assert not tensor.numpy().flags.writeable


class TestReading:
    def test_values(self):
        x = Tensor([[1.0, 2.0]])
        assert x.tolist() == [[1.0, 2.0]]
        assert float(nbdl.sum(x)) == 3.0
        assert int(Tensor(3)) == 3
        assert [10, 20, 30][Tensor(1)] == 20
        assert bool(Tensor(True))
        assert len(x) == 1
        assert np.asarray(x, np.float64).dtype == np.float64
        assert x.size == 2
        assert x.ndim == 2
        assert x.T.shape == (2, 1)

    def test_a_value_is_computed_once(self):
        x = Tensor([1.0, 2.0])
        y = nbdl.exp(x)
        assert y.node.value is None
        first = y.numpy()
        assert np.shares_memory(first, y.numpy())

    def test_a_value_without_gradient_forgets_how_it_was_made(self):
        y = nbdl.exp(Tensor([1.0])) + 1
        y.numpy()
        assert y.node.inputs == ()

    def test_printing(self):
        assert repr(Tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
        assert repr(Tensor([1, 2])) == "tensor([1, 2], dtype=int64)"
        assert repr(Tensor(1.0, requires_grad=True)) == "tensor(1., requires_grad=True)"

    @pytest.mark.parametrize("read", [float, int, bool])
    def test_more_than_one_element_is_no_number(self, read):
        with pytest.raises(ShapeError, match=r"item\(\) needs one element; this tensor has the shape \(2,\)"):
            read(Tensor([1.0, 2.0]))

    def test_a_fraction_is_no_index(self):
        with pytest.raises(DtypeError, match="only an integer tensor is an index"):
            [1, 2][Tensor(1.0)]

    def test_a_scalar_has_no_length(self):
        with pytest.raises(ShapeError, match="a scalar has no length"):
            len(Tensor(1.0))


class TestTracing:
    """Inside a program there are no values, and messages say so."""

    def traced(self) -> Tensor:
        return Tensor.wrap(ops.leaf((Batch(), 3), np.float32))

    @pytest.mark.parametrize(
        "read", [lambda x: x.numpy(), lambda x: float(nbdl.sum(x)), lambda x: bool(nbdl.max(x) > 0)]
    )
    def test_reading_is_refused(self, read):
        with pytest.raises(UntraceableError, match=r"only being recorded.*nbdl\.where"):
            read(self.traced())

    def test_the_number_of_rows_is_unknown(self):
        with pytest.raises(UntraceableError, match=r"use nbdl\.mean"):
            len(self.traced())

    def test_printing_works(self):
        assert repr(self.traced()) == "tensor<float32(n, 3), traced: no value yet>"

    def test_mean_divides_by_the_rows_of_the_run(self):
        x = np.random.default_rng(0).normal(size=(5, 3))
        testing.check_traces(lambda tensor: nbdl.mean(tensor) + nbdl.var(tensor, axis=0), x)


UNARY = ["abs", "exp", "expm1", "floor", "sign", "sin", "cos", "tanh", "square"]


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=20, deadline=None)
@given(x=arrays())
def test_functions_of_one(name: str, x: np.ndarray):
    # float32 in both; vector and scalar functions of NumPy differ in the last places
    np.testing.assert_allclose(getattr(nbdl, name)(x).numpy(), getattr(np, name)(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std"])
@settings(max_examples=30, deadline=None)
@given(x=arrays(least=1), data=st.data(), keepdims=st.booleans())
def test_reductions(name: str, x: np.ndarray, data: st.DataObject, keepdims: bool):
    axis = data.draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1), st.just(tuple(range(x.ndim)))))
    found = getattr(nbdl, name)(x, axis, keepdims=keepdims)
    expected = getattr(np, name)(x.astype(np.float64), axis=axis, keepdims=keepdims)
    assert found.shape == np.shape(expected)
    # at most 64 numbers below 3 in float32; the root of a variance near 0 has half as many right digits
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=2e-3 if name == "std" else 1e-5)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_matmul_as_numpy(data: st.DataObject):
    left, right = data.draw(
        hnp.mutually_broadcastable_shapes(signature="(m?,k),(k,n?)->(m?,n?)", max_dims=2, max_side=3)
    ).input_shapes
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=left), generator.normal(size=right)
    found = nbdl.matmul(x, y)
    assert found.shape == np.matmul(x, y).shape
    np.testing.assert_allclose(found.numpy(), np.matmul(x, y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ((2, 3), (2, 3), r"matmul of \(2, 3\) and \(2, 3\): 3 against 2"),
        ((3,), (4,), r"matmul of \(3,\) and \(4,\): 3 against 4"),
        ((2, 2, 3), (3, 3, 4), r"\(2,\) and \(3,\) can't be broadcast together"),
    ],
)
def test_matmul_of_what_does_not_fit(left: tuple[int, ...], right: tuple[int, ...], words: str):
    with pytest.raises(ShapeError, match=words):
        nbdl.matmul(np.zeros(left), np.zeros(right))


def test_matmul_of_a_scalar():
    with pytest.raises(ShapeError, match=r"use \* for scalars"):
        nbdl.matmul(2.0, np.zeros((2, 2)))


@pytest.mark.parametrize(
    "shapes", [((4, 3), (3, 2)), ((3,), (3,)), ((2, 4, 3), (3, 2)), ((2, 4, 3), (2, 3, 5)), ((1, 2, 3), (4, 3, 2))]
)
def test_gradients_of_matmul(shapes):
    generator = np.random.default_rng(0)
    testing.check_gradients(nbdl.matmul, *[generator.normal(size=shape) for shape in shapes])


SHAPING = {
    "reshape": (lambda m, x: m.reshape(x, (-1, 2)), (3, 4)),
    "permute_dims": (lambda m, x: m.permute_dims(x, (2, 0, 1)), (2, 3, 4)),
    "expand_dims": (lambda m, x: m.expand_dims(x, axis=1), (2, 3)),
    "squeeze": (lambda m, x: m.squeeze(x, axis=1), (2, 1, 3)),
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (4, 2, 3)), (1, 3)),
    "concat": (lambda m, x: m.concat([x, x * 2], axis=-1), (2, 3)),
    "stack": (lambda m, x: m.stack([x, x * 2], axis=1), (2, 3)),
    "where": (lambda m, x: m.where(x > 0, x, -x), (2, 3)),
    "clip": (lambda m, x: m.clip(x, -0.5, 0.5), (4,)),
    "take": (lambda m, x: m.take(x, np.array([1, 1, 0])) if m is nbdl else np.take(x, [1, 1, 0], axis=0), (2, 3)),
    "outer": (lambda m, x: m.outer(x, x), (3,)),
}


@pytest.mark.parametrize("name", SHAPING)
def test_functions_that_move_elements(name: str):
    function, shape = SHAPING[name]
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(function(nbdl, Tensor(x)).numpy(), function(np, x))
    testing.check_gradients(lambda tensor: function(nbdl, tensor), x)


def test_softmax_without_overflow():
    x = np.array([[1e4, 0.0, -1e4], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(nbdl.softmax(x).numpy()[0], [1, 0, 0])
    np.testing.assert_allclose(nbdl.log_softmax(x).numpy()[0], [0, -1e4, -2e4])
    np.testing.assert_allclose(nbdl.logsumexp(x).numpy(), [1e4, np.log(np.exp([1, 2, 3]).sum())], rtol=1e-15)
    for function in (nbdl.softmax, nbdl.log_softmax, nbdl.logsumexp):
        testing.check_gradients(function, x[1:])


def test_softmax_remembers_logits_along_the_last_axis():
    x = Tensor(np.zeros((2, 3)))
    assert nbdl.softmax(x).logits is x
    assert nbdl.softmax(x, axis=1).logits is x
    assert nbdl.softmax(x, axis=0).logits is None
    assert nbdl.sigmoid(x).logits is x


class TestArithmetic:
    def test_numbers_take_the_dtype_of_the_tensor(self):
        assert (Tensor([1.0]) * 2).dtype == np.float32
        assert (Tensor(np.zeros(2)) + 0.1).dtype == np.float64
        assert (Tensor([1]) + 1).dtype == np.int64
        assert (Tensor([1]) + 0.5).dtype == np.float32
        assert (Tensor([1]) / 2).dtype == np.float32

    def test_integers_adapt_to_floats(self):
        assert (Tensor([1]) * Tensor([0.5])).dtype == np.float32
        assert (Tensor([True]) * Tensor([0.5])).dtype == np.float32

    def test_arrays_on_the_left(self):
        found = np.array([1.0, 2.0], np.float32) - Tensor([1.0, 1.0])
        assert isinstance(found, Tensor)
        assert found.tolist() == [0.0, 1.0]
        assert (np.eye(2, dtype=np.float32) @ Tensor([1.0, 2.0])).tolist() == [1.0, 2.0]

    def test_operators(self):
        x, y = np.array([1.0, -2.0, 3.0]), np.array([2.0, 2.0, -1.0])
        a, b = Tensor(x), Tensor(y)
        for found, expected in [
            (a + b, x + y), (1 - a, 1 - x), (a * b, x * y), (1 / a, 1 / x), (a % b, x % y), (2**a, 2**x), (-a, -x),
            (abs(a), abs(x)), (a < b, x < y), (a <= b, x <= y), (a > b, x > y), (a >= 1, x >= 1), (a == b, x == y),
            (a != b, x != y), ((a > 0) & (b > 0), (x > 0) & (y > 0)), ((a > 0) | (b > 0), (x > 0) | (y > 0)),
            (~(a > 0), ~(x > 0)),
        ]:  # fmt: skip
            np.testing.assert_array_equal(found.numpy(), expected)

    def test_a_tensor_is_a_key(self):
        x = Tensor([1.0])
        assert {x: 1}[x] == 1


class TestGradients:
    def test_a_view_that_is_the_leaf_itself(self):
        x = Tensor([[1.0, 2.0]], requires_grad=True)
        for view in (x[:], x.reshape(1, 2), x.astype(np.float32), x**1):
            assert nbdl.sum(view).requires_grad
            x.grad = None
            nbdl.sum(view * view).backward()
            assert x.grad is not None
            assert x.grad.tolist() == [[2.0, 4.0]]

    def test_a_pending_expression_keeps_the_old_parameter(self):
        weight = nbdl.nn.Parameter([1.0])
        pending = weight * 2
        weight.assign([5.0])
        assert pending.tolist() == [2.0]
        assert (weight * 2).tolist() == [10.0]

    def test_assigning_another_shape(self):
        with pytest.raises(ShapeError, match=r"has the shape \(1,\), not \(2,\)"):
            nbdl.nn.Parameter([1.0]).assign([1.0, 2.0])
