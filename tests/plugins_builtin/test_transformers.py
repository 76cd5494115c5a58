"""transformer and char_transformer: what they see, what they count, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl import nn, plugins
from nbdl.errors import DataError, OptionError, ShapeError
from nbdl.hookspecs import training_of


def make(name: str, **options) -> nn.Module:
    return plugins.lookup("models", name).make(**options)


POSITIONS = ("learned", "sinusoidal", "rotary", "none")


@pytest.mark.parametrize("position", POSITIONS)
def test_encoder_tells_orders_apart_by_positions_only(position: str):
    net = make("transformer", outputs=3, tokens=9, width=8, hidden=8, position=position).eval()
    x = np.array([[1, 2, 3, 4], [4, 3, 2, 1]])
    first, second = net(x).numpy()
    alike = np.allclose(first, second, rtol=1e-4, atol=1e-5)
    assert alike == (position == "none")


@pytest.mark.parametrize("position", POSITIONS)
def test_decoder_does_not_see_the_future(position: str):
    net = make("char_transformer", outputs=9, tokens=9, width=8, layers=2, context=6, position=position).eval()
    x = np.array([[1, 2, 3, 4, 5, 6]])
    before = net(x).numpy().copy()
    x[0, 4:] = 8
    after = net(x).numpy()
    np.testing.assert_array_equal(after[0, :4], before[0, :4])
    assert (after[0, 4:] != before[0, 4:]).all()


def test_decoder_has_the_parameters_of_its_formula():
    width, block = 128, 4 * 128 * 128 + 2 * 4 * 128 * 128 + 2 * 128
    for position, table in (("rotary", 0), ("learned", 64 * width)):
        net = make("char_transformer", outputs=65, tokens=65, position=position)
        net(np.zeros((1, 64), np.int32))
        assert sum(each.numpy().size for each in net.parameters()) == 65 * width + table + 4 * block + width


def test_decoder_reads_shorter_texts():
    net = make("char_transformer", outputs=9, tokens=9, width=8, context=6)
    assert net(np.zeros((2, 3), np.int32)).shape == (2, 3, 9)


def test_decoder_says_how_it_is_trained():
    training = training_of(plugins.lookup("models", "char_transformer").factory)
    steps = training["train"]["epochs"] * training["train"]["epoch_rows"] // training["train"]["batch_size"]
    warm, then = training["schedule"]["steps"], training["schedule"]["then"]
    assert (steps, warm + then["steps"]) == (2000, 2000)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("transformer", {"layers": 0}, "transformer takes layers of at least 1, not 0"),
        ("transformer", {"heads": 3}, "3 heads can't share out a width of 64 evenly"),
        ("transformer", {"width": 12, "position": "rotary"}, "width of 12, an even number of channels each, evenly"),
        ("transformer", {"dropout": 1.0}, "dropout rate must be at least 0"),
        ("char_transformer", {"context": 0}, "char_transformer takes context of at least 1, not 0"),
        ("char_transformer", {"outputs": 4}, "the tokens that it reads, 9 of them; these data have 4 outputs"),
    ],
)
def test_options_out_of_range(name: str, options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        make(name, **{"outputs": 9, "tokens": 9, **options})


@pytest.mark.parametrize(
    ("name", "tokens", "shape", "words"),
    [
        ("transformer", None, (2, 5), r"transformer takes sequences \(rows, time, channels\), not \(2, 5\)"),
        ("transformer", 9, (2, 5, 3), r"transformer takes tokens \(rows, time\), not \(2, 5, 3\)"),
        ("char_transformer", 9, (2, 5, 3), r"char_transformer takes tokens \(rows, time\), not \(2, 5, 3\)"),
        ("char_transformer", 9, (2, 7), "the text has 7 tokens, and the model was made for a context of 6"),
    ],
)
def test_wrong_shapes(name: str, tokens: int | None, shape: tuple[int, ...], words: str):
    told = {"outputs": 9} | ({} if tokens is None else {"tokens": tokens})
    net = make(name, **told, **({"context": 6} if name == "char_transformer" else {}))
    with pytest.raises(ShapeError, match=words):
        net(np.zeros(shape, np.float32 if tokens is None else np.int32))


def test_token_outside_the_vocabulary():
    net = make("transformer", outputs=2, tokens=5)
    with pytest.raises(DataError, match=r"enter: token 5 \(row 0, position 1\) is outside the vocabulary of 5 tokens"):
        net.predict(np.array([[1, 5]]))
