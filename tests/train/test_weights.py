"""Weights of rows and of classes: what they multiply, against plain NumPy."""

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import DataError, OptionError
from tests.train.networks import classifier, line, weights_of

SGD = {"name": "sgd", "lr": 0.1}


def regression(loss="mse"):
    return nn.Sequential(nn.Dense(1, kernel_initializer="zeros")).compile(SGD, loss, ["mae"])


def least_squares(x, y, weight, epochs, batch):
    """Gradient descent on the weighted mean of squares, written out; the mean is over the number of rows."""
    slope, bias = np.zeros(x.shape[1]), 0.0
    for _ in range(epochs):
        for start in range(0, len(x), batch):
            rows = slice(start, start + batch)
            error = (x[rows] @ slope + bias - y[rows]) * weight[rows]
            slope, bias = slope - 0.2 * x[rows].T @ error / len(error), bias - 0.2 * error.mean()
    return np.append(bias, slope)


def test_weights_multiply_what_rows_add_to_the_loss():
    x, y = line(rows=40)
    weight = np.random.default_rng(1).uniform(0, 3, 40)
    net = regression()
    net.fit(x, y, sample_weight=weight, epochs=5, batch_size=16, shuffle=False, verbose=False)
    # float32 against float64 over 15 steps
    expected = least_squares(x, y, weight, 5, 16)
    np.testing.assert_allclose([net[0].bias.numpy()[0], *net[0].weight.numpy()[:, 0]], expected, rtol=1e-5)
    error = net.predict(x)[:, 0] - y
    measured = net.evaluate(x, y, sample_weight=weight)
    assert measured["loss"] == pytest.approx(np.mean(weight * error**2), rel=1e-5)
    assert measured["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)


def test_rows_of_weight_zero_teach_nothing():
    x, y = line(rows=40)
    spoiled = y.copy()
    spoiled[::4] += 100
    weight = np.ones(40)
    weight[::4] = 0
    net = regression()
    net.fit(x, spoiled, sample_weight=weight, epochs=200, batch_size=40, verbose=False)
    np.testing.assert_allclose(net[0].weight.numpy()[:, 0], [1.0, -2.0, 0.5], atol=0.02)  # noise of 0.01 in 30 rows
    kept = weight > 0
    alone, together = net.evaluate(x[kept], y[kept])["loss"], net.evaluate(x, spoiled, sample_weight=weight)["loss"]
    assert together == pytest.approx(alone * 30 / 40, rel=1e-4)  # the mean is over all rows, those of weight 0 too


def test_weights_of_one_change_nothing():
    x, y = line(rows=40)
    plain, weighted = regression(), regression()
    plain.fit(x, y, epochs=2, seed=0, verbose=False)
    weighted.fit(x, y, sample_weight=np.ones(40), epochs=2, seed=0, verbose=False)
    np.testing.assert_allclose(weights_of(weighted), weights_of(plain), rtol=1e-6)  # one more multiplication, by 1


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "sparse_categorical_crossentropy"])
def test_every_kind_of_loss_is_weighted_row_by_row(loss, iris):
    x, y = iris
    x, y = x[:20], y[:20]
    outputs, target = (3, y) if loss == "sparse_categorical_crossentropy" else (1, y.astype(np.float32))
    net = nn.Sequential(nn.Dense(outputs)).compile("sgd", loss)
    weight = np.random.default_rng(2).uniform(0, 2, 20)
    rows = [net.evaluate(x[row : row + 1], target[row : row + 1])["loss"] for row in range(20)]
    assert net.evaluate(x, target, sample_weight=weight)["loss"] == pytest.approx(np.mean(weight * rows), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "activation", "outputs"),
    [
        ("binary_crossentropy", "sigmoid", 1),
        ("sparse_categorical_crossentropy", "softmax", 3),
        ("categorical_crossentropy", "softmax", 3),
        ("kl_divergence", "softmax", 3),
    ],
)
def test_losses_of_probabilities_are_weighted_too(loss, activation, outputs, iris):
    """They are computed from the logits behind the probabilities."""
    x, y = iris[0][::8], iris[1][::8]
    target = {"binary_crossentropy": y > 0, "sparse_categorical_crossentropy": y}.get(loss, np.eye(3)[y])
    net = nn.Sequential(nn.Dense(outputs, activation)).compile("sgd", loss)
    weight = np.random.default_rng(2).uniform(0, 2, len(x))
    rows = [net.evaluate(x[row : row + 1], target[row : row + 1])["loss"] for row in range(len(x))]
    assert net.evaluate(x, target, sample_weight=weight)["loss"] == pytest.approx(np.mean(weight * rows), rel=1e-5)

    def with_penalty(prediction, target):
        return nbdl.losses.binary_crossentropy(prediction, target) + nbdl.mean(prediction * prediction)

    if outputs == 1:
        with pytest.raises(OptionError, match="does it in 2"):
            net.compile("sgd", with_penalty).evaluate(x, target, sample_weight=weight)


