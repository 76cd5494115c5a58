"""Parameters that get values from elsewhere while an optimizer has them: the next step goes on from these."""

import numpy as np
import pytest

import nbdl
from nbdl import lazy, nn, optim
from nbdl.nn.module import Parameter
from nbdl.resolve import resolve
from nbdl.train import Callback
from nbdl.train.feed import Batch
from tests.train.networks import classifier, line


def optimizer_for(parameter, lr):
    return resolve("optimizers", {"name": "sgd", "lr": lr}).attach([parameter])


def step_down(parameter, optimizer):
    """Multiplies the parameter by 1 - 2 * lr."""
    optimizer.zero_grad()
    nbdl.sum(parameter * parameter).backward()
    optimizer.step()


def test_a_step_starts_from_assigned_values_interpreted_or_native():
    parameter = Parameter([1.0, -2.0])
    optimizer = optimizer_for(parameter, 0.1)
    for _ in range(lazy.ROUNDS + 4):
        step_down(parameter, optimizer)
        seen, pending = parameter.numpy(), parameter * 10
        before = seen.copy()
        parameter.assign([10.0, 20.0])
        step_down(parameter, optimizer)
        np.testing.assert_allclose(parameter.numpy(), [8.0, 16.0], rtol=1e-6)
        np.testing.assert_array_equal(seen, before)
        np.testing.assert_array_equal(pending.numpy(), 10 * before)


def test_two_optimizers_take_turns_on_one_parameter():
    parameter = Parameter([1.0, -2.0])
    slow, fast = optimizer_for(parameter, 0.01), optimizer_for(parameter, 0.1)
    expected = np.array([1.0, -2.0])
    for _ in range(lazy.ROUNDS + 4):
        step_down(parameter, slow)
        step_down(parameter, fast)
        expected *= 0.98 * 0.8
        np.testing.assert_allclose(parameter.numpy(), expected, rtol=1e-5)


def test_weights_that_are_loaded_after_training_are_used():
    x, y = line()
    net = classifier(outputs=1, loss="mse", optimizer={"name": "sgd", "lr": 0.0}, metrics=())
    net.fit(x, y, verbose=False, seed=0)
    loaded = {name: np.full_like(array, 2.0) for name, array in net.state_dict().items()}
    net.load_state_dict(loaded)
    expected = x @ np.full((3, 1), 2.0) + 2.0
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net.evaluate(x, y)["loss"], np.mean((expected[:, 0] - y) ** 2), rtol=1e-5)
    net.fit(x, y, verbose=False, seed=0)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, loaded[name])


class Reset(Callback):
    """Sets all weights to zero after the first epoch, or when training begins."""

    def __init__(self, moment, values):
        self.moment, self.values = moment, values

    def run_start(self, run):
        if self.moment == "start":
            run.net.load_state_dict(self.values)

    def epoch_end(self, run, logs):
        if self.moment == "end" and run.epoch == 0:
            run.net.load_state_dict(self.values)
            run.net.predict(np.ones((2, 3), np.float32))  # a program that has seen them


