"""The Keras facade: programs as Keras users write them, and how names and options are mapped."""

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.compat import keras
from nbdl.compat import tensorflow as tf
from nbdl.compat.keras import layers
from nbdl.compat.keras.layers import Dense
from nbdl.compat.keras.utils import to_categorical
from nbdl.errors import NbdlError, OptionError, UnknownNameError
from nbdl.train.callbacks import Callback

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 0.5)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


def classifier(**options):
    model = keras.Sequential([Dense(12, activation="relu", input_shape=(6,)), Dense(3, activation="softmax")])
    model.compile(**{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]} | options)
    return model


# --- whole programs ---------------------------------------------------------------------------------------------------


def test_a_classifier_from_end_to_end(capsys):
    model = classifier(optimizer=keras.optimizers.Adam(learning_rate=0.03))
    model.summary()
    assert "123 parameters are trained" in capsys.readouterr().out
    history = model.fit(X, Y, epochs=30, batch_size=20, validation_split=0.25, verbose=0)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == list(range(30))
    assert history.params["epochs"] == 30
    assert history.history["accuracy"][-1] > 0.9
    loss, accuracy = model.evaluate(X, Y, verbose=2)
    assert capsys.readouterr().out == f"loss: {loss:.4f} - accuracy: {accuracy:.4f}\n"
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    predicted = model.predict(X, verbose=0)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)
    assert np.mean(predicted.argmax(axis=1) == Y) == pytest.approx(accuracy)


def test_one_hot_targets_and_added_layers():
    model = keras.models.Sequential()
    model.add(layers.Input(shape=(6,)))
    model.add(Dense(units=12, activation="swish", name="hidden"))
    model.add(layers.Dropout(0.1))
    model.add(layers.BatchNormalization())
    model.add(Dense(3))
    model.add(layers.Softmax())
    model.compile("RMSprop", keras.losses.CategoricalCrossentropy(label_smoothing=0.1), metrics=["acc"])
    history = model.fit(X, to_categorical(Y), epochs=2, validation_data=(X, to_categorical(Y, 3)), verbose=0)
    assert set(history.history) == {"loss", "acc", "val_loss", "val_acc"}
    assert model.get_layer("hidden") is model.layers[0]
    assert model.get_layer(index=3).units == 3
    assert model.count_params() == 7 * 12 + 4 * 12 + 13 * 3


def test_a_regression_with_a_loss_of_ones_own():
    def loss(y_true, y_pred):
        return nbdl.abs(y_true[:, 0] - 2 * y_pred[:, 0])

    model = keras.Sequential([Dense(1, input_dim=6)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss, metrics=["mae", keras.metrics.RootMeanSquaredError()])
    target = X[:, :1] * 4 + 2
    history = model.fit(X, target, epochs=60, verbose=0).history
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    np.testing.assert_allclose(model.get_weights()[0][0], 2, atol=0.1)
    assert set(history) == {"loss", "mae", "root_mean_squared_error"}
    model.compile("sgd", "mse")
    assert isinstance(model.evaluate(X, target, verbose=0), float)


def test_networks_of_images():
    model = tf.keras.Sequential(
        [
            layers.Conv2D(4, (3, 3), activation="relu", padding="same", input_shape=(8, 8, 1)),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(8, 3, strides=2),
            layers.LeakyReLU(negative_slope=0.2),
            layers.GlobalAveragePooling2D(),
            Dense(2, activation="softmax"),
        ]
    )
    assert model.count_params() == 40 + 4 * 9 * 8 + 8 + 18
    images = RNG.random((30, 8, 8, 1), dtype=np.float32)
    bright = (images[:, :4].mean(axis=(1, 2, 3)) > images[:, 4:].mean(axis=(1, 2, 3))).astype(int)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    history = model.fit(images, bright, epochs=3, batch_size=10, verbose=0)
    assert len(history.history["loss"]) == 3


def test_networks_of_tokens():
    model = keras.Sequential(
        [
            layers.Embedding(20, 4, input_length=7),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GRU(3),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="nadam", loss="binary_crossentropy", metrics=["accuracy"])
    tokens = RNG.integers(0, 20, (40, 7))
    model.fit(tokens, tokens[:, 0] > 9, epochs=1, verbose=0)
    assert model.predict(tokens).shape == (40, 1)
    assert [array.shape for array in model.get_weights()][:3] == [(20, 4), (4, 20), (5, 20)]


def test_a_subclass_of_model():
    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.hidden = Dense(8, activation="relu")
            self.out = Dense(3)

        def call(self, inputs):
            return self.out(self.hidden(inputs))

    net = Net()
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = net.fit(X, Y, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert net(X).shape == (120, 3)


def test_files(tmp_path):
    model = classifier()
    model.fit(X, Y, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is keras.Sequential
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    model.save_weights(tmp_path / "weights")
    other = classifier()
    other.load_weights(tmp_path / "weights")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    other.set_weights([np.zeros_like(array) for array in other.get_weights()])
    np.testing.assert_allclose(other.predict(X), 1 / 3, rtol=1e-6)


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_callbacks(tmp_path):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append("begin")

        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, sorted(logs)))
            if epoch == 2:
                self.model.stop_training = True

        def on_train_end(self, logs=None):
            seen.append("end")

    rates = []
    model = classifier()
    model.fit(
        X, Y, epochs=9, verbose=0,
        callbacks=[
            Watch(),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rates.append(rate) or 0.1 / (epoch + 1)),
            keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch)),
            keras.callbacks.ModelCheckpoint(
                str(tmp_path / "best"), monitor="loss", save_best_only=True, save_weights_only=True
            ),
        ],
    )  # fmt: skip
    names = ["accuracy", "loss"]
    assert seen == ["begin", (0, names), 0, (1, names), 1, (2, names), 2, "end"]
    np.testing.assert_allclose(rates, [1e-3, 0.1, 0.05], rtol=1e-6)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4
    model.load_weights(tmp_path / "best")


