"""`copy.deepcopy` of a network: the same network again, which goes on by itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import nbdl
from nbdl import losses, nn, optim
from nbdl.optim.optimizer import Optimizer

X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
Y = X[:, :2] * 2


def trained() -> nn.Module:
    """A network that has been trained for some steps, with a state of its own beside the weights."""
    net = nn.Sequential(nn.Dense(8, "relu"), nn.BatchNorm(), nn.Dropout(0.2), nn.Dense(2))
    net.compile("adam", "mse")
    net.fit(X, Y, epochs=2, batch_size=8, verbose=False, seed=3)
    return net


def test_a_copy_predicts_and_goes_on_training_with_the_same_bits() -> None:
    net = trained()
    net.predict(X)
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    for each in (net, twin):  # with the moments of the optimizer as they were
        each.fit(X, Y, epochs=3, batch_size=8, verbose=False, seed=4)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], value)
    assert twin.evaluate(X, Y) == net.evaluate(X, Y)


def test_training_a_copy_leaves_the_original_alone() -> None:
    net = trained()
    before = net.state_dict()
    twin = copy.deepcopy(net)
    twin.fit(X, Y, epochs=2, verbose=False, seed=5)
    for name, value in before.items():
        np.testing.assert_array_equal(net.state_dict()[name], value)
        if name.endswith("weight"):
            assert not np.array_equal(twin.state_dict()[name], value)


def test_a_copy_has_weights_that_were_assigned_after_training() -> None:
    net = trained()
    net.layers[0].bias.assign(np.full(8, 7.0))
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin.layers[0].bias.numpy(), np.full(8, 7.0))
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))


@pytest.mark.parametrize("rounds", [2, 12])
def test_a_network_and_its_optimizer_are_copied_together(rounds: int) -> None:
    net = nn.Dense(2)
    net(nbdl.Tensor(X))
    adam = optim.adam(lr=0.1).attach(net.parameters())

    def train(net: nn.Module, adam: Optimizer, steps: int) -> None:
        for _ in range(steps):
            loss = losses.mse(net(nbdl.Tensor(X)), nbdl.Tensor(Y))
            adam.zero_grad()
            loss.backward()
            adam.step()

    train(net, adam, rounds)
    twin, its_adam = copy.deepcopy((net, adam))
    np.testing.assert_array_equal(twin.weight.grad.numpy(), net.weight.grad.numpy())
    train(net, adam, 3)
    assert not np.array_equal(twin.weight.numpy(), net.weight.numpy())
    train(twin, its_adam, 3)
    # The copy's first steps are interpreted, the original's may be compiled: they round differently.
    np.testing.assert_allclose(twin.weight.numpy(), net.weight.numpy(), rtol=1e-5, atol=1e-6)


def test_what_layers_share_is_shared_in_a_copy() -> None:
    layer = nn.Dense(3)
    net = nn.Sequential(layer, layer)
    net.compile("sgd", "mse")
    net.fit(X, X, epochs=1, verbose=False, seed=0)
    twin = copy.deepcopy(net)
    assert twin.layers[0] is twin.layers[1]
    assert len(twin.parameters()) == 2


class Remembering(nn.Module):
    """Keeps what it has computed last."""

    def __init__(self):
        self.out = nn.Dense(1)

    def forward(self, x):
        self.last = self.out(x)
        return self.last


def test_a_network_that_keeps_what_was_recorded_is_copied():
    x = np.ones((4, 3), np.float32)
    net = Remembering()
    before = net.predict(x)
    np.testing.assert_array_equal(copy.deepcopy(net).predict(x), before)
