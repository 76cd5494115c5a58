"""Training again after the network or the optimizer's options have changed: what has to be made anew."""

import pytest

import nbdl
from nbdl import nn, optim
from nbdl.errors import OptionError
from tests.train.networks import line

X, Y = line(rows=20)


def fitted(optimizer="sgd"):
    net = nn.Sequential(nn.Dense(4), nn.Dense(1)).compile(optimizer, "mse")
    net.fit(X, Y, seed=0, verbose=False)
    return net


def test_momentum_comes_too_late():
    net = fitted()
    net.optimizer.momentum = 0.9
    with pytest.raises(OptionError, match=r"keeps no 'velocity'; .* made when it is first used: .* compile again"):
        net.fit(X, Y, verbose=False)
    net.compile({"name": "sgd", "momentum": 0.9}, "mse").fit(X, Y, verbose=False)
    assert set(net.optimizer.state.slots) == {"velocity"}


def test_momentum_goes_too_late():
    net = fitted({"name": "sgd", "momentum": 0.9})
    net.optimizer.momentum = 0.0
    with pytest.raises(OptionError, match=r"init made \['velocity'\]; .* compile again"):
        net.fit(X, Y, verbose=False)


def test_momentum_comes_too_late_for_a_loop_of_ones_own():
    net = fitted()
    optimizer = optim.sgd(lr=0.1).attach(net.parameters())
    optimizer.momentum = 0.9
    nbdl.mean(net(X)).backward()
    with pytest.raises(OptionError, match="keeps no 'velocity'"):
        optimizer.step()


def test_a_layer_that_is_added_needs_another_compile():
    net = fitted()
    net.add(nn.Dense(1))
    with pytest.raises(OptionError, match=r"other parameters than those .*: compile again with a new one after layers"):
        net.fit(X, Y, verbose=False)
    net.compile("sgd", "mse").fit(X, Y, verbose=False)
    assert len(net.optimizer.state.parameters) == 6


def test_an_optimizer_is_not_shared_by_two_networks():
    optimizer = fitted().optimizer
    with pytest.raises(OptionError, match="trains other parameters already; make one optimizer for each group"):
        fitted(optimizer)