def test_native_callbacks_by_keras_names():
    early = keras.callbacks.EarlyStopping(monitor="loss", min_delta=10.0, patience=2, restore_best_weights=True)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", min_delta=10.0, patience=1, factor=0.5)
    assert isinstance(early, Callback)
    history = classifier().fit(X, Y, epochs=9, verbose=0, callbacks=[early, plateau])
    assert len(history.epoch) == 3


# --- names and options ------------------------------------------------------------------------------------------------


def test_tensorflow_has_the_same_classes():
    from nbdl.compat.tensorflow.keras.layers import Dense as TheirDense
    from nbdl.compat.tensorflow.keras.models import Sequential

    assert TheirDense is Dense
    assert Sequential is keras.Sequential is tf.keras.Sequential
    tf.random.set_seed(1)
    with pytest.raises(AttributeError, match=r"nbdl.compat.tensorflow has no 'GradientTape'"):
        tf.GradientTape  # noqa: B018


@pytest.mark.parametrize(
    ("name", "native", "options"),
    [
        ("Adam", "adam", {"beta_1": 0.8, "amsgrad": True}),
        ("AdamW", "adamw", {"weight_decay": 0.1}),
        ("SGD", "sgd", {"momentum": 0.9, "nesterov": True, "clipnorm": 1.0}),
        ("RMSprop", "rmsprop", {"rho": 0.8, "centered": True}),
        ("Adagrad", "adagrad", {"initial_accumulator_value": 0.2}),
        ("Adadelta", "adadelta", {"rho": 0.9}),
        ("Nadam", "nadam", {"beta_2": 0.95}),
        ("Lion", "lion", {"clipvalue": 1.0}),
    ],
)
def test_optimizers(name, native, options):
    made = getattr(keras.optimizers, name)(learning_rate=0.25, **options)
    assert type(made) is nbdl.resolve.resolve("optimizers", native).__class__
    assert made.lr == 0.25
    assert isinstance(keras.optimizers.get(name.lower()), type(made))
    given = {key: value for key, value in made.arguments()[1].items() if value in options.values()}
    assert len(given) == len(options)


def test_keras_defaults():
    assert keras.optimizers.get("adam").epsilon == 1e-7
    assert keras.optimizers.get("rmsprop").rho == 0.9
    assert keras.optimizers.get("sgd").lr == 0.01
    assert layers.BatchNormalization().momentum == 0.99
    assert layers.LayerNormalization().epsilon == 1e-3
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
    step = nbdl.Tensor(20.0)
    assert keras.optimizers.Adam(schedule).lr(step).item() == pytest.approx(0.5 * 0.9**2)
    stairs = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9, staircase=True)
    assert keras.optimizers.SGD(stairs).lr(nbdl.Tensor(19.0)).item() == pytest.approx(0.45)
    cosine = keras.optimizers.schedules.CosineDecay(0.5, 20, alpha=0.1)
    assert keras.optimizers.SGD(cosine).lr(step).item() == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["mean_squared_error", "MSE", "mean_absolute_error", "huber", "kld", "hinge"])
def test_losses_and_metrics_by_name(name):
    model = keras.Sequential([Dense(2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.1))])
    metrics = ["mse", "mean_absolute_error"] if name != "hinge" else None
    model.compile("sgd", loss=name, metrics=metrics)
    target = np.abs(X[:, :2]) / np.abs(X[:, :2]).sum(axis=1, keepdims=True)
    assert np.isfinite(model.evaluate(X, target, verbose=0)).all()


