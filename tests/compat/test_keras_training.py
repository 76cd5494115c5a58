"""The Keras facade: what a layer does in training and outside of it, and which layers are trained."""

import numpy as np
import pytest

from nbdl.compat import keras
from nbdl.compat.keras import layers
from nbdl.compat.keras.layers import Dense
from nbdl.errors import OptionError

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


# --- ModelCheckpoint --------------------------------------------------------------------------------------------------


def fitted(*callbacks, epochs=3, **options):
    model = keras.Sequential([Dense(12, activation="relu", input_shape=(6,)), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, model.fit(X, Y, epochs=epochs, verbose=0, callbacks=list(callbacks), **options).history


def test_a_checkpoint_is_a_whole_network_of_the_last_epoch(tmp_path):
    path = tmp_path / "new" / "m.keras"
    model, _ = fitted(keras.callbacks.ModelCheckpoint(str(path)))
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    other = keras.Sequential([Dense(12, activation="relu", input_shape=(6,)), Dense(3, activation="softmax")])
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_a_checkpoint_for_each_epoch_has_its_number_and_loss_in_its_name(tmp_path):
    name = tmp_path / "{epoch:02d}-{loss:.3f}.weights.h5"
    _, history = fitted(keras.callbacks.ModelCheckpoint(name, save_weights_only=True))
    expected = [f"{epoch:02d}-{loss:.3f}.weights.h5" for epoch, loss in enumerate(history["loss"], start=1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(expected)
    with pytest.raises(OptionError, match="names 'val_loss', and this run knows epoch, loss, accuracy"):
        fitted(keras.callbacks.ModelCheckpoint(tmp_path / "{val_loss}.keras"))


def test_only_the_best_epochs_are_saved(tmp_path):
    best = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"), monitor="val_accuracy", save_best_only=True)
    _, history = fitted(best, epochs=12, validation_split=0.25)
    accuracies = history["val_accuracy"]
    better = [epoch for epoch, value in enumerate(accuracies) if all(value > old for old in accuracies[:epoch])]
    assert sorted(int(path.stem) for path in tmp_path.iterdir()) == [epoch + 1 for epoch in better]
    assert len(better) < 12
    loaded = keras.models.load_model(tmp_path / f"{better[-1] + 1}.keras")
    assert loaded.evaluate(X[90:], Y[90:], verbose=0)[1] == pytest.approx(max(accuracies))
    with pytest.raises(OptionError, match="give validation data"):
        fitted(keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True))
    with pytest.raises(OptionError, match="covers save_freq='epoch' only"):
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_freq=100)


# --- layers that aren't trained ---------------------------------------------------------------------------------------


def weights_of(*layers):
    return [array for layer in layers for array in layer.get_weights()]


def all_equal(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def test_layers_are_frozen_and_freed_before_compile(capsys):
    base = keras.Sequential([Dense(8, activation="relu"), layers.BatchNormalization(), Dense(4)])
    base(X)
    base.trainable = False
    assert not base.layers[0].trainable
    head = Dense(3, activation="softmax")
    model = keras.Sequential([base, head])
    before = weights_of(base)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=1, verbose=0)
    assert all_equal(weights_of(base), before)  # also the running statistics, as in Keras
    model.summary()
    assert "15 parameters are trained, 124 are not" in capsys.readouterr().out
    base.trainable = True
    base.layers[0].trainable = False
    with pytest.raises(OptionError, match="compile again with a new one after layers are added, taken away or frozen"):
        model.fit(X, Y, epochs=1, verbose=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=1, verbose=0)
    assert all_equal(weights_of(base.layers[0]), before[:2])
    assert not any(np.array_equal(one, old) for one, old in zip(weights_of(*base.layers[1:]), before[2:], strict=True))
    model.summary()
    assert "67 parameters are trained, 72 are not" in capsys.readouterr().out  # 16 of these are running statistics


def test_layers_that_have_no_parameters_yet_are_frozen():
    model = keras.Sequential([Dense(8), layers.Bidirectional(layers.LSTM(2), trainable=False)])
    model.trainable = False
    model.layers[0].trainable = True
    model(RNG.normal(size=(4, 5, 3)).astype(np.float32))
    assert len(model.parameters()) == 2


def test_a_file_knows_what_is_frozen(tmp_path):
    model = keras.Sequential(
        [Dense(8), layers.BatchNormalization(), Dense(3, trainable=False), Dense(3, activation="softmax")]
    )
    model(X)
    model.layers[1].trainable = False
    model.layers[2].trainable = True
    model.layers[3].parameters()[1].trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert [layer.trainable for layer in loaded.layers] == [True, False, True, True]
    flags = [(name, each.trainable, each.is_state) for name, each in model.named_parameters()]
    assert [(name, each.trainable, each.is_state) for name, each in loaded.named_parameters()] == flags
    loaded.trainable = True
    assert len(loaded.parameters()) == 8
