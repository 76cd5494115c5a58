"""Targets that are the inputs, as an autoencoder's: they are gathered once, and nothing else changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.train.feed import make_feed

X = np.random.default_rng(0).random((30, 12), dtype=np.float32)


class Slopes(nn.Module):
    """Its loss has the derivative with respect to the inputs of something that reads the targets as well."""

    def __init__(self) -> None:
        self.layer = nn.Dense(12, "tanh")

    def forward(self, x: Any) -> Any:
        return self.layer(x)

    def train_step(self, batch: Any) -> Mapping[str, Any]:
        slopes = nbdl.grad(lambda x: nbdl.sum((self(x) - batch.y) ** 2 * batch.y))(batch.x)
        loss = nbdl.mean(slopes**2)
        self.optimizer.minimize(loss, self.parameters())
        return {"loss": loss}


def autoencoder() -> nn.Module:
    return nn.Sequential(nn.Dense(5, "relu"), nn.Dense(12, "sigmoid"))


def trained(make: Any, y: np.ndarray, **options: Any) -> nn.Module:
    nbdl.set_seed(0)
    net = make().compile("adam", "mse")
    net.fit(X, y, epochs=3, batch_size=7, verbose=False, seed=0, **options)
    return net


COMMON: tuple[dict[str, Any], ...] = ({}, {"workers": 2}, {"validation_split": 0.2})


@pytest.mark.parametrize(
    ("make", "options"),
    [*[(make, each) for make in (autoencoder, Slopes) for each in COMMON], (autoencoder, {"sample_weight": X[:, 0]})],
)
def test_the_same_array_trains_as_an_equal_one(make: Any, options: dict[str, Any]) -> None:
    same, equal = trained(make, X, **options), trained(make, X.copy(), **options)
    for name, value in equal.state_dict().items():
        np.testing.assert_array_equal(same.state_dict()[name], value)
    assert [each.source("training").count("take_rows(") for each in (same, equal)] == [
        1 + ("sample_weight" in options),
        2 + ("sample_weight" in options),
    ]


def test_other_parts_of_an_array_are_other_rows() -> None:
    net = trained(autoencoder, X[::-1])
    assert net.source("training").count("take_rows(") == 2


def test_what_is_converted_is_converted_once() -> None:
    numbers = X.astype(np.float64)
    feed = make_feed(numbers, numbers)
    assert feed.target is feed.inputs[0]