@pytest.mark.parametrize("moment", ["start", "end"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("debug", [False, True])
def test_training_goes_on_from_what_a_callback_assigns(moment, workers, debug):
    x, y = line(rows=40)
    net = nn.Sequential(nn.Dense(4), nn.BatchNorm(), nn.Dense(1))
    net.compile({"name": "sgd", "lr": 0.1, "momentum": 0.9}, "mse", debug=debug)
    net.predict(x)
    values = {name: np.zeros_like(each) for name, each in net.state_dict().items()}
    options = {"batch_size": 40, "shuffle": False, "verbose": False, "workers": workers}
    logs = net.fit(x, y, epochs=3, callbacks=[Reset(moment, values)], **options)
    assert logs["loss"][moment == "end"] == pytest.approx(np.mean(y**2), rel=1e-5)
    assert logs["loss"][2] < logs["loss"][moment == "end"]
    more = net.fit(x, y, epochs=1, **options)["loss"][0]
    assert more < logs["loss"][2]  # the network has what was trained since


class Clipped(Callback):
    def epoch_end(self, run, logs):
        for each in run.net.parameters():
            each.assign(np.clip(each.numpy(), -0.1, 0.1))


def test_what_is_assigned_last_is_what_the_network_has():
    x, y = line(rows=40)
    net = classifier(outputs=1, loss="mse", optimizer={"name": "sgd", "lr": 0.5}, metrics=())
    net.fit(x, y, epochs=3, callbacks=[Clipped()], verbose=False)
    assert max(abs(each).max() for each in net.state_dict().values()) == np.float32(0.1)


class Unused(nn.Module):
    """Has parameters and state that training doesn't read."""

    def __init__(self):
        self.out, self.spare = nn.Dense(1), nn.Dense(1)
        self.optimizer = nbdl.optim.sgd(lr=0.1)

    def build(self, *shapes):
        self.spare.build_for([((2, 3), np.dtype(np.float32))])
        self.spare.trainable = False
        self.count = self.parameter("count", (1,), "zeros", trainable=False)
        self.shift = self.parameter("shift", (1,), "zeros", trainable=False)

    def forward(self, x):
        return self.out(x) if self.training else self.out(x) + self.shift


class NoRate(nbdl.optim.Optimizer):
    def update(self, parameter, gradient, slots, step):
        return parameter - 0.01 * nbdl.sign(gradient), {}


@pytest.mark.parametrize("optimizer", ["sgd", NoRate()], ids=["unused state", "unused rate"])
def test_what_a_program_does_not_read_may_stay_away(optimizer):
    x, y = line(rows=40)
    net = Unused().compile(optimizer, "mse")
    losses = net.fit(x, y, epochs=3, verbose=False)["loss"]
    assert losses[2] < losses[0]


class Bounded(nn.Module):
    """A product of two weights, of which one is kept small; two updates a step."""

    def __init__(self):
        self.one, self.other = (nn.Dense(1, use_bias=False, kernel_initializer="ones") for _ in range(2))
        self.trainer = optim.sgd(lr=0.1)

    def forward(self, x):
        return self.one(x) * self.other(x)

    def train_step(self, batch):
        for _ in range(2):
            loss = nbdl.mean((self(batch.x) - batch.y) ** 2)
            self.trainer.minimize(loss, self.parameters())
            self.one.weight.assign(nbdl.clip(self.one.weight, -0.95, 0.95))
        return {"loss": loss}


def bounded_weights(x, y, updates):
    """What `Bounded` must come to."""
    one, other = np.ones((2, 1)), np.ones((2, 1))
    for _ in range(updates):
        error = 2 * ((x @ one) * (x @ other) - y) / len(x)
        slope, slope_of_other = x.T @ (error * (x @ other)), x.T @ (error * (x @ one))
        one, other = np.clip(one - 0.1 * slope, -0.95, 0.95), other - 0.1 * slope_of_other
    return one, other


def trained(net, x, y, steps, how):
    """A network after some steps on all rows: in `fit`, with `debug=True`, or one by one."""
    if how == "one by one":
        net(x)
        for _ in range(steps):
            net.train_step(Batch((nbdl.Tensor(x),), nbdl.Tensor(y)))
    else:
        net.compile(debug=how == "debug").fit(x, y, epochs=steps, batch_size=len(x), verbose=False)
    return net


HOW = ["compiled", "debug", "one by one"]


@pytest.mark.parametrize("how", HOW)
def test_a_step_may_assign_what_it_trains(how):
    """As Wasserstein GANs do, and whoever bounds the norms of weights."""
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    y = 2 * x[:, :1]
    net = trained(Bounded(), x, y, lazy.ROUNDS // 2 + 2, how)
    one, other = bounded_weights(x, y, 2 * (lazy.ROUNDS // 2 + 2))
    np.testing.assert_allclose(net.one.weight.numpy(), one, rtol=1e-5)
    np.testing.assert_allclose(net.other.weight.numpy(), other, rtol=1e-5)


def test_a_parameter_that_was_assigned_what_is_pending_is_still_trained():
    parameter = Parameter([1.0, -2.0])
    optimizer = optimizer_for(parameter, 0.1)
    for _ in range(lazy.ROUNDS + 4):
        parameter.assign(parameter * 10)
        assert parameter.requires_grad
        before = parameter.numpy().copy()
        step_down(parameter, optimizer)
        np.testing.assert_allclose(parameter.numpy(), 0.8 * before, rtol=1e-6)


class TwoTasks(nn.Module):
    """Two optimizers train one weight, in turn; both losses may be computed before the first does."""

    def __init__(self, at_once=False):
        self.at_once = at_once
        self.weight = self.parameter("weight", (2, 1), "ones")
        self.first, self.second = optim.sgd(lr=0.1, momentum=0.5), optim.sgd(lr=0.05)

    def forward(self, x):
        return x @ self.weight

    def train_step(self, batch):
        near = nbdl.mean((self(batch.x) - batch.y) ** 2)
        before = self(batch.x)
        self.first.minimize(near, [self.weight])
        far = nbdl.mean(((before if self.at_once else self(batch.x)) + batch.y) ** 2)
        self.second.minimize(far, [self.weight])
        return {"near": near, "far": far}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("at_once", [False, True], ids=["in turn", "losses first"])
def test_a_step_may_train_a_parameter_with_two_optimizers(at_once, how):
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    y = 2 * x[:, :1]
    net = trained(TwoTasks(at_once), x, y, lazy.ROUNDS + 2, how)
    weight, velocity = np.ones((2, 1)), 0.0
    for _ in range(lazy.ROUNDS + 2):
        before = weight
        velocity = 0.5 * velocity + 2 * x.T @ (x @ weight - y) / len(x)
        weight = weight - 0.1 * velocity
        weight = weight - 0.05 * 2 * x.T @ (x @ (before if at_once else weight) + y) / len(x)
    np.testing.assert_allclose(net.weight.numpy(), weight, rtol=1e-4)


@pytest.mark.parametrize("how", HOW)
def test_a_loss_that_knows_a_parameter_before_and_after_an_update(how):
    """Its gradient has both parts, as that of `loss.backward()` has."""

    class Both(TwoTasks):
        def train_step(self, batch):
            before = self(batch.x)
            self.first.minimize(nbdl.mean((before - batch.y) ** 2), [self.weight])
            loss = nbdl.mean(before * 0.5) + nbdl.mean(self(batch.x) ** 2)
            self.second.minimize(loss, [self.weight])
            return {"loss": loss}

    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    y = 2 * x[:, :1]
    net = trained(Both(), x, y, lazy.ROUNDS + 2, how)
    weight, velocity = np.ones((2, 1)), 0.0
    for _ in range(lazy.ROUNDS + 2):
        velocity = 0.5 * velocity + 2 * x.T @ (x @ weight - y) / len(x)
        weight = weight - 0.1 * velocity
        weight = weight - 0.05 * (0.5 * x.mean(axis=0)[:, None] + 2 * x.T @ (x @ weight) / len(x))
    np.testing.assert_allclose(net.weight.numpy(), weight, rtol=1e-4)
