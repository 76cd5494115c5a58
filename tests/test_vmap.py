"""`vmap` gives what a loop over the examples gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl.errors import OptionError, ShapeError, UntraceableError
from nbdl.ir.primitives import TABLE
from nbdl.vectorizing import RULES, RULES_BY_KIND

EXAMPLES = 4
WEIGHT = nbdl.Tensor(np.random.default_rng(5).normal(size=(3, 2)).astype(np.float32))
KERNEL = nbdl.Tensor(np.random.default_rng(6).normal(size=(2, 2, 1, 3)).astype(np.float32))


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def whole(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, shape)


def running_sums(x: Any) -> Any:
    return nbdl.scan(lambda total, each: (total + each, nbdl.sum(total * each)), nbdl.zeros(2), x)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "elementwise with axes missing": (lambda x, y: nbdl.tanh(x * y + 1.0), (draw(EXAMPLES, 2, 3), draw(EXAMPLES, 3))),
    "choice": (lambda x: nbdl.where(x > 0, x, WEIGHT), (draw(EXAMPLES, 3, 2),)),
    "number": (lambda x: x * 2.0 + 1.0, (draw(EXAMPLES),)),
    "sum and maximum": (lambda x: nbdl.sum(x, axis=0) / nbdl.max(x, axis=-1, keepdims=True), (draw(EXAMPLES, 3, 3),)),
    "softmax": (lambda x: nbdl.softmax(x), (draw(EXAMPLES, 5),)),
    "shapes": (lambda x: nbdl.permute_dims(x.reshape(3, 2), (1, 0))[:, ::-1], (draw(EXAMPLES, 6),)),
    "repeated": (lambda x: nbdl.broadcast_to(x, (2, 3)), (draw(EXAMPLES, 3),)),
    "joined": (lambda x: nbdl.concat([x, nbdl.ones((1, 2))], axis=0), (draw(EXAMPLES, 3, 2),)),
    "product with a weight": (lambda x: nbdl.matmul(x, WEIGHT), (draw(EXAMPLES, 4, 3),)),
    "product of a vector": (lambda x: nbdl.matmul(x, WEIGHT), (draw(EXAMPLES, 3),)),
    "product of a weight": (lambda x: nbdl.matmul(WEIGHT, x), (draw(EXAMPLES, 2, 4),)),
    "product of both": (lambda x, y: nbdl.matmul(x, y), (draw(EXAMPLES, 2, 3), draw(EXAMPLES, 3, 4, seed=2))),
    "rows of one table": (lambda i: nbdl.take(WEIGHT, i), (whole(EXAMPLES, 2),)),
    "rows of its own table": (lambda x, i: nbdl.take(x, i), (draw(EXAMPLES, 3, 2), whole(EXAMPLES, 5))),
    "largest": (lambda x: nbdl.argmax(x, axis=0), (draw(EXAMPLES, 3, 2),)),
    "images": (lambda x: nbdl.conv2d(x, KERNEL), (draw(EXAMPLES, 2, 4, 5, 1),)),
    "loop": (lambda x: running_sums(x)[1], (draw(EXAMPLES, 5, 2),)),
    "end of a loop": (lambda x: running_sums(x)[0], (draw(EXAMPLES, 5, 2),)),
    "gradient": (nbdl.grad(lambda x: nbdl.sum(nbdl.tanh(nbdl.matmul(x, WEIGHT)) ** 2)), (draw(EXAMPLES, 2, 3),)),
    "gradient of a look-up": (
        lambda x, i: nbdl.grad(lambda x: nbdl.sum(nbdl.take(x, i) ** 2))(x),
        (draw(EXAMPLES, 3, 2), whole(EXAMPLES, 5)),
    ),
    "of a map": (lambda x: nbdl.vmap(lambda row: nbdl.sum(row) * row)(x), (draw(EXAMPLES, 3, 2),)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_does_what_a_loop_does(name: str) -> None:
    function, arguments = FUNCTIONS[name]
    wanted = np.stack([function(*map(nbdl.Tensor, each)).numpy() for each in zip(*arguments, strict=True)])
    got = nbdl.vmap(function)(*arguments)
    assert got.shape == wanted.shape
    # the same sums in another order: a few roundings of float32
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_compiles_and_lets_gradients_through() -> None:
    x, weight = draw(EXAMPLES, 3), nbdl.Tensor(draw(3, 2), requires_grad=True)

    def loss(weight: Any, x: Any) -> Any:
        return nbdl.sum(nbdl.vmap(lambda row: nbdl.sum(nbdl.matmul(row, weight)) ** 2)(x))

    wanted = nbdl.grad(lambda weight: nbdl.sum(nbdl.sum(nbdl.matmul(x, weight), axis=1) ** 2))(weight)
    np.testing.assert_allclose(nbdl.jit(nbdl.grad(loss))(weight, x).numpy(), wanted.numpy(), rtol=1e-5)


def test_arguments_that_are_the_same_for_all() -> None:
    x, y = draw(EXAMPLES, 3), draw(3)
    np.testing.assert_allclose(nbdl.vmap(lambda x, y: x - y, in_axes=(0, None))(x, y).numpy(), x - y)
    assert nbdl.vmap(lambda x, y: y * 2.0, in_axes=(0, None))(x, y).shape == (EXAMPLES, 3)


def test_trees() -> None:
    x = draw(EXAMPLES, 3)
    got = nbdl.vmap(lambda both: {"sum": both["a"] + both["b"][0]})({"a": nbdl.Tensor(x), "b": [nbdl.Tensor(x)]})
    np.testing.assert_allclose(got["sum"].numpy(), 2 * x)


def test_mistakes_are_explained() -> None:
    with pytest.raises(OptionError, match="0 or None for each of 1 arguments"):
        nbdl.vmap(lambda x: x, in_axes=1)(draw(2, 2))
    with pytest.raises(OptionError, match="0 for one at least"):
        nbdl.vmap(lambda x: x, in_axes=None)(draw(2, 2))
    with pytest.raises(ShapeError, match="as many examples in every argument"):
        nbdl.vmap(lambda x, y: x)(draw(2, 2), draw(3, 2))
    with pytest.raises(ShapeError, match="single number"):
        nbdl.vmap(lambda x: x)(2.0)
    with pytest.raises(UntraceableError, match="weights of conv2d"):
        nbdl.vmap(lambda w: nbdl.conv2d(nbdl.ones((1, 4, 4, 1)), w))(draw(3, 2, 2, 1, 2))


# made by differentiation or passes only, and each for a reason without a rule: gradients of weights would be one for
# each example
WINOGRAD = {"winograd", "winograd_back", "winograd_points", "winograd_weights"}
WITHOUT_RULE = {"pack", "conv2d_weights", "strided_matmul"} | WINOGRAD


def test_every_row_of_the_table_has_a_rule() -> None:
    rows = {name for name, row in TABLE.items() if row.kind not in ("leaf", "index") and not row.kernel} - {"gradient"}
    ruled = {name for name in rows if name in RULES or TABLE[name].kind in RULES_BY_KIND}
    assert rows - ruled == WITHOUT_RULE


def test_indices_stay_within_the_table_of_their_example():
    tables = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    with pytest.raises(ShapeError, match="index"):
        nbdl.vmap(lambda x, i: nbdl.take(x, i))(tables, np.array([3, -1])).numpy()


def test_indices_of_eight_bits_count_further_than_that():
    tables, picked = np.arange(600.0).reshape(200, 3), np.full(200, 2, np.uint8)
    np.testing.assert_array_equal(nbdl.vmap(lambda x, i: nbdl.take(x, i))(tables, picked).numpy(), tables[:, 2])
    assert nbdl.one_hot(np.array([1, 255], np.uint8), 300).numpy().argmax(1).tolist() == [1, 255]
    assert nbdl.one_hot(np.array([1], np.uint8), 300).numpy().sum() == 1
    assert nbdl.one_hot([True], 3).numpy().tolist() == [[0, 1, 0]]
