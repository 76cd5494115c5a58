"""Functions with the names of the array API standard: each is called as NumPy's of the same name, which judges it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import functions, nn
from nbdl.errors import OptionError, ShapeError, UntraceableError
from nbdl.ir.composite import COMPOSITIONS
from nbdl.numpy_functions import NATIVE

RNG = np.random.default_rng(0)
Function = Callable[..., Any]


def numbers(*shape: int) -> np.ndarray:
    """Away from 0, from whole numbers and from their halves, where some functions have corners."""
    return RNG.integers(-3, 3, shape) + RNG.choice([0.2, 0.35, 0.6, 0.85], shape)


def between(low: float, high: float, *shape: int) -> np.ndarray:
    return RNG.uniform(low, high, shape)


X, Y, MATRIX, BLOCK = numbers(3, 4), numbers(3, 4) + 0.07, numbers(4, 5), numbers(2, 3, 4)
SMALL, BIG, TRUTHS = between(-0.9, 0.9, 3, 4), between(1.1, 9, 3, 4), X > 0
ZEROS = np.array([[0.0, 1.0, -2.0], [0.0, 0.0, 3.0]])
ODD = np.array([0.0, np.inf, -np.inf, np.nan, 1.5, -2.5, 0.5, 1e30, -1e30])
WHOLE = np.array([[3, -7, 0], [2, 2, -1]])
RANKS = np.array([[3, 0, 1, 1, 2]])
PLACES = np.array([[2, 0], [1, 3], [0, 0]])

ELEMENTWISE: dict[str, tuple[np.ndarray, ...]] = {
    **dict.fromkeys(
        "abs atan asinh ceil cosh exp expm1 floor isfinite isinf isnan negative positive reciprocal round sign sin "
        "sinh cos square tan tanh trunc logical_not".split(),
        (X,),
    ),
    **dict.fromkeys("asin acos atanh".split(), (SMALL,)),
    **dict.fromkeys("acosh log log1p log2 log10 sqrt".split(), (BIG,)),
    **dict.fromkeys(
        "add atan2 divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and "
        "logical_or logical_xor maximum minimum multiply not_equal remainder subtract".split(),
        (X, Y),
    ),
    "pow": (BIG, Y),
    "power": (BIG, Y),
}
CASES: dict[str, tuple[Function, tuple[np.ndarray, ...]]] = {
    **{name: (lambda xp, *x, name=name: getattr(xp, name)(*x), x) for name, x in ELEMENTWISE.items()},
    "clip": (lambda xp, x: xp.clip(x, -1.5, 0.5), (X,)),
    "where": (lambda xp, c, x, y: xp.where(c, x, y), (TRUTHS, X, Y)),
    "sum": (lambda xp, x: xp.sum(x, axis=(0, 2)), (BLOCK,)),
    "mean": (lambda xp, x: xp.mean(x, axis=1, keepdims=True), (BLOCK,)),
    "var": (lambda xp, x: xp.var(x, axis=-1), (BLOCK,)),
    "std": (lambda xp, x: xp.std(x), (BLOCK,)),
    "max": (lambda xp, x: xp.max(x, axis=1), (BLOCK,)),
    "min": (lambda xp, x: xp.min(x, axis=1), (BLOCK,)),
    "prod": (lambda xp, x: xp.prod(x, axis=(0, 1)), (BLOCK,)),
    "prod with zeros": (lambda xp, x: xp.prod(x, axis=1, keepdims=True), (ZEROS,)),
    "prod of all": (lambda xp, x: xp.prod(x), (X,)),
    "prod of none": (lambda xp, x: xp.prod(x, axis=1), (np.zeros((2, 0)),)),
    "cumulative_sum": (lambda xp, x: xp.cumulative_sum(x, axis=1), (BLOCK,)),
    "cumulative_sum of a vector": (lambda xp, x: xp.cumulative_sum(x), (numbers(11),)),
    "cumulative_prod": (lambda xp, x: xp.cumulative_prod(x, axis=-1), (BLOCK,)),
    "cumulative_prod with zeros": (lambda xp, x: xp.cumulative_prod(x, axis=1), (ZEROS,)),
    "any": (lambda xp, x: xp.any(x, axis=1), (ZEROS,)),
    "all": (lambda xp, x: xp.all(x, axis=0), (ZEROS,)),
    "any of none": (lambda xp, x: xp.any(x, axis=1), (np.zeros((2, 0)),)),
    "count_nonzero": (lambda xp, x: xp.count_nonzero(x, axis=1), (ZEROS,)),
    "argmax": (lambda xp, x: xp.argmax(x, axis=1), (BLOCK,)),
    "argmax of all": (lambda xp, x: xp.argmax(x), (BLOCK,)),
    "argmin": (lambda xp, x: xp.argmin(x, axis=-1, keepdims=True), (BLOCK,)),
    "argmin of all": (lambda xp, x: xp.argmin(x, keepdims=True), (BLOCK,)),
    "reshape": (lambda xp, x: xp.reshape(x, (4, -1)), (X,)),
    "permute_dims": (lambda xp, x: xp.permute_dims(x, (2, 0, 1)), (BLOCK,)),
    "matrix_transpose": (lambda xp, x: xp.matrix_transpose(x), (BLOCK,)),
    "moveaxis": (lambda xp, x: xp.moveaxis(x, 0, -1), (BLOCK,)),
    "moveaxis of two": (lambda xp, x: xp.moveaxis(x, (0, 1), (2, 0)), (BLOCK,)),
    "expand_dims": (lambda xp, x: xp.expand_dims(x, 1), (X,)),
    "squeeze": (lambda xp, x: xp.squeeze(xp.expand_dims(x, -1), -1), (X,)),
    "broadcast_to": (lambda xp, x: xp.broadcast_to(x, (2, 3, 4)), (X,)),
    "broadcast_arrays": (lambda xp, x, y: xp.broadcast_arrays(x, y)[1], (BLOCK, X)),
    "concat": (lambda xp, x, y: xp.concat([x, y], axis=1), (X, Y)),
    "concat of all": (lambda xp, x, y: xp.concat([x, y], axis=None), (X, MATRIX)),
    "stack": (lambda xp, x, y: xp.stack([x, y], axis=1), (X, Y)),
    "unstack": (lambda xp, x: xp.unstack(x, axis=1)[2], (BLOCK,)),
    "unstack of none": (lambda xp, x: xp.stack([x[0], *xp.unstack(x[:, :0], axis=1)]), (X,)),
    "split": (lambda xp, x: xp.split(x, 2, axis=2)[1], (BLOCK,)),
    "split at places": (lambda xp, x: xp.split(x, [1, 3], axis=1)[1], (X,)),
    "split beyond the end": (lambda xp, x: xp.concat(xp.split(x, [3, 2, 9], axis=1), axis=1), (X,)),
    "flip": (lambda xp, x: xp.flip(x, axis=(0, 2)), (BLOCK,)),
    "flip all": (lambda xp, x: xp.flip(x), (BLOCK,)),
    "roll": (lambda xp, x: xp.roll(x, 5, axis=1), (BLOCK,)),
    "roll back": (lambda xp, x: xp.roll(x, (-1, 2), axis=(0, 2)), (BLOCK,)),
    "roll all": (lambda xp, x: xp.roll(x, 3), (BLOCK,)),
    "repeat": (lambda xp, x: xp.repeat(x, 3, axis=1), (BLOCK,)),
    "repeat all": (lambda xp, x: xp.repeat(x, 2), (X,)),
    "repeat by numbers": (lambda xp, x: xp.repeat(x, [2, 0, 1], axis=0), (X,)),
    "repeat of none": (lambda xp, x: xp.repeat(x[:, :0], [], axis=1), (X,)),
    "tile": (lambda xp, x: xp.tile(x, (2, 1, 3)), (X,)),
    "tile the last": (lambda xp, x: xp.tile(x, 2), (BLOCK,)),
    "take": (lambda xp, x, i: xp.take(x, i, axis=1), (BLOCK, np.array([[2, 0], [1, 1]]))),
    "take_along_axis": (lambda xp, x, i: xp.take_along_axis(x, i, axis=1), (X, PLACES)),
    "take_along_axis of the first": (lambda xp, x, i: xp.take_along_axis(x, i, axis=0), (MATRIX, RANKS)),
    "tril": (lambda xp, x: xp.tril(x, 1), (BLOCK,)),
    "triu": (lambda xp, x: xp.triu(x, -1), (BLOCK,)),
    "full_like": (lambda xp, x: xp.full_like(x, 2.5), (X,)),
    "zeros_like": (lambda xp, x: xp.zeros_like(x), (X,)),
    "ones_like": (lambda xp, x: xp.ones_like(x), (X,)),
    "meshgrid": (lambda xp, x, y: xp.meshgrid(x, y)[1], (X[0], Y[:, 0])),
    "meshgrid ij": (lambda xp, x, y: xp.meshgrid(x, y, indexing="ij")[0], (X[0], Y[:, 0])),
    "matmul": (lambda xp, x, y: xp.matmul(x, y), (BLOCK, MATRIX)),
    "outer": (lambda xp, x, y: xp.outer(x, y), (X[0], Y[:, 0])),
    "vecdot": (lambda xp, x, y: xp.vecdot(x, y), (X, Y)),
    "tensordot": (lambda xp, x, y: xp.tensordot(x, y), (BLOCK, numbers(3, 4, 2))),
    "tensordot of one": (lambda xp, x, y: xp.tensordot(x, y, axes=1), (BLOCK, MATRIX)),
    "tensordot of none": (lambda xp, x, y: xp.tensordot(x, y, axes=0), (X, Y)),
    "tensordot of one each": (lambda xp, x, y: xp.tensordot(x, y, axes=(2, 0)), (BLOCK, MATRIX)),
    "tensordot by name": (lambda xp, x, y: xp.tensordot(x, y, axes=([2, 1], [1, 0])), (BLOCK, X)),
}  # fmt: skip
EINSUMS = {
    "ij,jk->ik": (X, MATRIX),
    "ij,jk": (X, MATRIX),
    "ij,kj->ki": (X, numbers(5, 4)),
    "bij,bjk->bik": (BLOCK, numbers(2, 4, 5)),
    "bij,jk->bki": (BLOCK, MATRIX),
    "bij,bij->b": (BLOCK, numbers(2, 3, 4)),
    "i,j->ij": (X[0], Y[:, 0]),
    "i,i->": (X[0], Y[0]),
    "ij->ji": (X,),
    "ij->": (X,),
    "ij->j": (X,),
    "ii->i": (numbers(4, 4),),
    "ii": (numbers(4, 4),),
    "iji->j": (numbers(3, 2, 3),),
    "ba": (X,),
    "...i,ij->...j": (BLOCK, MATRIX),
    "...ij->...ji": (BLOCK,),
    "...i,...i": (BLOCK, X),
    "bqhd,bkhd->bhqk": (numbers(2, 3, 2, 4), numbers(2, 5, 2, 4)),
    "ij,jk,kl->il": (X, MATRIX, numbers(5, 2)),
    "i,ij,j": (X[:, 0], Y, X[0]),
    "ij,ij->ij": (X, numbers(1, 4)),
    "ij,j->i": (X, numbers(1)),
    "aij,ajk,b->ikb": (BLOCK, numbers(2, 4, 5), X[0]),
    " i j , j k -> i k ": (X, MATRIX),
}
CASES |= {f"einsum {text}": (lambda xp, *x, text=text: xp.einsum(text, *x), x) for text, x in EINSUMS.items()}
NOT_FLAT = {name for name in CASES if name.split()[0] not in {
    "ceil", "floor", "isfinite", "isinf", "isnan", "round", "sign", "trunc", "logical_not", "equal", "floor_divide",
    "greater", "greater_equal", "less", "less_equal", "logical_and", "logical_or", "logical_xor", "not_equal", "any",
    "all", "count_nonzero", "argmax", "argmin", "full_like", "zeros_like", "ones_like",
}}  # fmt: skip
"""Cases that a gradient flows through."""


def judged_by_numpy() -> set[str]:
    return {name.split()[0] for name in CASES}


def test_every_function_is_judged():
    elsewhere = set(
        "arange asarray erf eye fast_divide full linspace log_softmax logsumexp one_hot ones sigmoid softmax "
        "stop_gradient zeros".split()
    )  # not NumPy's, or without an argument to flow through
    assert judged_by_numpy() | elsewhere == set(functions.__all__)
    assert judged_by_numpy() & elsewhere == set()


def single(arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    return [each.astype(np.float32) if each.dtype.kind == "f" else each for each in arrays]


@pytest.mark.parametrize("around", [lambda f: f, nbdl.jit], ids=["plain", "jit"])
@pytest.mark.parametrize("name", CASES)
def test_values(name, around):
    function, arrays = CASES[name]
    found = around(lambda *x: function(nbdl, *x))(*map(nbdl.asarray, single(arrays)))
    expected = np.asarray(function(np, *arrays))
    assert found.shape == expected.shape
    assert found.dtype.kind == expected.dtype.kind
    # float32, and functions a few units of the last place from the truth
    np.testing.assert_allclose(found.numpy(), expected, rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("name", sorted(NOT_FLAT))
def test_gradients(name):
    """Against differences of NumPy's own values, in float64."""
    function, arrays = CASES[name]
    weights = RNG.uniform(0.5, 1.5, np.shape(function(np, *arrays)))
    floating = [place for place, each in enumerate(arrays) if each.dtype.kind == "f"]

    def total(*x):
        return nbdl.sum(function(nbdl, *x) * weights)

    found = nbdl.grad(total, argnums=tuple(floating))(*arrays)
    for place, gradient in zip(floating, found, strict=True):
        for index in np.ndindex(arrays[place].shape):
            moved = [each.copy() for each in arrays]
            moved[place][index] += 1e-6
            above = np.sum(function(np, *moved) * weights)
            moved[place][index] -= 2e-6
            slope = (above - np.sum(function(np, *moved) * weights)) / 2e-6
            np.testing.assert_allclose(float(gradient[index]), slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", sorted({*COMPOSITIONS, *"atan isinf isnan round ceil trunc".split()} - {"softmax"}))
def test_infinities_zeros_and_numbers_that_are_none(name):
    """Interpreted and compiled, as NumPy has it; except that a zero has no sign."""
    count = len(ELEMENTWISE[name])
    odd = ODD[np.abs(ODD) != 1e30] if name == "tan" else ODD  # so far out, sines aren't known
    arrays = [each.ravel() for each in np.meshgrid(*[odd.astype(np.float32)] * count)]
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(*arrays)
    for around in (lambda f: f, nbdl.jit):
        found = around(getattr(nbdl, name))(*map(nbdl.asarray, arrays)).numpy()
        one_is_infinite = np.any(np.isinf(arrays), axis=0) & np.isnan(expected if name != "hypot" else found)
        kept = ~one_is_infinite if name == "hypot" else np.full(found.shape, True)
        np.testing.assert_allclose(found[kept], expected[kept], rtol=3e-6, atol=1e-7)


class Rows(nn.Module):
    """A network of one function of the rows of a batch, times a weight."""

    def __init__(self, function):
        self.function = function
        self.weight = nn.Parameter(RNG.uniform(0.5, 1.5, (3, 4)).astype(np.float32))

    def forward(self, x):
        return self.function(x * self.weight)


PICKED = np.array([1, 0])
OF_ROWS = {
    "prod": lambda x: nbdl.prod(x, axis=2),
    "cumulative_sum": lambda x: nbdl.cumulative_sum(x, axis=1),
    "flip": lambda x: nbdl.flip(x, axis=2),
    "roll": lambda x: nbdl.roll(x, 1, axis=1),
    "repeat": lambda x: nbdl.repeat(x, 2, axis=2),
    "repeat by numbers": lambda x: nbdl.repeat(x, [0, 2, 1], axis=1),
    "tile": lambda x: nbdl.tile(x, (1, 2, 1)),
    "tril": nbdl.tril,
    "take": lambda x: nbdl.take(x, PICKED, axis=1),
    "take_along_axis": lambda x: nbdl.take_along_axis(x, nbdl.argmax(x, axis=2, keepdims=True), axis=2),
    "take_along_axis of the second": lambda x: nbdl.take_along_axis(x, PICKED.reshape(1, 2, 1), axis=1),
    "moveaxis": lambda x: nbdl.moveaxis(x, 1, 2),
    "unstack": lambda x: nbdl.stack(nbdl.unstack(x, axis=1), axis=2),
    "matrices": lambda x: nbdl.einsum("nij,nkj->nik", x, x),
    "rows": lambda x: nbdl.einsum("...j,kj->...k", x, MATRIX[:, :4].astype(np.float32)),
    "atan2": lambda x: nbdl.atan2(x, x + 1),
    "sinh": nbdl.sinh,
}


@pytest.mark.parametrize("name", sorted(OF_ROWS))
def test_functions_of_the_rows_of_a_batch(name):
    """In a program the number of rows is unknown; interpreted, it is not. Predictions, and a step of training."""
    x = RNG.normal(size=(37, 3, 4)).astype(np.float32)
    net = Rows(OF_ROWS[name])
    for rows in (37, 1):
        np.testing.assert_allclose(net.predict(x[:rows]), net(x[:rows]).numpy(), rtol=3e-6, atol=3e-6)
    y = np.zeros(net(x).shape, np.float32)
    slope = nbdl.grad(lambda w: nbdl.mean(net.function(x * w) ** 2))(net.weight.numpy())
    expected = net.weight.numpy() - slope.numpy()
    for workers in (1, 2):
        trained = Rows(OF_ROWS[name])
        trained.weight = nn.Parameter(net.weight.numpy())
        trained.compile(loss=lambda wanted, made: nbdl.mean((made - wanted) ** 2), optimizer=nbdl.optim.sgd(lr=1.0))
        trained.fit(x, y, epochs=1, batch_size=37, workers=workers, verbose=0)
        np.testing.assert_allclose(trained.weight.numpy(), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "function",
    [
        nbdl.prod,
        lambda x: nbdl.cumulative_sum(x, axis=0),
        lambda x: nbdl.flip(x, axis=0),
        lambda x: nbdl.roll(x, 1, axis=0),
        lambda x: nbdl.split(x, 2)[0],
        lambda x: nbdl.repeat(x, [1] * 8, axis=0),
    ],
)
def test_rows_of_a_batch_are_not_known_one_by_one(function):
    with pytest.raises(ShapeError, match="batch axis"):
        Rows(function).predict(np.ones((8, 3, 4), np.float32))


def test_making():
    for ours, theirs in [
        (nbdl.arange(5), np.arange(5)),
        (nbdl.arange(2, 9, 3), np.arange(2, 9, 3)),
        (nbdl.arange(3, 3), np.arange(3, 3)),
        (nbdl.arange(5, 0, -2), np.arange(5, 0, -2)),
        (nbdl.arange(0, 1, 0.25), np.arange(0, 1, 0.25, np.float32)),
        (nbdl.arange(0.5, 3), np.arange(0.5, 3, dtype=np.float32)),
        (nbdl.arange(3, dtype="float64"), np.arange(3.0)),
        (nbdl.arange(-2, 3, dtype="int32"), np.arange(-2, 3, dtype=np.int32)),
        (nbdl.linspace(0, 1, 7), np.linspace(0, 1, 7, dtype=np.float32)),
        (nbdl.linspace(-1, 2, 4, endpoint=False), np.linspace(-1, 2, 4, endpoint=False, dtype=np.float32)),
        (nbdl.linspace(3, 9, 1), np.linspace(3, 9, 1, dtype=np.float32)),
        (nbdl.linspace(0, 1, 0), np.linspace(0, 1, 0, dtype=np.float32)),
        (nbdl.eye(3), np.eye(3, dtype=np.float32)),
        (nbdl.eye(2, 4, k=1, dtype="int64"), np.eye(2, 4, k=1, dtype=np.int64)),
    ]:
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-7)
    assert nbdl.linspace(0, 0.3, 4)[3].item() == np.float32(0.3)


