"""Embedding: against PyTorch, in programs, and tokens outside of the vocabulary."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn, testing
from nbdl.errors import DataError, DtypeError, OptionError, ShapeError
from tests.codegen.maker import EXAMPLES
from tests.nn.programs import check_program
from tests.nn.twins import assert_agree, fill, ours, theirs


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 2)])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_as_in_pytorch(shape: tuple[int, ...], dtype: str):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    x = generator.integers(0, 7, shape).astype(dtype)
    layer = fill(nn.Embedding(7, 3), generator, x)
    twin = torch.nn.Embedding(7, 3)
    with torch.no_grad():
        twin.weight.copy_(torch.tensor(layer.weight.numpy()))
    expected = theirs(lambda x: twin(x.long()), {"x": x}, {"weight": twin.weight})
    assert_agree(ours(layer, {"x": x}, {"weight": layer.weight}), expected)


def test_gradient():
    x = np.array([[0, 2, 2], [1, 0, 2]])

    def embedded(weight):
        layer = nn.Embedding(4, 3)
        layer(x)
        layer.weight.node = weight.node
        return layer(x) ** 2

    testing.check_gradients(embedded, np.random.default_rng(0).normal(size=(4, 3)))


def test_program():
    x = np.random.default_rng(2).integers(0, 5, (EXAMPLES, 4))
    check_program(fill(nn.Embedding(5, 3), np.random.default_rng(3), x), x)


@pytest.mark.parametrize("token", [-1, 5])
def test_token_outside_the_vocabulary(token: int):
    words = rf"in layer embedding: token {token} \(row 1, position 2\) is outside the vocabulary of 5 tokens.*0 to 4"
    x = np.array([[0, 1, 2], [4, 0, token]])
    layer = nn.Embedding(5, 2)
    with pytest.raises(DataError, match=words):
        layer(x)
    net = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Dense(1)).compile("adam", "mse")
    words = words.replace("embedding:", "sequential.embedding_1:")
    for call in (net.fit, net.evaluate):
        with pytest.raises(DataError, match=words):
            call(x, np.zeros((2, 1)))
    with pytest.raises(DataError, match=words):
        net.predict(x)
    good = np.clip(x, 0, 4)
    assert np.isfinite(net.predict(good)).all()
    with pytest.raises(DataError, match=words):
        net.predict(x)


def test_tokens_that_only_the_program_knows_can_do_no_harm():
    """Nobody has checked them: what lies outside becomes NaN, and stops the training."""

    class Shifted(nn.Module):
        def __init__(self):
            self.embedding = nn.Embedding(5, 2)

        def forward(self, x):
            return self.embedding((nbdl.asarray(x) + nbdl.random.uniform((1,)) * 0 + 1000).astype("int32"))

    net = nn.Sequential(Shifted(), nn.Flatten(), nn.Dense(1)).compile("adam", "mse")
    with pytest.raises(ShapeError, match=r"gather in .*embedding: index 1001 to 1001 in a table of 5 rows"):
        net.fit(np.ones((4, 3), np.float32), np.zeros((4, 1)), verbose=False)


def test_wrong_options_and_inputs():
    with pytest.raises(OptionError, match="tokens of Embedding must be a whole number of at least 1, not 0"):
        nn.Embedding(0, 4)
    with pytest.raises(OptionError, match="width of Embedding must be a whole number of at least 1, not '4'"):
        nn.Embedding(3, "4")
    with pytest.raises(DtypeError, match=r"in layer Embedding \(input \(2, 2\)\): it takes tokens as whole numbers"):
        nn.Embedding(3, 4)(np.ones((2, 2), np.float32))
