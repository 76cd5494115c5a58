"""compile(debug=True): values while Python runs, the same numbers as compiled, and the first bad operation by name."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import NumericsError, UntraceableError
from nbdl.train import Callback

X = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
CLASSES = np.random.default_rng(1).integers(0, 3, 100)
Y = X[:, :3]
# float32: NumPy adds up in another order than a program's loops; some 12 steps of Adam, which divides by small roots
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def classifier(debug):
    nbdl.set_seed(0)
    net = nn.Sequential(nn.Dense(8, activation="relu"), nn.Dropout(0.3), nn.Dense(3))
    return net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], debug=debug) or net


def both(make, x, y=None, **options):
    """The same network trained compiled and debugged."""
    nets = []
    for debug in (False, True):
        net = make(debug)
        net.fit(x, y, **{"epochs": 3, "seed": 1, "verbose": False, "workers": 1, **options})
        nets.append(net)
    return nets


def assert_same(compiled, debugged):
    for name, array in compiled.state_dict().items():
        np.testing.assert_allclose(debugged.state_dict()[name], array, **TOLERANCE, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 32, "validation_split": 0.1},
        {"batch_size": 40, "sample_weight": np.linspace(0, 2, 100), "class_weight": {0: 3.0}},
    ],
    ids=["dropout and validation", "weights"],
)
def test_the_same_numbers_as_compiled(options):
    compiled, debugged = both(classifier, X, CLASSES, **options)
    assert_same(compiled, debugged)
    for name, value in compiled.evaluate(X, CLASSES).items():
        assert debugged.evaluate(X, CLASSES)[name] == pytest.approx(value, rel=1e-4), name
    np.testing.assert_allclose(debugged.predict(X, batch_size=30), compiled.predict(X), **TOLERANCE)


def test_bytes_and_one_row():
    assert_same(*both(classifier, (X > 0).astype(np.uint8), CLASSES, batch_size=99))


class TwoOptimizers(nn.Module):
    def __init__(self):
        self.first = nn.Dense(4)
        self.second = nn.Dense(1)
        self.one = nbdl.optim.adam()
        self.other = nbdl.optim.sgd()

    def forward(self, x):
        return self.second(self.first(x))

    def train_step(self, batch):
        up = nbdl.mean((self(batch.x) - 1) ** 2)
        self.one.minimize(up, self.first.parameters())
        down = nbdl.mean((self(batch.x) + 1) ** 2)
        self.other.minimize(down, self.second.parameters())
        return {"up": up, "down": down}


class RunningMean(nn.Module):
    def build(self, shape):
        self.mean = self.parameter("mean", (shape[-1],), "zeros", trainable=False)
        self.weight = self.parameter("weight", (shape[-1], 3))

    def forward(self, x):
        if self.training:
            self.mean.assign(0.9 * self.mean + 0.1 * nbdl.mean(x, axis=0))
        return nbdl.matmul(x - self.mean, self.weight)


def test_a_step_of_ones_own():
    def make(debug):
        nbdl.set_seed(0)
        net = TwoOptimizers()
        net.compile(debug=debug)
        return net

    assert_same(*both(make, X))


def test_state_that_is_assigned():
    def make(debug):
        nbdl.set_seed(0)
        net = RunningMean()
        net.compile("sgd", "mse", debug=debug)
        return net

    assert_same(*both(make, X, Y))


# --- values -----------------------------------------------------------------------------------------------------------


class Curious(nn.Module):
    """Looks at values, and chooses by them."""

    def __init__(self):
        self.dense = nn.Dense(3)
        self.seen = []

    def forward(self, x):
        y = self.dense(x)
        self.seen.append(float(nbdl.mean(y)))
        return y if nbdl.max(y) > 0 else -y


def test_values_are_there_while_python_runs(capsys):
    net = Curious()
    net.compile("sgd", "mse", debug=True)
    net.fit(X, Y, epochs=1, batch_size=50, shuffle=False, seed=0, verbose=False)
    assert len(net.seen) >= 2
    assert all(np.isfinite(net.seen))
    assert net.seen[-2] != net.seen[-1]
    net.seen.clear()
    prediction = net.predict(X)
    assert net.seen[-1] == pytest.approx(prediction.mean(), rel=1e-4)
    net.evaluate(X, Y)
    net.compile("sgd", "mse")
    with pytest.raises(UntraceableError, match="a network compiled with debug=True"):
        net.fit(X, Y, verbose=False)


def test_a_loss_that_prints(capsys):
    def loss(prediction, target):
        error = nbdl.mean((prediction - target) ** 2)
        print("error", error.numpy().shape, error.item() > 0)
        return error

    net = nn.Sequential(nn.Dense(3))
    net.compile("sgd", loss, debug=True)
    net.fit(X, Y, epochs=1, batch_size=50, seed=0, verbose=False)
    assert capsys.readouterr().out.count("error () True") >= 2


# --- numbers that aren't finite ---------------------------------------------------------------------------------------


class Logarithm(nn.Module):
    def __init__(self):
        self.encoder = nn.Dense(3)
        self.decoder = nn.Dense(3)

    def forward(self, x):
        return self.decoder(nbdl.log(self.encoder(x)))


def test_the_first_bad_operation_is_named_with_its_layer():
    net = nn.Sequential(nn.Dense(4), Logarithm())
    net.compile("sgd", "mse", debug=True)
    with pytest.raises(NumericsError, match=r"^log in .*logarithm.* gives NaN \(\d+ of 96 elements of shape"):
        net.fit(X, Y, seed=0, verbose=False)


class Snapshot(Callback):
    """Weights after the steps that were done."""

    weights = None

    def epoch_end(self, run, logs):
        self.weights = {name: array.copy() for name, array in run.net.state_dict().items()}
        self.steps = run.step


def masked(prediction, target):
    """Cross-entropy over the classes that have an even number, or the row's own."""
    allowed = np.array([True, False, True]) | nbdl.one_hot(target, 3, bool)
    scores = nbdl.where(allowed, prediction, -np.inf)
    picked = nbdl.sum(nbdl.where(nbdl.one_hot(target, 3, bool), scores, 0.0), axis=1)
    return nbdl.mean(nbdl.logsumexp(scores, axis=1) - picked)