@pytest.mark.parametrize("name", ["prod", "cumulative_sum", "cumulative_prod", "max", "min", "argmin", "flip", "round"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
def test_whole_numbers(name, dtype):
    x = WHOLE.astype(dtype)
    options = {"axis": 1} if name != "round" else {}
    found = getattr(nbdl, name)(nbdl.asarray(x), **options).numpy()
    np.testing.assert_array_equal(found, getattr(np, name)(x.astype(int), **options))


@pytest.mark.parametrize("place", [4, -1])
def test_an_element_that_is_not_there_is_none_of_another_row(place):
    x, places = nbdl.asarray(X), nbdl.asarray([[1], [place], [0]])
    with pytest.raises(ShapeError, match="-1"):
        nbdl.take_along_axis(x, places, axis=1).numpy()
    found = nbdl.jit(lambda x, i: nbdl.take_along_axis(x, i, axis=1))(x, places)
    np.testing.assert_array_equal(found.numpy(), [X[0, [1]], [np.nan], X[2, [0]]])


@pytest.mark.parametrize("name", ["sum", "count_nonzero", "any"])
def test_sums_of_truths_over_no_axes_are_whole_numbers_too(name):
    for axis, x in (((), [True, False]), (None, True)):
        expected = getattr(np, name)(np.array(x), axis=axis)
        assert getattr(nbdl, name)(nbdl.asarray(x), axis=axis).dtype == expected.dtype


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int32", "float64"])
@pytest.mark.parametrize("name", ["tril", "triu"])
def test_triangles_keep_the_dtype(name, dtype):
    x = WHOLE.astype(dtype)
    found, expected = getattr(nbdl, name)(nbdl.asarray(x)), getattr(np, name)(x)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: nbdl.cumulative_sum(x), ShapeError),
        (lambda x: nbdl.arange(0, 5, 0), ShapeError),
        (lambda x: nbdl.split(x, 3, axis=1), ShapeError),
        (lambda x: nbdl.split(x, 0), ShapeError),
        (lambda x: nbdl.tril(x[0]), ShapeError),
        (lambda x: nbdl.matrix_transpose(x[0]), ShapeError),
        (lambda x: nbdl.moveaxis(x, (0, 1), 0), ShapeError),
        (lambda x: nbdl.repeat(x, [1, 2], axis=0), ShapeError),
        (lambda x: nbdl.repeat(x, [], axis=0), ShapeError),
        (lambda x: nbdl.roll(x, (1, 2, 3), axis=(0, 1)), ShapeError),
        (lambda x: nbdl.concat([x[0, 0], x[0, 1]]), ShapeError),
        (lambda x: nbdl.repeat(x, -1, axis=0), ShapeError),
        (lambda x: nbdl.take_along_axis(x, [0], axis=0), ShapeError),
        (lambda x: nbdl.meshgrid(x[0], indexing="yx"), OptionError),
        (lambda x: nbdl.tensordot(x, x, axes=3), ShapeError),
        (lambda x: nbdl.tensordot(x, x, axes=([1], [1, 0])), ShapeError),
        (lambda x: nbdl.tensordot(x, x[:, :1], axes=(1, 1)), ShapeError),
        (lambda x: nbdl.tensordot(x, x, axes=([1, 1], [1, 1])), ShapeError),
        (lambda x: nbdl.vecdot(x, x[:, :1]), ShapeError),
        (lambda x: nbdl.einsum(x, "ij->ji"), OptionError),
        (lambda x: nbdl.einsum("ij,jk->ik", x), ShapeError),
        (lambda x: nbdl.einsum("i->i", x), ShapeError),
        (lambda x: nbdl.einsum("ij->ik", x), ShapeError),
        (lambda x: nbdl.einsum("ij->ii", x), ShapeError),
        (lambda x: nbdl.einsum("ij,jk->ik", x, x), ShapeError),
        (lambda x: nbdl.einsum("ii->i", x), ShapeError),
        (lambda x: nbdl.einsum("i?->i", x), ShapeError),
    ],
)
def test_what_is_refused(call, error):
    with pytest.raises(error):
        call(nbdl.asarray(X))


