"""Encoder-decoders: teacher forcing against writing by itself, beams against all there is, attention, mistakes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from nbdl_models.decoding import Attention, Beams, traced_back, without_tail

import nbdl
from nbdl import nn
from nbdl.data.vocabulary import END, PADDING, START
from nbdl.errors import DataError, DtypeError, OptionError, ShapeError
from nbdl.resolve import resolve

TOKENS, OUTPUTS = 7, 5
SMALL = {
    "seq2seq": {"hidden": 8, "embedding": 4},
    "seq2seq_transformer": {"width": 8, "heads": 2, "layers": 2, "hidden": 12},
}
BOTH = pytest.mark.parametrize("name", SMALL)
SOURCES = np.array([[3, 4, 5, 6, 3], [6, 3, 0, 0, 0], [4, 0, 0, 0, 0], [5, 5, 6, 4, 0]], np.int32)


def make(name: str, **options):
    """A network whose outputs differ clearly from each other, though it is not trained."""
    nbdl.set_seed(3)
    net = resolve("models", {"name": name, **SMALL[name], **options}, outputs=OUTPUTS, tokens=TOKENS)
    net(SOURCES, np.full((4, 1), START))
    for path, parameter in net.named_parameters():
        if path.startswith("logits.weight") or path.startswith("source_embedding"):
            parameter.assign(8 * parameter.numpy())
    return net.eval()


def decoded(net: nn.Module, beams: int) -> np.ndarray:
    """What `net.decode` gives, without compiling it."""
    return without_tail(traced_back(Beams(net, beams)(SOURCES).numpy()))


def fed(tokens: np.ndarray) -> np.ndarray:
    """What a decoder is fed that writes these tokens."""
    return np.concatenate([np.full((len(tokens), 1), START), tokens[:, :-1]], axis=1)


@BOTH
def test_what_it_writes_is_what_it_would_say_if_it_were_fed_just_that(name: str):
    net = make(name, longest=6)
    written = net(SOURCES).numpy()
    taught = net(SOURCES, fed(written.argmax(axis=2))).numpy()
    assert written.shape == (4, 6, OUTPUTS)
    # The same products, of all places at once and place by place.
    np.testing.assert_allclose(written, taught, rtol=1e-4, atol=1e-5)
    assert len(np.unique(written.argmax(axis=2))) > 1  # it doesn't always write the same token


@BOTH
def test_padding_of_the_source_changes_nothing(name: str):
    net = make(name, longest=4)
    padded = np.pad(SOURCES, ((0, 0), (0, 3)))
    np.testing.assert_allclose(net(padded).numpy(), net(SOURCES).numpy(), rtol=1e-4, atol=1e-5)


@BOTH
def test_a_place_knows_nothing_of_those_behind_it(name: str):
    net = make(name)
    previous = np.array([[1, 3, 4, 3]] * 4)
    other = previous.copy()
    other[:, 2:] = 0
    first, second = net(SOURCES, previous).numpy(), net(SOURCES, other).numpy()
    np.testing.assert_array_equal(first[:, :2], second[:, :2])
    assert (first[:, 2:] != second[:, 2:]).any()


@BOTH
def test_attention_looks_at_all_tokens_of_the_source_and_not_at_padding(name: str):
    net = make(name, longest=3)
    weights = Attention(net)(SOURCES).numpy()
    assert weights.shape == (4, 3, 5)
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-5)
    assert (weights[np.broadcast_to((SOURCES == PADDING)[:, None], weights.shape)] == 0).all()
    assert (weights[np.broadcast_to((SOURCES != PADDING)[:, None], weights.shape)] > 0).all()


@BOTH
def test_decoding_is_greedy_up_to_the_end(name: str):
    net = make(name, longest=6)
    expected = net(SOURCES).numpy().argmax(axis=2)
    greedy = without_tail(expected)
    for row in expected:
        ends = np.flatnonzero(row == END)
        row[ends[0] + 1 if len(ends) else len(row) :] = PADDING
    np.testing.assert_array_equal(greedy, expected)
    np.testing.assert_array_equal(decoded(net, beams=1), expected)


def best_of_all(net: nn.Module, source: np.ndarray, length: int) -> tuple[int, ...]:
    """The most probable sequence: each there is, scored by feeding it; nothing but padding comes after an end."""
    found = {}
    for tokens in itertools.product(range(OUTPUTS), repeat=length):
        stops = [place for place, token in enumerate(tokens) if token in (END, PADDING)]
        stop = stops[0] if stops else length - 1
        if any(tokens[stop + 1 :]):
            continue
        logits = net(source[None], fed(np.array([tokens]))).numpy()[0].astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        found[tokens] = sum(logs[place, tokens[place]] for place in range(stop + 1))
    return max(found, key=found.get)


@BOTH
def test_as_many_beams_as_tokens_find_the_best_of_two(name: str):
    net = make(name, longest=2)
    best = [best_of_all(net, source, 2) for source in SOURCES]
    np.testing.assert_array_equal(decoded(net, beams=OUTPUTS), best)


@BOTH
def test_more_beams_find_what_is_at_least_as_probable(name: str):
    net = make(name, longest=4)

    def probability(tokens: np.ndarray) -> np.ndarray:
        logits = net(SOURCES, fed(tokens)).numpy().astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
        picked = np.take_along_axis(logs, tokens[:, :, None], axis=2)[:, :, 0]
        stopped = np.cumsum((tokens == END) | (tokens == PADDING), axis=1)
        after = np.pad(stopped, ((0, 0), (1, 0)))[:, :-1] > 0
        return np.where(after, 0, picked).sum(axis=1)

    one, five = probability(decoded(net, 1)), probability(decoded(net, OUTPUTS))
    assert (five >= one - 1e-5).all()


def test_compiled_it_decodes_and_looks_the_same():
    net = make("seq2seq", longest=3)
    np.testing.assert_array_equal(net.decode(SOURCES, beams=3), decoded(net, beams=3))
    np.testing.assert_allclose(net.attention(SOURCES), Attention(net)(SOURCES).numpy(), rtol=1e-5, atol=1e-6)


def reversals(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Up to three tokens, to be written in the opposite order."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 4, rows)
    x, y = np.zeros((rows, 3), np.int32), np.full((rows, 4), -1)
    for row, length in enumerate(lengths):
        x[row, :length] = generator.integers(3, 5, length)
        y[row, :length], y[row, length] = x[row, :length][::-1], END
    return x, y


@BOTH
@pytest.mark.slow
def test_it_learns_to_reverse_and_exact_match_is_what_decoding_gets_right(name: str):
    x, y = reversals(400)
    options = {"seq2seq": {"hidden": 24, "embedding": 8}, "seq2seq_transformer": {"width": 24, "hidden": 32}}[name]
    nbdl.set_seed(0)
    net = resolve("models", {"name": name, **SMALL[name], **options}, outputs=OUTPUTS, tokens=TOKENS)
    net.compile({"name": "adam", "lr": 5e-3}, "sparse_categorical_crossentropy", ["exact_match", "accuracy"])

    def right() -> float:
        return float((net.decode(x) == np.where(y < 0, PADDING, y)).all(axis=1).mean())

    net.fit(x, y, epochs=1, batch_size=20, seed=0, verbose=False)
    assert net.longest == 4
    assert 0 < net.evaluate(x, y)["exact_match"] < 1
    assert net.evaluate(x, y)["exact_match"] == pytest.approx(right())
    net.fit(x, y, epochs=10, batch_size=20, seed=1, verbose=False)
    assert net.evaluate(x, y)["exact_match"] == pytest.approx(right())
    assert right() >= 0.99


def test_a_loaded_network_writes_as_much(tmp_path):
    for name in SMALL:
        net = resolve("models", {"name": name, **SMALL[name]}, outputs=OUTPUTS, tokens=TOKENS)
        net(SOURCES, np.full((4, 6), START))
        net.save(tmp_path / "net.nbdl")
        copy = nbdl.load(tmp_path / "net.nbdl")
        assert copy.longest == net.longest == 6
        np.testing.assert_array_equal(copy.eval()(SOURCES).numpy(), net.eval()(SOURCES).numpy())


def test_dropout_acts_in_training_only():
    for name in SMALL:
        net = make(name, dropout=0.5)
        previous = np.full((4, 2), START)
        assert (net.eval()(SOURCES, previous).numpy() == net(SOURCES, previous).numpy()).all()
        assert (net.train()(SOURCES, previous).numpy() != net(SOURCES, previous).numpy()).any()


@BOTH
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": 0}, "takes .*hidden.* as widths of at least 1"),
        ({"dropout": 1.0}, "a dropout of at least 0 and less than 1"),
        ({"longest": 0}, "writes at least one token, not longest=0"),
    ],
)
def test_options_out_of_range(name: str, options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        make(name, **options)


@BOTH
def test_inputs_that_are_no_tokens(name: str):
    net = make(name)
    with pytest.raises(DtypeError, match="takes tokens as whole numbers, not float32"):
        net(SOURCES.astype(np.float32))
    with pytest.raises(ShapeError, match=r"takes tokens \(n, time\), not \(2, 3, 4\)"):
        resolve("models", {"name": name, **SMALL[name]}, outputs=OUTPUTS, tokens=TOKENS)(np.zeros((2, 3, 4), np.int32))
    with pytest.raises(DataError, match="outside the vocabulary of 7 tokens"):
        net.predict(SOURCES + 1)


def test_numbers_of_beams_and_outputs_that_make_no_sense():
    net = make("seq2seq")
    for beams in (0, OUTPUTS + 1):
        with pytest.raises(OptionError, match=f"from 1 to 5 beams .*, not {beams}"):
            net.decode(SOURCES, beams=beams)
    with pytest.raises(OptionError, match="at least 4, not 2"):
        resolve("models", "seq2seq", outputs=2, tokens=TOKENS)
