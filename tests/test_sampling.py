"""Sampling: probabilities by hand, draws that follow them, and texts that go on."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.errors import NumericsError, OptionError
from nbdl.sampling import Sampler, continued

SHARES = np.array([0.1, 0.4, 0.05, 0.3, 0.15])


def test_temperature_sharpens_and_flattens():
    np.testing.assert_allclose(Sampler().probabilities(np.log(SHARES)), SHARES)
    np.testing.assert_allclose(Sampler(0.5).probabilities(np.log(SHARES)), SHARES**2 / np.sum(SHARES**2))
    np.testing.assert_array_equal(Sampler(0).probabilities(np.log(SHARES)), [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(Sampler(0).probabilities(np.array([1.0, 2, 2])), [0, 1, 0])


@pytest.mark.parametrize(("top_k", "kept"), [(1, [1]), (2, [1, 3]), (4, [0, 1, 3, 4]), (5, range(5)), (9, range(5))])
def test_top_k(top_k: int, kept):
    expected = np.where(np.isin(np.arange(5), list(kept)), SHARES, 0)
    np.testing.assert_allclose(Sampler(top_k=top_k).probabilities(np.log(SHARES)), expected / expected.sum())


@pytest.mark.parametrize(("top_p", "kept"), [(0.01, [1]), (0.4, [1]), (0.41, [1, 3]), (0.8, [1, 3, 4]), (1, range(5))])
def test_top_p(top_p: float, kept):
    expected = np.where(np.isin(np.arange(5), list(kept)), SHARES, 0)
    np.testing.assert_allclose(Sampler(top_p=top_p).probabilities(np.log(SHARES)), expected / expected.sum())


def test_top_p_of_the_best_k():
    np.testing.assert_allclose(Sampler(top_k=2, top_p=0.5).probabilities(np.log(SHARES)), [0, 1, 0, 0, 0])


def test_draws_follow_the_probabilities():
    generator, sampler = np.random.default_rng(0), Sampler(top_k=3)
    drawn = [sampler.draw(np.log(SHARES), generator) for _ in range(4000)]
    expected = sampler.probabilities(np.log(SHARES))
    counts = np.bincount(drawn, minlength=5) / 4000
    assert np.abs(counts - expected).max() < 4 * 0.5 / np.sqrt(4000)
    assert counts[expected == 0].sum() == 0


def test_huge_scores_and_impossible_tokens():
    np.testing.assert_array_equal(Sampler().probabilities(np.array([1e30, -1e30, -np.inf])), [1, 0, 0])


@pytest.mark.parametrize("scores", [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]])
def test_scores_that_are_none(scores):
    with pytest.raises(NumericsError, match="scores of the next token are not finite"):
        Sampler().probabilities(np.array(scores))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -0.1}, "temperature must be at least 0, not -0.1"),
        ({"temperature": float("nan")}, "temperature must be at least 0"),
        ({"top_k": 0}, "top_k must be at least 1, not 0"),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1, not 0.0"),
        ({"top_p": 1.1}, "top_p must be above 0"),
    ],
)
def test_options_out_of_range(options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        Sampler(**options)


def test_a_text_goes_on_from_its_last_tokens():
    seen = []

    def sum_of_all(tokens: np.ndarray) -> np.ndarray:
        """What follows is the sum of the tokens up to a place, modulo 7."""
        seen.append(tokens.copy())
        return np.eye(7)[np.cumsum(tokens, axis=1) % 7] * 50

    got = continued(sum_of_all, [1, 2], 5, window=3, sampler=Sampler(0), generator=np.random.default_rng(0))
    assert got == [3, 6, (2 + 3 + 6) % 7, (3 + 6 + 4) % 7, (6 + 4 + 6) % 7]
    assert [each[0].tolist() for each in seen[:3]] == [[1, 2, 0], [1, 2, 3], [2, 3, 6]]


def test_a_text_ends_at_the_stop():
    def next_number(tokens: np.ndarray) -> np.ndarray:
        return np.eye(9)[tokens + 1] * 50

    options = {"window": 4, "sampler": Sampler(0), "generator": np.random.default_rng(0)}
    assert continued(next_number, [2], 6, stop=5, **options) == [3, 4]
    with pytest.raises(OptionError, match="a token to begin with"):
        continued(next_number, [], 6, **options)
