"""Models: layers, numbers of parameters, outputs."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.errors import OptionError
from nbdl.nn import Dense, Dropout
from nbdl.resolve import resolve

X = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)


def parameters(net) -> int:
    return sum(parameter.numpy().size for parameter in net.parameters())


def test_linear_starts_at_zero():
    net = resolve("models", "linear", outputs=2)
    assert net(X).tolist() == [[0.0, 0.0]] * 5
    assert parameters(net) == 12 * 2 + 2


@pytest.mark.parametrize("outputs", [1, 3])
def test_logistic_gives_probabilities_and_remembers_logits(outputs: int):
    net = resolve("models", "logistic", outputs=outputs)
    y = net(X)
    np.testing.assert_allclose(y.numpy(), 1 / max(outputs, 2), rtol=1e-6)
    assert y.logits is not None
    assert parameters(net) == 13 * outputs


def test_mlp_has_the_layers_asked_for():
    net = resolve("models", {"name": "mlp", "hidden": [32, 16], "dropout": 0.0}, outputs=10)
    assert net(X).shape == (5, 10)
    assert [layer.units for layer in net.modules() if isinstance(layer, Dense)] == [32, 16, 10]
    assert parameters(net) == 13 * 32 + 33 * 16 + 17 * 10
    assert not [layer for layer in net.modules() if isinstance(layer, Dropout)]


def test_mlp_without_hidden_layers_is_linear():
    net = resolve("models", {"name": "mlp", "hidden": []}, outputs=3)
    net(X)
    assert parameters(net) == 13 * 3


def test_mlp_drops_out_while_training_only():
    net = resolve("models", {"name": "mlp", "dropout": 0.5}, outputs=3)
    net(X)
    assert (net.eval()(X).numpy() == net(X).numpy()).all()
    assert (net.train()(X).numpy() != net(X).numpy()).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": [0]}, "units of Dense must be a whole number of at least 1"),
        ({"dropout": 1.0}, "dropout"),
        ({"hidden": ["a"]}, "hidden"),
        ({"width": 3}, "no option"),
    ],
)
def test_options_out_of_range(options: dict, words: str):
    with pytest.raises(OptionError, match=words):
        resolve("models", {"name": "mlp", **options}, outputs=2)
