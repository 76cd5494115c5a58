"""Networks saved in one file: the same predictions, training that goes on, and files that can't be trusted."""

import json
import os
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import nbdl
from nbdl import nn, plugins
from nbdl.errors import OptionError, RunError
from nbdl.optim import Optimizer
from nbdl.tensor_files import load_tensors, save_tensors

X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(np.int64)


def wave(x):
    return nbdl.sin(x) + x


class Block(nn.Module):
    """A module with an argument of every kind that can be saved."""

    def __init__(self, width, *, inner, scales=(1.0, 2.0), table=None, activation="relu", dtype=np.float32):
        self.first = nn.Dense(width, activation=activation)
        self.inner = inner
        self.scales = scales
        self.table = nn.Parameter(np.ones(width) if table is None else table, dtype, trainable=False)

    def forward(self, x):
        h = self.first(x) * self.scales[0] + self.inner(self.inner(self.first(x))) * self.scales[1]
        return h * self.table


@dataclass(eq=False)
class Plain(nn.Module):
    width: int = 4

    def __post_init__(self):
        self.layers = [nn.Dense(self.width, activation="tanh"), nn.Dense(2)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def networks():
    block = Block(
        6,
        inner=nn.Dense(6, activation={"name": "leaky_relu", "slope": 0.1}),
        scales=[0.5, np.float32(0.25)],
        table=np.arange(6.0),
    )
    return {
        "sequential": nn.Sequential(
            nn.Flatten(), nn.Dense(8, activation="gelu"), nn.Dropout(0.5), "tanh", nn.Dense(2, use_bias=False)
        ),
        "nested": nn.Sequential(nn.Sequential(nn.Dense(4), nn.Activation("relu")), nn.Sequential(nn.Dense(2))),
        "function by name": nn.Sequential(
            nn.Dense(4, activation=nbdl.tanh), nn.Dense(2, kernel_initializer={"name": "he_normal"})
        ),
        "own function": nn.Sequential(nn.Dense(4, activation=wave), nn.Dense(2)),
        "own class": nn.Sequential(block, nn.Dense(2)),
        "dataclass": Plain(3),
        "model": plugins.lookup("models", "mlp").make(outputs=2, hidden=(8, 4)),
    }


CUSTOM = {"Block": Block, "Plain": Plain, "wave": wave}


@pytest.mark.parametrize("name", networks())
def test_a_loaded_network_predicts_the_same_bits(tmp_path, name):
    net = networks()[name]
    before = net.predict(X)
    net.save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl", custom=CUSTOM)
    np.testing.assert_array_equal(loaded.predict(X), before)
    assert [name for name, _ in loaded.named_parameters()] == [name for name, _ in net.named_parameters()]


@pytest.mark.parametrize(
    "optimizer", ["adam", {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True}, {"name": "nadam"}]
)
def test_training_goes_on_as_if_it_had_never_stopped(tmp_path, optimizer):
    def trained(epochs):
        nbdl.set_seed(1)
        net = nn.Sequential(nn.Dense(8, activation="relu"), nn.Dense(2))
        net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        net.fit(X, Y, epochs=epochs, seed=3, verbose=False)
        return net

    trained(2).save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl")
    history = loaded.fit(X, Y, epochs=4, initial_epoch=2, seed=3, verbose=False)
    assert "accuracy" in history
    net = trained(4)
    expected = net.state_dict()
    for name, array in loaded.state_dict().items():
        np.testing.assert_array_equal(array, expected[name])
    assert loaded.source() == net.source(), "it needn't be compiled again"


def test_a_shared_layer_stays_shared(tmp_path):
    shared = nn.Dense(5)
    net = nn.Sequential(shared, shared, nn.Dense(2))
    before = net.predict(X)
    net.save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl")
    assert loaded[0] is loaded[1]
    np.testing.assert_array_equal(loaded.predict(X), before)


def test_an_unbuilt_network_is_saved_without_weights(tmp_path):
    nn.Sequential(nn.Dense(3)).save(tmp_path / "net.nbdl")
    assert nbdl.load(tmp_path / "net.nbdl").predict(X).shape == (60, 3)


def test_layers_added_later_are_saved(tmp_path):
    net = nn.Sequential(nn.Dense(3))
    net.add(nn.Dense(2))
    before = net.predict(X)
    net.save(tmp_path / "net.nbdl")
    np.testing.assert_array_equal(nbdl.load(tmp_path / "net.nbdl").predict(X), before)


def test_saving_and_loading_draw_no_random_numbers(tmp_path):
    net = nn.Sequential(nn.Dense(3))
    net.predict(X)
    state = nbdl.random.generator().bit_generator.state
    net.save(tmp_path / "net.nbdl")
    nbdl.load(tmp_path / "net.nbdl")
    assert nbdl.random.generator().bit_generator.state == state


def test_an_optimizer_of_your_own_as_an_object(tmp_path):
    class Signs(Optimizer):
        def init(self, parameter):
            return {"last": nbdl.zeros_like(parameter)}

        def update(self, parameter, gradient, slots, step):
            return parameter - self.learning_rate(step) * nbdl.sign(gradient), {"last": gradient}

    net = nn.Sequential(nn.Dense(2))
    net.compile(Signs(lr=0.01), "sparse_categorical_crossentropy")
    net.fit(X, Y, epochs=1, seed=0, verbose=False)
    net.save(tmp_path / "net.nbdl")
    with pytest.raises(RunError, match=r"'Signs'.*custom="):
        nbdl.load(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl", custom={"Signs": Signs})
    assert loaded.optimizer.lr == 0.01
    np.testing.assert_array_equal(
        loaded.optimizer.state.slots["last"].numpy(), net.optimizer.state.slots["last"].numpy()
    )


# --- what can't be saved ----------------------------------------------------------------------------------------------


def test_a_lambda_is_refused_with_a_way_out(tmp_path):
    net = nn.Sequential(nn.Dense(2, activation=lambda x: x * 2))
    with pytest.raises(OptionError, match=r"the argument 'activation' of dense_1 is .*lambda.*register"):
        net.save(tmp_path / "net.nbdl")
    assert not os.listdir(tmp_path)


def test_an_object_that_no_file_can_hold(tmp_path):
    class Odd(nn.Module):
        def __init__(self, thing):
            self.thing = thing

    with pytest.raises(OptionError, match=r"argument 1 of Odd is a object, which a file can't hold"):
        Odd(object()).save(tmp_path / "net.nbdl")


def test_layers_that_the_constructor_does_not_make(tmp_path):
    net = Plain(3)
    net.layers.append(nn.Dense(2))
    net.predict(X)
    with pytest.raises(OptionError, match=r"Plain can't be saved: .*layers\.2\.bias"):
        net.save(tmp_path / "net.nbdl")


def test_a_loss_without_a_name_is_left_out_with_a_warning(tmp_path):
    net = nn.Sequential(nn.Dense(1))
    net.compile("sgd", lambda prediction, target: nbdl.mean((prediction - target) ** 2))
    net.fit(X, X[:, :1], verbose=False)
    with pytest.warns(UserWarning, match="compile aren't saved: loss is"):
        net.save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl")
    with pytest.raises(OptionError, match=r"call net\.compile"):
        loaded.fit(X, Y)


# --- files that can't be trusted --------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    net = nn.Sequential(nn.Dense(3, activation="relu"), nn.Dense(2))
    net.compile("adam", "mse")
    net.predict(X)
    net.save(tmp_path / "net.nbdl")
    return tmp_path / "net.nbdl"


def rewritten(path, change):
    arrays, meta = load_tensors(path)
    change(arrays, meta)
    save_tensors(path, arrays, meta)
    return path


def test_a_missing_file(tmp_path):
    with pytest.raises(RunError, match=r"there is no file .*net\.nbdl"):
        nbdl.load(tmp_path / "net.nbdl")


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_truncated_file(saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(RunError, match="damaged"):
        nbdl.load(saved)


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "a").write_text("a page of text " * 10)
    with pytest.raises(RunError, match="damaged or isn't a safetensors file"):
        nbdl.load(tmp_path / "a")
    save_tensors(tmp_path / "b", {"w": np.ones(3)})
    with pytest.raises(RunError, match=r"isn't a network that net\.save\(\) wrote"):
        nbdl.load(tmp_path / "b")


def test_a_newer_version(saved):
    with pytest.raises(RunError, match="version 2 of the file format"):
        nbdl.load(rewritten(saved, lambda arrays, meta: meta.update(version=2)))


def test_weights_of_another_shape(saved):
    with pytest.raises(RunError, match=r"layers\.0\.weight has the shape \(5, 4\)"):
        nbdl.load(
            rewritten(
                saved, lambda arrays, meta: arrays.update({"weight.layers.0.weight": np.ones((5, 4), np.float32)})
            )
        )


def test_missing_weights(saved):
    with pytest.raises(RunError, match=r"without \['layers\.0\.bias'\]"):
        nbdl.load(rewritten(saved, lambda arrays, meta: arrays.pop("weight.layers.0.bias")))


@pytest.mark.parametrize(
    "network",
    [
        {"class": ["os", "system"], "args": ["true"], "kwargs": {}},
        {"class": ["nn", "__import__"], "args": ["os"], "kwargs": {}},
        {"class": ["functions", "np"], "args": [], "kwargs": {}},
        {"class": ["datasets", "digits"], "args": [], "kwargs": {}},
        {"class": ["custom", "Popen"], "args": [], "kwargs": {}},
        {"class": ["nn", "Dense"], "args": [-3], "kwargs": {}},
        {"class": ["nn", "Dense"], "args": [], "kwargs": {"unknown": 1}},
        {"function": ["functions", "tanh"], "options": {}},
        {"same": 5},
        {"unknown": 1},
        {},
        [],
        None,
        {"class": "nn", "args": 3, "kwargs": []},
    ],
    ids=str,
)
def test_descriptions_that_name_what_is_not_there(saved, network):
    with pytest.raises(RunError, match=r"net\.nbdl"):
        nbdl.load(rewritten(saved, lambda arrays, meta: meta.update(network=network)))


def test_a_description_nested_without_end(saved):
    deep: object = 1
    for _ in range(400):
        deep = {"tuple": [deep]}
    assert len(json.dumps(deep)) < 10_000
    with pytest.raises(RunError, match=r"net\.nbdl"):
        nbdl.load(rewritten(saved, lambda arrays, meta: meta.update(network=deep)))


def test_a_failed_save_leaves_the_file_as_it_was(saved, monkeypatch):
    before = saved.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="the disk is full"):
        nn.Sequential(nn.Dense(3)).save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_nothing_is_warned_of_when_everything_is_saved(tmp_path):
    net = nn.Sequential(nn.Dense(2))
    net.compile("adam", "mse", metrics=["mae"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.save(tmp_path / "net.nbdl")


# --- what was changed since it was made -------------------------------------------------------------------------------


def test_a_learning_rate_that_was_set_is_kept(tmp_path):
    net = nn.Sequential(nn.Dense(1)).compile({"name": "sgd", "lr": 0.1}, "mse")
    net.fit(X, Y, epochs=1, verbose=False)
    net.optimizer.lr = 1e-5
    net.save(tmp_path / "net.nbdl")
    assert nbdl.load(tmp_path / "net.nbdl").optimizer.lr == 1e-5


def test_parameters_that_are_no_longer_trained_stay_so(tmp_path):
    net = nn.Sequential(nn.Dense(3), nn.BatchNorm(), nn.Dense(1))
    net.predict(X)
    for each in net[0].parameters():
        each.trainable = False
    net.compile({"name": "sgd", "lr": 0.1}, "mse")
    net.fit(X, Y, epochs=1, verbose=False)
    net.save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl")
    before = loaded.state_dict()
    loaded.fit(X, Y, epochs=1, verbose=False)
    changed = {name for name, array in loaded.state_dict().items() if not np.array_equal(array, before[name])}
    assert changed == before.keys() - {"layers.0.weight", "layers.0.bias"}


class Filled(nn.Module):
    """Has options that are equal to no others although nobody changed them."""

    def __init__(self, activation="relu", fill=float("nan"), seed=None):
        function = nbdl.tanh if activation == "tanh" else nbdl.abs
        self.activation = lambda x: function(x) * 1.0
        self.fill = fill
        self.seed = np.random.default_rng().random() if seed is None else seed
        self.out = nn.Dense(1)

    def forward(self, x):
        return self.activation(self.out(x))


def test_options_that_nobody_changed_are_no_hindrance(tmp_path):
    net = Filled()
    net.predict(X)
    net.save(tmp_path / "net.nbdl")
    loaded = nbdl.load(tmp_path / "net.nbdl", custom={"Filled": Filled})
    np.testing.assert_array_equal(loaded.predict(X), net.predict(X))


@pytest.mark.parametrize(("name", "value"), [("activation", nbdl.tanh), ("rate", 0.1)])
def test_options_that_were_set_afterwards_are_refused(tmp_path, name, value):
    net = nn.Sequential(nn.Dense(3, "relu"), nn.Dropout(0.5))
    net.predict(X)
    setattr(net[0 if name == "activation" else 1], name, value)
    with pytest.raises(OptionError, match=rf"differs in layers\.[01]\.{name}"):
        net.save(tmp_path / "net.nbdl")
