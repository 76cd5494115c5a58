"""Initializers: the distributions that their formulas promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nbdl.errors import OptionError, ShapeError
from nbdl.nn.initializers import fans, initialize

SHAPE = (400, 300)
FLOAT32 = np.dtype(np.float32)


def draw(initializer, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return initialize(initializer, np.random.default_rng(0), shape, FLOAT32)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 700),
        ("glorot_normal", 2 / 700),
        ("he_uniform", 2 / 400),
        ("he_normal", 2 / 400),
        ("lecun_normal", 1 / 400),
    ],
)
def test_variance(name: str, variance: float):
    values = draw(name)
    # 120,000 draws: the mean is off by 0.3% of a standard deviation, the variance by 0.4%; four times that is allowed
    assert abs(values.mean()) < 0.012 * math.sqrt(variance)
    assert values.var() == pytest.approx(variance, rel=0.016)
    if name.endswith("uniform"):
        assert np.abs(values).max() <= math.sqrt(3 * variance) * (1 + 1e-6)


def test_fixed_values():
    assert (draw("zeros") == 0).all()
    assert (draw("ones") == 1).all()
    assert (draw({"name": "constant", "value": 2.5}) == 2.5).all()


def test_limits_and_moments():
    values = draw({"name": "uniform", "low": 1.0, "high": 3.0})
    assert 1 <= values.min() < 1.01
    assert 2.99 < values.max() <= 3
    values = draw({"name": "normal", "mean": 5.0, "std": 2.0})
    # 120,000 draws: the mean is off by 0.006, the standard deviation by 0.2%; four times that is allowed
    assert values.mean() == pytest.approx(5, abs=0.024)
    assert values.std() == pytest.approx(2, rel=0.008)


@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (2, 3, 4, 5)])
def test_orthogonal(shape: tuple[int, ...]):
    matrix = draw({"name": "orthogonal", "gain": 2.0}, shape).reshape(-1, shape[-1]).astype(np.float64)
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)  # float32 entries


def test_orthogonal_matrices_have_no_preferred_sign():
    signs = [initialize("orthogonal", np.random.default_rng(seed), (2, 2), FLOAT32)[0, 0] > 0 for seed in range(200)]
    assert 70 < sum(signs) < 130  # four standard deviations


def test_fans():
    assert fans((5, 7)) == (5, 7)
    assert fans((3, 3, 16, 32)) == (144, 288)
    assert fans((4,)) == (4, 4)


@pytest.mark.parametrize(
    ("options", "shape", "error", "words"),
    [
        ({"name": "orthogonal"}, (4,), ShapeError, "two axes or more"),
        ({"name": "uniform", "low": 1.0, "high": 0.0}, (4,), OptionError, "low <= high"),
        ({"name": "normal", "std": -1.0}, (4,), OptionError, "at least 0"),
    ],
)
def test_what_is_refused(options: dict, shape: tuple[int, ...], error, words: str):
    with pytest.raises(error, match=words):
        draw(options, shape)