def test_weights_of_classes_are_for_training_alone(iris):
    x, y = iris
    net = nn.Sequential(nn.Dense(3)).compile({"name": "sgd", "lr": 0.0}, "sparse_categorical_crossentropy")
    options = {"class_weight": {0: 1.0, 2: 10.0}, "verbose": False}
    split = net.fit(x, y, validation_split=0.5, **options)["val_loss"]
    given = net.fit(x[:75], y[:75], validation_data=(x[75:], y[75:]), **options)["val_loss"]
    assert split == given == [net.evaluate(x[75:], y[75:])["loss"]]


def test_weights_of_classes_are_those_of_their_rows(iris):
    x, y = iris
    by_class, by_row = classifier(8, outputs=3), classifier(8, outputs=3)
    factors = {0: 0.5, 2: 3.0}
    by_class.fit(x, y, class_weight=factors, epochs=2, seed=0, verbose=False)
    by_row.fit(x, y, sample_weight=np.array([0.5, 1.0, 3.0])[y], epochs=2, seed=0, verbose=False)
    np.testing.assert_array_equal(weights_of(by_class), weights_of(by_row))


@pytest.mark.parametrize("convert", [lambda y: y, lambda y: y[:, None], lambda y: y.astype(np.uint8)])
def test_class_numbers_may_be_booleans_and_columns(iris, convert):
    x, y = iris[0], iris[1] > 0
    plain, converted = classifier(8, outputs=2), classifier(8, outputs=2)
    plain.fit(x, y.astype(np.int64), class_weight={0: 3.0}, seed=0, verbose=False)
    converted.fit(x, convert(y), class_weight={0: 3.0}, seed=0, verbose=False)
    np.testing.assert_array_equal(weights_of(converted), weights_of(plain))


def test_both_weights_multiply(iris):
    x, y = iris
    both, product = classifier(8, outputs=3), classifier(8, outputs=3)
    rows = np.random.default_rng(0).uniform(0, 2, 150).astype(np.float32)
    both.fit(x, y, class_weight={1: 2.0}, sample_weight=rows, seed=0, verbose=False)
    product.fit(x, y, sample_weight=rows * np.where(y == 1, np.float32(2), np.float32(1)), seed=0, verbose=False)
    np.testing.assert_array_equal(weights_of(both), weights_of(product))


def test_a_loss_may_take_the_weights_itself():
    def weighted_mean(prediction, target, sample_weight=None):
        squares = nbdl.square(nbdl.reshape(prediction, (-1,)) - target)
        return nbdl.sum(squares * sample_weight) / nbdl.sum(sample_weight)

    x, y = line(rows=20)
    weight = np.linspace(0, 1, 20)
    net = regression(weighted_mean)
    net.predict(x)
    expected = np.average((net.predict(x)[:, 0] - y) ** 2, weights=weight)
    assert net.evaluate(x, y, sample_weight=weight)["loss"] == pytest.approx(expected, rel=1e-5)


def test_validation_data_may_have_weights():
    x, y = line(rows=30)
    weight = np.linspace(0, 2, 30)
    net = regression()
    history = net.fit(x, y, validation_data=(x, y, weight), epochs=1, verbose=False)
    assert history["val_loss"][-1] == net.evaluate(x, y, sample_weight=weight)["loss"]


def test_a_loss_in_which_rows_meet_twice_says_what_to_do():
    def spread(prediction, target):
        errors = prediction[:, 0] - target
        return nbdl.mean((errors - nbdl.mean(errors)) ** 2)

    x, y = line(rows=20)
    with pytest.raises(OptionError, match=r"takes the mean .* in one place.*keyword parameter sample_weight"):
        regression(spread).fit(x, y, sample_weight=np.ones(20), verbose=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": np.ones((20, 2))}, r"one number for each of the 20 rows, not the shape \(20, 2\)"),
        ({"sample_weight": np.full(20, np.nan)}, "sample_weight has 20 values that are NaN or infinite"),
        ({"class_weight": {0: 2.0}}, "class_weight needs targets that are class numbers"),
    ],
)
def test_weights_that_do_not_fit(options, message):
    x, y = line(rows=20)
    with pytest.raises(DataError, match=message):
        regression().fit(x, y, verbose=False, **options)


@pytest.mark.parametrize("class_weight", [{"setosa": 2.0}, {0: np.nan}, {0: None}, {0: "2"}])
def test_weights_of_classes_that_do_not_fit(iris, class_weight):
    with pytest.raises(DataError, match="class_weight goes from class numbers to finite weights"):
        classifier(8, outputs=3).fit(*iris, class_weight=class_weight, verbose=False)


@pytest.mark.parametrize("class_weight", ["balanced", [1.0, 2.0, 1.0]])
def test_weights_of_classes_are_a_mapping(iris, class_weight):
    with pytest.raises(DataError, match=r"such as \{0: 1.0, 1: 2.5\}, not .*[b1]"):
        classifier(8, outputs=3).fit(*iris, class_weight=class_weight, verbose=False)


def test_sides_of_minus_one_and_one_are_no_class_numbers(iris):
    """-1 would have been given the weight of the last class."""
    net = classifier(8, outputs=1, loss="hinge", metrics=())
    with pytest.raises(DataError, match="class numbers from 0, one for each row"):
        net.fit(iris[0], np.where(iris[1] > 0, 1, -1), class_weight={1: 2.0}, verbose=False)
