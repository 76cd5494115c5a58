"""Building a network: its layers make their parameters, and nothing else happens."""

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import OptionError, ShapeError
from nbdl.nn.calls import building, is_building
from nbdl.nn.module import Parameter


def test_a_part_that_is_built_while_the_network_is_built():
    with building():
        with building():
            pass
        assert is_building()  # or the network's own step would go on to update what it is only to make
    assert not is_building()


class Kept(nn.Module):
    """Keeps its parts in several ways."""

    def __init__(self):
        self._private = nn.Dense(3, "tanh")
        self._listed = [nn.Dense(3, "tanh")]
        self._nested = {"a": [(nn.Dense(3, "tanh"),)]}
        self.out = nn.Dense(1)

    def build(self, shape):
        self.scales = {"first": [self.parameter("first", (1,), "ones"), Parameter([1.0])]}

    def forward(self, x):
        for layer in (self._private, self._listed[0], self._nested["a"][0][0], self.out):
            x = layer(x)
        return x * self.scales["first"][0] * self.scales["first"][1]


def test_parts_are_found_wherever_a_module_keeps_them(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    net = Kept().compile({"name": "sgd", "lr": 0.1}, "mse")
    net.predict(x)
    before = net.state_dict()
    assert len(before) == 10
    net.fit(x, x[:, :1], epochs=3, verbose=False)
    after = net.state_dict()
    assert all(not np.array_equal(before[name], after[name]) for name in before)
    net.save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl", custom={"Kept": Kept})
    np.testing.assert_array_equal(loaded.predict(x), net.predict(x))


def test_parameters_that_a_frozen_module_has_yet_to_make_are_frozen():
    net = Kept()
    net.trainable = False
    net.out.trainable = True
    net(np.ones((2, 4), np.float32))
    assert net.parameters() == [net.out.weight, net.out.bias]


def test_a_network_that_is_frozen_as_a_whole_has_nothing_to_train():
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    net.trainable = False
    x = np.ones((4, 2), np.float32)
    with pytest.raises(OptionError, match=r"no parameters to train: .* trainable=False don't count"):
        net.fit(x, x[:, :1], verbose=False)


class Gain(nn.Module):
    """One number that is trained, and one that counts."""

    def __init__(self, start="ones"):
        self.gain = self.parameter("gain", (), start)
        self.steps = self.parameter("steps", (), "zeros", trainable=False)

    def forward(self, x):
        self.steps.assign(self.steps + 1)
        return x * self.gain


def test_a_parameter_that_is_a_single_number():
    net = Gain().compile("sgd", "mse")
    assert net.gain.shape == net.steps.shape == ()
    x = np.ones((4, 2), np.float32)
    net.fit(x, 2 * x, epochs=3, batch_size=4, verbose=False)
    assert float(net.gain) > 1
    assert float(net.steps) == 3


def test_starting_values_of_another_shape_are_refused():
    def zeros_of_two(rng, shape, dtype):
        return np.zeros(2, dtype)

    with pytest.raises(ShapeError, match=r"initializer zeros_of_two was asked for .* \(\) and gave \(2,\): it must"):
        Gain(zeros_of_two)


def test_a_module_inside_of_itself_is_refused():
    net, part = nn.Sequential(), nn.Sequential()
    net.add(part)
    part.parent = net
    with pytest.raises(OptionError, match=r"a part of itself; keep weakref\.ref"):
        net.parameters()


def test_a_part_may_privately_know_what_it_is_a_part_of(tmp_path):
    x = np.ones((4, 3), np.float32)
    net = nn.Sequential(nn.Dense(2), nn.Dense(1)).compile("sgd", "mse")
    net[0]._parent = net
    net.fit(x, x[:, :1], verbose=False)
    net.save(tmp_path / "net.nbdl")
    assert len(nbdl.load(tmp_path / "net.nbdl").state_dict()) == len(net.state_dict()) == 4