@pytest.mark.parametrize("loss", ["hinge", masked])
def test_infinities_that_mask_are_no_mistake(loss):
    def make(debug):
        nbdl.set_seed(0)
        return nn.Sequential(nn.Dense(3)).compile("sgd", loss, debug=debug)

    assert_same(*both(make, X, CLASSES))


def test_nan_made_of_infinities_that_mask_is_named():
    def difference(prediction, target):
        scores = nbdl.where(prediction > 0, prediction, -np.inf)
        return nbdl.mean(scores - scores)

    net = nn.Sequential(nn.Dense(3)).compile("sgd", difference, debug=True)
    with pytest.raises(NumericsError, match=r"subtract in loss gives NaN .* from infinite inputs"):
        net.fit(X, Y, seed=0, verbose=False)


def test_infinities_that_mask_are_not_named_for_what_went_wrong():
    net = nn.Sequential(nn.Dense(3)).compile({"name": "sgd", "lr": 3e38}, "hinge")
    with pytest.raises(NumericsError, match=r"multiply in update by SGD gives infinity .* from finite inputs"):
        net.fit(100 * X, CLASSES, seed=0, verbose=False)


def test_a_step_that_fails_leaves_everything_as_it_was():
    class Diverging(TwoOptimizers):
        """Its second loss becomes infinite after some steps, when the first optimizer has done its part."""

        def __init__(self):
            super().__init__()
            self.count = self.parameter("count", (), "zeros", trainable=False)

        def train_step(self, batch):
            self.count.assign(self.count + 1)
            up = nbdl.mean((self(batch.x) - 1) ** 2)
            self.one.minimize(up, self.first.parameters())
            down = nbdl.mean((self(batch.x) + 1) ** 2) / (4 - self.count)
            self.other.minimize(down, self.second.parameters())
            return {"up": up, "down": down}

    net, seen = Diverging(), Snapshot()
    net.compile(debug=True)
    with pytest.raises(NumericsError, match=r"divide in .*gives infinity"):
        net.fit(X, epochs=5, batch_size=100, seed=0, verbose=False, callbacks=[seen])
    assert seen.steps == 3
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, seen.weights[name], err_msg=name)
    assert float(net.one.state.step) == float(net.other.state.step) == 3


def test_ones_own_error_comes_out_as_it_is():
    class Broken(nn.Module):
        def __init__(self):
            self.dense = nn.Dense(3)

        def forward(self, x):
            if float(nbdl.mean(x)) < 100:
                raise RuntimeError("mine")
            return self.dense(x)

    net = Broken()
    net.compile("sgd", "mse", debug=True)
    with pytest.raises(RuntimeError, match=r"^mine$"):
        net.fit(X, Y, verbose=False)


def test_tensors_with_a_row_for_each_row_of_the_batch_have_values():
    seen = []

    class Net(nn.Module):
        def build(self, *shapes):
            self.w = self.parameter("w", (2,))

        def forward(self, x):
            seen.append(nbdl.zeros((x.shape[0], 2)).numpy().shape)
            return x * self.w

    net = Net().compile("sgd", "mse", debug=True)
    net.fit(np.ones((4, 2), np.float32), np.ones((4, 2), np.float32), verbose=False)
    assert set(seen) == {(4, 2)}


def test_tensors_with_rows_have_no_value_while_a_program_is_recorded():
    class Net(nn.Module):
        def forward(self, x):
            return x + float(nbdl.sum(nbdl.zeros((x.shape[0], 2))))

    with pytest.raises(UntraceableError, match="in net while the program is only being recorded"):
        Net().compile("sgd", "mse").predict(np.ones((4, 2), np.float32))