class TestNumPysOwnFunctions:
    """`np.sin(tensor)` is `nbdl.sin(tensor)`."""

    @pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] in {*NATIVE, "permute_dims"}])
    def test_values_and_types(self, name):
        function, arrays = CASES[name]
        found = function(np, *map(nbdl.asarray, arrays))
        assert type(found) is nbdl.Tensor
        np.testing.assert_allclose(found.numpy(), function(np, *arrays), rtol=1e-12, atol=1e-12)

    def test_names_of_before(self):
        for name in ("arcsin", "arccos", "arctan", "arcsinh", "arctanh", "absolute", "amax", "amin"):
            function = getattr(np, name)
            np.testing.assert_allclose(function(nbdl.asarray(SMALL)).numpy(), function(SMALL), rtol=1e-12)
        np.testing.assert_allclose(np.concatenate([nbdl.asarray(X), Y]).numpy(), np.concatenate([X, Y]))

    def test_gradients_flow_through_them(self):
        def loss(x):
            return np.sum(np.sin(x) * np.arange(3.0))

        found = nbdl.grad(loss)(nbdl.asarray([1.0, 2.0, 3.0])).numpy()
        np.testing.assert_allclose(found, np.cos([1, 2, 3]) * np.arange(3), rtol=1e-6)
        np.testing.assert_allclose(nbdl.jit(nbdl.grad(loss))([1.0, 2.0, 3.0]).numpy(), found, rtol=1e-6)

    def test_what_would_lose_a_gradient_is_refused(self):
        w = nbdl.Tensor([3.0, 1.0, 2.0], requires_grad=True)
        for function in (np.median, np.sort, np.linalg.norm, np.add.reduce, lambda x: np.sum(x, dtype=float)):
            with pytest.raises(UntraceableError, match="the gradient would end here"):
                function(w)
        assert np.argsort(w).tolist() == [1, 2, 0]
        assert np.allclose(w, [3, 1, 2])
        assert np.shape(w) == (3,)
        np.testing.assert_array_equal(np.sort(w.detach()), [1, 2, 3])
        np.testing.assert_array_equal(np.asarray(w), [3, 1, 2])

    def test_arrays_take_numbers_of_tensors(self):
        w, total = nbdl.Tensor([3.0, 1.0], requires_grad=True), np.zeros(2)
        total += w
        assert total.tolist() == [3.0, 1.0]
        assert type(total) is np.ndarray

    def test_arrays_on_the_left(self):
        x = nbdl.asarray([1.0, 2.0])
        for made, expected in [
            (np.array([3.0, 4.0], np.float32) - x, [2, 2]),
            (np.float32(2) * x, [2, 4]),
            (np.array([1.0, 1.0]) <= x, [True, True]),
            (np.array([[1.0, 1.0]], np.float32) @ x, [3]),
        ]:
            assert type(made) is nbdl.Tensor
            assert made.tolist() == expected

    def test_values_are_asked_for_in_vain_while_a_program_is_recorded(self):
        with pytest.raises(UntraceableError):
            nbdl.jit(lambda x: x * np.median(x))([1.0, 2.0])
