"""Positional encodings: what they must be, gradients, programs, and sequences that are too long."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl import Tensor, nn, testing
from nbdl.errors import OptionError, ShapeError
from nbdl.nn.positions import sinusoids
from tests.codegen.maker import EXAMPLES
from tests.nn.programs import check_program
from tests.nn.twins import fill, with_parameters


def test_sinusoids_are_those_of_the_paper():
    table = sinusoids(7, 6)
    for position in range(7):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert table[position, 2 * i] == pytest.approx(np.sin(angle), abs=1e-7)
            assert table[position, 2 * i + 1] == pytest.approx(np.cos(angle), abs=1e-7)
    assert sinusoids(7, 5).shape == (7, 5)


def test_positions_are_added():
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    np.testing.assert_array_equal(nn.SinusoidalPositions()(x).numpy(), x + sinusoids(5, 4))
    layer = nn.LearnedPositions(8)
    np.testing.assert_array_equal(layer(x).numpy(), x + layer.table.numpy()[:5])


def rotated_by_complex_numbers(x: np.ndarray, base: float) -> np.ndarray:
    """Pairs as complex numbers, turned by multiplication."""
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[-3])[:, None, None] / base ** (np.arange(half) / half)
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], axis=-1)


def test_rotation():
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 6))
    np.testing.assert_allclose(nn.rotated(Tensor(x), 100.0).numpy(), rotated_by_complex_numbers(x, 100.0), rtol=1e-12)
    testing.check_gradients(nn.rotated, x)


def test_rotated_products_depend_on_the_distance():
    generator = np.random.default_rng(0)
    query, key = (np.tile(generator.normal(size=(1, 1, 1, 8)), (1, 9, 1, 1)) for _ in range(2))
    turned = [nn.rotated(Tensor(each)).numpy()[0, :, 0] for each in (query, key)]
    products = turned[0] @ turned[1].T
    for distance in range(-4, 5):
        diagonal = np.diagonal(products, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-10)


def test_gradients():
    x = np.random.default_rng(3).normal(size=(2, 3, 4))
    layer = fill(nn.LearnedPositions(5), np.random.default_rng(0), x.astype(np.float32))
    testing.check_gradients(with_parameters(layer, ("table",)), x, layer.table.numpy().copy())
    testing.check_gradients(nn.SinusoidalPositions(), x)


@pytest.mark.parametrize("length", [3, 5])
def test_program(length: int):
    x = np.random.default_rng(2).normal(size=(EXAMPLES, 3, 4))
    check_program(fill(nn.LearnedPositions(length), np.random.default_rng(3), x.astype(np.float32)), x)


def test_sequence_longer_than_the_table():
    words = r"in layer LearnedPositions \(input \(2, 6, 4\)\): the sequence has 6 positions, .* has only 5"
    with pytest.raises(ShapeError, match=words):
        nn.LearnedPositions(5)(np.zeros((2, 6, 4), np.float32))


def test_wrong_options_and_shapes():
    with pytest.raises(OptionError, match="length of LearnedPositions must be a whole number of at least 1, not 0"):
        nn.LearnedPositions(0)
    with pytest.raises(OptionError, match="length of LearnedPositions must be a whole number of at least 1, not None"):
        nn.LearnedPositions(None)
    with pytest.raises(OptionError, match=r"positive base, not -1.0"):
        nn.SinusoidalPositions(-1.0)
    for layer in (nn.LearnedPositions(5), nn.SinusoidalPositions()):
        with pytest.raises(ShapeError, match=r"it takes sequences \(rows, time, channels\), not \(2, 4\)"):
            layer(np.zeros((2, 4), np.float32))
    with pytest.raises(ShapeError, match="each head needs an even number, not 3"):
        nn.rotated(Tensor(np.zeros((1, 2, 1, 3))))
    layer = nn.LearnedPositions(5)
    layer(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ShapeError, match="built for 4 channels, not 6"):
        layer(np.zeros((2, 3, 6), np.float32))