@pytest.mark.parametrize(
    ("make", "shape", "expected"),
    [
        (lambda: layers.Reshape((2, -1)), (6,), (2, 3)),
        (lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2), (9, 2), (9, 4)),
        (lambda: layers.Conv2D(4, (3, 2), strides=(2, 1), padding="same"), (9, 7, 2), (5, 7, 4)),
        (lambda: layers.Conv2DTranspose(4, 3, strides=2, padding="same"), (5, 6, 2), (10, 12, 4)),
        (lambda: layers.Conv1DTranspose(4, 2, strides=2), (5, 2), (10, 4)),
        (lambda: layers.MaxPool2D(), (8, 6, 2), (4, 3, 2)),
        (lambda: layers.AveragePooling2D(3, strides=1, padding="same"), (8, 6, 2), (8, 6, 2)),
        (lambda: layers.MaxPooling1D(2), (8, 2), (4, 2)),
        (lambda: layers.AveragePooling1D(4), (8, 2), (2, 2)),
        (lambda: layers.GlobalMaxPooling1D(), (8, 2), (2,)),
        (lambda: layers.UpSampling2D((2, 3)), (2, 2, 1), (4, 6, 1)),
        (lambda: layers.UpSampling1D(2), (3, 1), (6, 1)),
        (lambda: layers.ZeroPadding2D(((1, 0), (2, 2))), (2, 2, 1), (3, 6, 1)),
        (lambda: layers.SimpleRNN(4, return_sequences=True, go_backwards=True), (5, 2), (5, 4)),
        (lambda: layers.Activation("exponential"), (5,), (5,)),
        (lambda: layers.ReLU(), (5,), (5,)),
        (lambda: layers.LayerNormalization(), (5,), (5,)),
        (lambda: layers.Flatten(), (5, 2), (10,)),
    ],
)
def test_shapes_of_layers(make, shape, expected):
    layer = make()
    assert isinstance(layer, nn.Module)
    assert layer(RNG.normal(size=(2, *shape)).astype(np.float32)).shape == (2, *expected)


def test_causal_convolutions_look_at_the_past_only():
    layer = layers.Conv1D(1, 3, padding="causal", dilation_rate=2)
    sequence = RNG.normal(size=(1, 9, 2)).astype(np.float32)
    before = layer(sequence).numpy().copy()
    sequence[0, 5:] += 1
    np.testing.assert_array_equal(layer(sequence).numpy()[0, :5], before[0, :5])


def test_a_layer_that_goes_backwards_returns_its_last_step_first():
    forwards = layers.LSTM(3, return_sequences=True)
    backwards = layers.LSTM(3, return_sequences=True, return_state=True, go_backwards=True)
    sequence = RNG.normal(size=(2, 5, 4)).astype(np.float32)
    expected = forwards(sequence[:, ::-1].copy()).numpy()
    backwards(sequence)
    backwards.set_weights(forwards.get_weights())
    output, h, c = backwards(sequence)
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(h.numpy(), expected[:, -1], rtol=1e-5)
    assert c.shape == (2, 3)


@pytest.mark.parametrize("unit_forget_bias", [True, False])
def test_the_forget_gate_starts_open(unit_forget_bias):
    layer = layers.LSTM(2, unit_forget_bias=unit_forget_bias)
    layer(np.ones((1, 3, 1), np.float32))
    np.testing.assert_array_equal(layer.get_weights()[2], [0, 0, *[unit_forget_bias] * 2, 0, 0, 0, 0])


def test_a_frozen_layer_is_not_trained():
    frozen = Dense(5, activation="relu", trainable=False)
    model = keras.Sequential([frozen, Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.build_early()
    model(X)
    before = frozen.get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    for array, old in zip(frozen.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_small_tools():
    np.testing.assert_array_equal(to_categorical([[1], [0]], 3), [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(keras.utils.normalize([[3.0, 4.0], [0.0, 0.0]]), [[0.6, 0.8], [0, 0]])
    model = keras.Sequential([Dense(2), Dense(3)])
    model.pop()
    assert len(model.layers) == 1


def test_mistakes():
    with pytest.raises(OptionError, match="Dense covers kernel_regularizer=None only, not 'l2'"):
        Dense(3, kernel_regularizer="l2")
    with pytest.raises(OptionError, match="Dense has no option 'unit' here"):
        Dense(3, unit=3)
    with pytest.raises(OptionError, match=r"Model\(inputs, outputs\) isn't covered"):
        keras.Model(inputs=1, outputs=2)
    with pytest.raises(UnknownNameError, match="no optimizer 'adamm' here; did you mean 'adam'"):
        classifier(optimizer="adamm")
    with pytest.raises(UnknownNameError, match="crossentropie"):
        classifier(loss="crossentropie")
    with pytest.raises(AttributeError, match=r"has no 'Dens'; did you mean 'Dense'"):
        layers.Dens  # noqa: B018
    with pytest.raises(AttributeError, match="datasets has no 'cifar10'"):
        keras.datasets.cifar10  # noqa: B018
    with pytest.raises(OptionError, match="fit covers validation_freq=1 only"):
        classifier().fit(X, Y, validation_freq=2)
    with pytest.raises(OptionError, match="there are 4 arrays of weights"):
        classifier().set_weights([])
    with pytest.raises(OptionError, match="adam covers weight_decay=None only"):
        keras.optimizers.Adam(weight_decay=0.1)
    with pytest.raises(NbdlError, match="summary"):
        keras.Sequential([Dense(3)]).summary()
