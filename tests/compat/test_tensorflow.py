"""TensorFlow programs: those that use `tf.keras`, and a few names around it."""

import numpy as np
import pytest

import nbdl
import nbdl.compat.tensorflow as tf
from nbdl.compat import keras


def test_the_quickstart_for_beginners(monkeypatch, capsys):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 600).astype(np.uint8)
    bars = 190 * (np.arange(28) // 3 == labels[:, None])[:, None]
    images = (rng.integers(0, 60, (600, 28, 28)) + bars).astype(np.uint8)
    data = (images[:500], labels[:500]), (images[500:], labels[500:])
    monkeypatch.setattr(tf.keras.datasets.mnist, "load_data", lambda: data)
    tf.random.set_seed(0)

    print("TensorFlow version:", tf.__version__)
    mnist = tf.keras.datasets.mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = x_train / 255.0, x_test / 255.0
    model = tf.keras.models.Sequential([
        tf.keras.layers.Flatten(input_shape=(28, 28)),
        tf.keras.layers.Dense(128, activation="relu"),
        tf.keras.layers.Dropout(0.2),
        tf.keras.layers.Dense(10),
    ])  # fmt: skip
    predictions = model(x_train[:1]).numpy()
    probabilities = tf.nn.softmax(predictions).numpy()
    loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    first_loss = loss_fn(y_train[:1], predictions).numpy()
    model.compile(optimizer="adam", loss=loss_fn, metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=5)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=2)
    probability_model = tf.keras.Sequential([model, tf.keras.layers.Softmax()])
    answers = probability_model(x_test[:5])

    assert f"TensorFlow version: {nbdl.__version__}+nbdl" in capsys.readouterr().out
    assert first_loss == pytest.approx(-np.log(probabilities[0, y_train[0]]), rel=1e-5)
    assert accuracy > 0.8
    assert loss < first_loss
    expected = tf.nn.softmax(model.predict(x_test[:5])).numpy()
    np.testing.assert_allclose(answers.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_constants_and_activations():
    assert tf.constant([1, 2]).dtype == np.int64
    np.testing.assert_array_equal(tf.constant(2.0, shape=(2, 2)).numpy(), np.full((2, 2), 2.0))
    np.testing.assert_array_equal(tf.constant([1, 2, 3, 4], dtype="float32", shape=(2, 2)).numpy(), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(tf.nn.relu(tf.constant([-1.0, 2.0])).numpy(), [0, 2])
    np.testing.assert_allclose(tf.nn.softmax(logits=tf.constant([[0.0, 0.0]]), axis=-1).numpy(), [[0.5, 0.5]])
    assert tf.__version__ == keras.__version__ == f"{nbdl.__version__}+nbdl"
    with pytest.raises(AttributeError, match=r"nbdl.compat.tensorflow.nn has no 'softmx'; did you mean 'softmax'"):
        tf.nn.softmx  # noqa: B018
