"""Labels outside of what a loss or metric can count: found before training, wherever the labels come from."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import DataError, DtypeError

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
LABELS = np.arange(30) % 3
FROM_1 = (
    "10 of 30 labels lie outside of 0 to 2 .they go from 1 to 3., but the network has 3 outputs: number the classes "
    "from 0, or give the network 4 outputs"
)


def network(loss="sparse_categorical_crossentropy", metrics=(), outputs=3, debug=False):
    net = nn.Sequential(nn.Dense(outputs))
    net.compile("sgd", loss, metrics=list(metrics), debug=debug)
    return net


def without_classes(prediction, target):
    return nbdl.mean(prediction**2)


@pytest.mark.parametrize("debug", [False, True], ids=["compiled", "debug"])
@pytest.mark.parametrize(
    "convert",
    [lambda y: y, lambda y: y.astype(np.uint8), lambda y: y[:, None]],
    ids=["as they are", "bytes", "column"],
)
def test_labels_from_one(convert, debug):
    with pytest.raises(DataError, match=f"^sparse_categorical_crossentropy: {FROM_1}$"):
        network(debug=debug).fit(X, convert(LABELS + 1), verbose=False)


def test_more_outputs_are_no_advice_for_negative_labels():
    with pytest.raises(DataError, match=r"\(they go from -1 to 1\), but the network has 3 outputs: .* from 0$"):
        network().fit(X, LABELS - 1, verbose=False)


@pytest.mark.parametrize(
    "use",
    [
        lambda net: net.evaluate(X, LABELS + 1),
        lambda net: net.fit(X, LABELS, validation_data=(X, LABELS + 1), verbose=False),
        lambda net: net.fit(X, LABELS + 1, class_weight={1: 2.0}, verbose=False),
    ],
    ids=["evaluate", "validation", "class_weight"],
)
def test_wherever_labels_are_given(use):
    with pytest.raises(DataError, match=FROM_1):
        use(network())


@pytest.mark.parametrize("metric", ["accuracy", "top_k_accuracy", "confusion_matrix"])
def test_metrics_count_classes_too(metric):
    with pytest.raises(DataError, match=f"^{metric}: {FROM_1}"):
        network(without_classes, [metric]).fit(X, LABELS + 1, verbose=False)


class OwnStep(nn.Module):
    def __init__(self, shift):
        self.shift = shift
        self.dense = nn.Dense(3)

    def forward(self, x):
        return self.dense(x)

    def train_step(self, batch):
        loss = nbdl.losses.sparse_categorical_crossentropy(self(batch.x), batch.y + self.shift)
        self.optimizer.minimize(loss, self.parameters())
        return {"loss": loss}


def test_labels_that_a_step_of_ones_own_has_changed():
    net = OwnStep(-1)
    net.compile("sgd")
    net.fit(X, LABELS + 1, verbose=False)
    net = OwnStep(1)
    net.compile("sgd")
    with pytest.raises(DataError, match=FROM_1):
        net.fit(X, LABELS, verbose=False)


def test_the_explicit_level():
    net = nn.Sequential(nn.Dense(3))
    loss = nbdl.losses.sparse_categorical_crossentropy
    assert np.isfinite(loss(net(X), LABELS).item())
    with pytest.raises(DataError, match=FROM_1):
        loss(net(X), LABELS + 1)
    with pytest.raises(DataError, match="10 of 30 labels"):
        loss(net(X), nbdl.Tensor(LABELS - 1))


def test_yes_and_no():
    net = network("binary_crossentropy", outputs=1)
    for good in (LABELS > 0, (LABELS > 0).astype(np.float32), np.full(30, 0.3)):
        net.fit(X, good, verbose=False)
    with pytest.raises(DataError, match=r"^binary_crossentropy: 10 of 30 .* from -1 to 1\): 0 means no"):
        net.fit(X, LABELS - 1, verbose=False)
    with pytest.raises(DataError, match=r"from 0 to 2\)"):
        nbdl.losses.binary_crossentropy(net(X), LABELS)


def test_labels_that_are_no_integers():
    with pytest.raises(DtypeError, match=r"takes class numbers as integers, not float32; convert"):
        network().fit(X, LABELS.astype(np.float32), verbose=False)


def test_minus_one_at_a_position_of_a_sequence_means_nothing_to_predict():
    x, y = X.reshape(15, 2, 4), LABELS.reshape(15, 2) - np.array([0, 1])
    y = np.where(y < 0, -1, y)
    network(metrics=["accuracy", "f1", "exact_match"]).fit(x, y, verbose=False)
    with pytest.raises(DataError, match=r"\(they go from -2 to 2\)"):
        network().fit(x, np.where(y < 0, -2, y), verbose=False)
    with pytest.raises(DataError, match=r"^hinge: .*\(they go from -1 to 2\)"):
        network("hinge").fit(x, y, verbose=False)
