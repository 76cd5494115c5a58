"""Whole trainings on a simulated card, against the same on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import NumericsError

ROWS = 24


def digits(shape: tuple[int, ...] = (12,), classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.standard_normal((ROWS, *shape), np.float32), random.integers(0, classes, ROWS)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Dense(8, activation="relu"), nn.Dense(8, activation="tanh"), nn.Dropout(0.2), nn.Dense(3))


def train(make: Callable[[], nn.Module], data: tuple[Any, Any], device: str, **options: Any) -> tuple[Any, nn.Module]:
    nbdl.set_seed(3)
    net = make()
    given = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    net.compile(**{name: options.pop(name, value) for name, value in given.items()})
    options = {"epochs": 2, "batch_size": 7, "seed": 1, "verbose": False, **options}
    history = net.fit(*data, device=device, **options)
    return history, net


def agree(make: Callable[[], nn.Module], data: tuple[Any, Any], **options: Any) -> Any:
    """Train on both, compare what was measured and learned (to rounding, in another order of sums), and return the
    card's history.
    """
    (cpu, on_cpu), (card, on_card) = (train(make, data, device, **options) for device in ("cpu", "cuda"))
    for one, other in zip(cpu.rows, card.rows, strict=True):
        for name, value in one.items():
            np.testing.assert_allclose(other[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    for name, value in on_cpu.state_dict().items():
        np.testing.assert_allclose(on_card.state_dict()[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
    return card


def test_mlp() -> None:
    agree(mlp, digits(), validation_split=0.25)


def test_the_source_is_what_runs() -> None:
    _, net = train(mlp, digits(), "cuda", epochs=1)
    assert "@kernel" in net.source()
    assert "card.elements" in net.source()


def test_network_of_images() -> None:
    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2D(4, 3, activation="relu"), nn.MaxPool2D(2), nn.BatchNorm(), nn.Flatten(), nn.Dense(3)
        )

    agree(make, digits((8, 8, 1)), epochs=1)


def test_recurrent_network() -> None:
    agree(lambda: nn.Sequential(nn.LSTM(5), nn.Dense(3)), digits((4, 3)), epochs=1)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adagrad"])
def test_optimizer(optimizer: str) -> None:
    agree(mlp, digits(), optimizer=optimizer, epochs=1)


def test_callbacks_see_and_change_what_the_card_has() -> None:
    callbacks = [{"name": "early_stopping", "patience": 1, "restore_best": True}]
    adam = {"name": "adam", "lr": 0.05}
    history = agree(mlp, digits(), epochs=3, validation_split=0.25, callbacks=callbacks, optimizer=adam)
    assert len(history.rows) == 2  # the second epoch was worse, so the weights of the first were put back


def test_numbers_that_stop_being_finite_are_explained_and_undone() -> None:
    with pytest.raises(NumericsError, match=r"training stopped at step \d+ of epoch 1: .*in "):
        train(mlp, digits(), "cuda", optimizer={"name": "sgd", "lr": 1e30})


def test_jit() -> None:
    w = nbdl.asarray(np.random.default_rng(1).standard_normal((12, 3), np.float32))

    def probabilities(x: nbdl.Tensor) -> nbdl.Tensor:
        return nbdl.softmax(x @ w, axis=1)

    x, _ = digits()
    on_card = nbdl.jit(probabilities, device="cuda")
    for rows in (x, x + 1):
        np.testing.assert_allclose(on_card(rows).numpy(), probabilities(nbdl.asarray(rows)).numpy(), rtol=1e-5)
