"""The Keras facade: what a layer does in training and outside of it, and which layers are trained."""

import numpy as np
import pytest

from nbdl.compat import keras
from nbdl.compat.keras import layers
from nbdl.compat.keras.layers import Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 0.5)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


# --- training=... -----------------------------------------------------------------------------------------------------


class Thinned(keras.Model):
    """Computes 10 * x, and in training other numbers, in Keras' three ways to say so."""

    def __init__(self, way):
        super().__init__()
        self.drop = layers.Dropout(0.5)
        self.out = Dense(3)
        self.way = way
        self.seen = []

    def call(self, inputs, training=None):
        self.seen.append(training)
        if self.way == "condition":
            return self.out(self.drop(inputs, training=True) if training else inputs)
        return self.out(self.drop(inputs, training=training) if self.way == "named" else self.drop(inputs, training))


@pytest.mark.parametrize("way", ["condition", "named", "by place"])
def test_call_is_told_whether_it_trains(way):
    model = Thinned(way)
    model.compile("sgd", "mse")
    model.fit(X, X[:, :3], epochs=1, verbose=0)
    assert True in model.seen
    assert "uniform" in model.source("training")
    model.predict(X)
    assert model.seen[-1] is False
    assert "uniform" not in model.source("prediction")
    plain = model.out(X).numpy()
    for options in ({}, {"training": None}, {"training": False}):
        np.testing.assert_array_equal(model(X, **options).numpy(), plain)
    assert not np.allclose(model(X, training=True).numpy(), plain)
    assert not np.allclose(model(X, True).numpy(), plain)
    np.testing.assert_array_equal(model(X).numpy(), plain)


def test_layers_are_told_whether_they_train():
    ones = np.ones((4, 50), np.float32)
    drop = layers.Dropout(0.5)
    assert set(np.unique(drop(ones, training=True).numpy())) == {0, 2}
    assert set(np.unique(drop(ones, True).numpy())) == {0, 2}
    np.testing.assert_array_equal(drop(ones, training=False).numpy(), ones)
    np.testing.assert_array_equal(drop(ones).numpy(), ones)
    norm = layers.BatchNormalization()
    np.testing.assert_allclose(norm(ones * 3, training=True).numpy(), 0, atol=1e-6)
    np.testing.assert_allclose(norm(ones).numpy(), (1 - 0.03) / np.sqrt(0.99 + 1e-3), rtol=1e-5)
    inner = keras.Sequential([layers.Dropout(0.5)])
    assert set(np.unique(keras.Sequential([inner])(ones, training=True).numpy())) == {0, 2}
    assert not inner.layers[0].training


def test_a_network_that_was_trained_is_called_without_dropout():
    model = keras.Sequential([layers.Dropout(0.5), Dense(3)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :3], epochs=1, verbose=0)
    np.testing.assert_allclose(model(X).numpy(), model.predict(X), rtol=1e-5, atol=1e-6)
