"""Every row of the primitive table against the naive oracle, its shape rule, and its derivative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbdl import testing
from nbdl.errors import DtypeError, ShapeError, VerifyError
from nbdl.ir import ops
from nbdl.ir.interpret import interpret
from nbdl.ir.primitives import TABLE, define
from nbdl.ir.shapes import Batch
from nbdl.tensor import Tensor
from tests.ir import cases

ROWS = sorted(set(TABLE) - cases.WITHOUT_CASES)
WITH_DERIVATIVE = [name for name in ROWS if TABLE[name].derivative is not None]
seeds = st.integers(0, 2**32 - 1)


def every(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names)


@every(ROWS)
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_value_shape_and_dtype(name: str, seed: int):
    case = cases.case(name, seed)
    node = case.build(*cases.leaves(case.arrays))
    (found,) = interpret([node], rows=7)
    assert found.shape == node.shape
    assert found.dtype == node.dtype
    if case.expected is not None:
        assert node.shape == case.expected.shape
        np.testing.assert_allclose(found, case.expected, rtol=case.tolerance, atol=case.tolerance)


@every(WITH_DERIVATIVE)
@settings(max_examples=12, deadline=None)
@given(seed=seeds)
def test_derivative(name: str, seed: int):
    case = cases.case(name, seed)
    testing.check_gradients(lambda *x: Tensor.wrap(case.build(*[each.node for each in x])), *case.arrays)


@every(WITH_DERIVATIVE)
@settings(max_examples=6, deadline=None)
@given(seed=seeds)
def test_derivative_of_the_derivative(name: str, seed: int):
    case = cases.case(name, seed)
    first = next(place for place, array in enumerate(case.arrays) if array.dtype.kind == "f")

    def slope(*x: Tensor) -> Tensor:
        y = Tensor.wrap(case.build(*[each.node for each in x]))
        weighted = ops.reduce_sum((y * y).node, range(y.ndim))
        return Tensor.wrap(ops.gradient(ops.reshape(weighted, ()), x[first].node))

    # one more central difference's worth of steepness than the first derivative
    testing.check_gradients(slope, *case.arrays, tolerance=1e-5)


@every(WITH_DERIVATIVE)
def test_float32_stays_float32_backwards(name: str):
    case = cases.case(name, 1)
    arrays = [array.astype(np.float32) if array.dtype.kind == "f" else array for array in case.arrays]
    inputs = cases.leaves(tuple(arrays))
    node = case.build(*inputs)
    for array, leaf in zip(arrays, inputs, strict=True):
        if array.dtype.kind == "f":
            loss = ops.reshape(ops.reduce_sum(node, range(len(node.shape))), ())
            (found,) = [Tensor.wrap(ops.gradient(loss, leaf)).numpy()]
            assert found.dtype == np.float32


def test_every_row_has_cases():
    for name in ROWS:
        cases.case(name, 0)


ELEMENTWISE_OF_TWO = [name for name in ROWS if TABLE[name].kind == "elementwise" and len(cases.DOMAINS[name]) > 1]


@every(ELEMENTWISE_OF_TWO)
def test_shapes_that_do_not_broadcast(name: str):
    arrays = [domain(np.random.default_rng(0), (2, 3)) for domain in cases.DOMAINS[name]]
    arrays[-1] = arrays[-1][:, :2]
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(2, 2\) can't be broadcast together: 2 against 3 on axis -1"):
        cases.Case(name, tuple(arrays)).build(*cases.leaves(tuple(arrays)))


@every(ELEMENTWISE_OF_TWO)
def test_the_batch_does_not_broadcast_against_a_number(name: str):
    arrays = [domain(np.random.default_rng(0), (5,)) for domain in cases.DOMAINS[name]]
    symbolic = [ops.leaf((Batch(),), array.dtype) for array in arrays]
    assert cases.Case(name, ()).build(*symbolic).shape == (Batch(),)
    with pytest.raises(ShapeError, match="can't be broadcast"):
        cases.Case(name, ()).build(*symbolic[:-1], ops.value(arrays[-1]))


FLOAT_ONLY = sorted({"sqrt", "exp", "log", "tanh", "erf", "divide", "fast_divide", "power"} & set(ROWS))


@every(FLOAT_ONLY)
def test_integers_are_refused_with_a_hint(name: str):
    numbers = ops.value(np.arange(3))
    with pytest.raises(DtypeError, match=rf"{name} takes floating-point numbers, not int64; convert with .astype"):
        cases.Case(name, ()).build(*[numbers] * len(cases.DOMAINS[name]))


@pytest.mark.parametrize(
    ("name", "shapes", "params", "words"),
    [
        ("matmul", [(2, 3), (4, 5)], {"transpose_x": False, "transpose_y": False}, r"matmul of \(2, 3\) and \(4, 5\)"),
        ("matmul", [(2, 3), (3,)], {"transpose_x": False, "transpose_y": False}, "matmul"),
        ("concatenate", [(2, 3), (2, 4)], {"axis": 0}, "the other axes and dtypes must be equal"),
        ("slice", [(4,)], {"axis": 0, "start": 2, "size": 3, "step": 1}, "lies outside axis 0"),
        ("broadcast", [(3,)], {"shape": (2, 4)}, "can't be broadcast"),
        ("pack", [(3,), (3,)], {"offsets": (0, 2), "size": 9}, "parts follow one another"),
        ("pack", [(3,)], {"offsets": (0,), "size": 2}, "don't fit"),
        ("gradient", [(3,), (3,)], {}, "a gradient needs a scalar"),
    ],
)
def test_shapes_that_are_refused(name: str, shapes: list[tuple[int, ...]], params: dict, words: str):
    with pytest.raises(ShapeError, match=words):
        cases.Case(name, (), params).build(*[ops.value(np.zeros(shape)) for shape in shapes])


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("slice", {"axis": 0, "start": 0, "size": 2, "step": 1}, "the batch axis can't be sliced"),
        ("pad", {"axis": 0, "before": 1, "after": 0, "step": 1}, "the batch axis can't be padded"),
        ("concatenate", {"axis": 0}, "the batch axis can't be concatenated"),
    ],
)
def test_the_batch_axis_stays_whole(name: str, params: dict, words: str):
    with pytest.raises(ShapeError, match=words):
        cases.Case(name, (), params).build(ops.leaf((Batch(), 3), np.float32))


@pytest.mark.parametrize("name", ["gather", "scatter_add"])
def test_indices_are_integers(name: str):
    x, indices = ops.value(np.zeros((3, 2))), ops.value(np.zeros(3))
    with pytest.raises(DtypeError, match=f"{name} takes integer indices, not float64"):
        cases.Case(name, (), {"rows": 3} if name == "scatter_add" else {}).build(x, indices)


def test_gather_out_of_range_is_noticed():
    node = ops.gather(ops.value(np.zeros((3, 2))), ops.value(np.array([0, 3])))
    with pytest.raises(ShapeError, match="index 0 to 3 in a table of 3 rows"):
        interpret([node])


def test_a_row_is_refused_without_text_or_twice():
    with pytest.raises(VerifyError, match="has no text"):
        define("bare", "elementwise", infer=lambda x: (x.shape, x.dtype), evaluate=lambda *_: None, derivative=None)
    with pytest.raises(VerifyError, match="defined twice"):
        define("add", "view", infer=lambda x: (x.shape, x.dtype), evaluate=lambda *_: None, derivative=None)
    assert "bare" not in TABLE
