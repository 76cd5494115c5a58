"""Numbers that stop being finite: the step is found, and the run is where it was before it."""

import re

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import NumericsError
from nbdl.plugins import isolated_plugins
from nbdl.train import Callback, checkpoint, finite
from nbdl.train.fitting import fit, prepare
from tests.train.runs import BATCH, ROWS, Overflowing, rows, train

pytestmark = pytest.mark.usefixtures("single_steps")


def test_nan_keeps_the_checkpoint_and_the_weights_of_the_step_before(make):
    folder = make("run")
    net = nn.Sequential(nn.Dense(4), nn.Dense(1))
    net.compile(optimizer={"name": "sgd", "lr": 1e10}, loss="mse")
    x = rows()[0]
    with pytest.raises(NumericsError, match=r"training stopped at step \d of epoch 1: .*a smaller learning rate"):
        train(folder, net=net, data=(x, x[:, :1] * 2))
    assert all(np.isfinite(value).all() for value in net.state_dict().values())
    assert all(np.isfinite(value).all() for value in folder.load_weights()[0].values())
    assert all(np.isfinite(value).all() for value in folder.load_checkpoint().state.values())


class Steps(Callback):
    """Notes the weights after every step, and after one of them changes what it can."""

    def __init__(self, changes_after=-1):
        self.changes_after = changes_after

    def progress(self, run):
        self.step = run.step
        if run.epoch_step < run.steps_per_epoch:
            self.change(run)
        self.weights = run.weights()

    def epoch_end(self, run, logs):
        self.change(run)
        self.weights = run.weights()

    def change(self, run):
        if run.step == self.changes_after:
            run.set_weights({name: array + 1 for name, array in run.weights().items()})
            run.scale_learning_rate(1e30)


@pytest.mark.parametrize(
    ("lr", "steps"), [(1e3, Steps()), (1e-3, Steps(changes_after=10)), (1e-3, Steps(changes_after=12))]
)
@pytest.mark.parametrize("seconds", [0, 1000])
def test_the_step_before_is_found_from_any_copy(lr, steps, seconds, monkeypatch):
    """Whether the state was copied after the last steps that were fine, or some epochs ago."""
    monkeypatch.setattr(finite, "SNAPSHOT", seconds)
    monkeypatch.setattr(finite, "SHARE", 0)
    net = nn.Sequential(nn.Dense(1))
    net.compile({"name": "sgd", "lr": lr}, "mse")
    x = rows()[0]
    with pytest.raises(NumericsError, match=r"training stopped at step \d of epoch \d: ") as stop:
        fit(net, x, x[:, :1], epochs=9, batch_size=BATCH, callbacks=[steps], seed=0, verbose=False, workers=1)
    step, epoch = map(int, re.search(r"step (\d) of epoch (\d)", str(stop.value)).groups())
    assert epoch > 1
    assert (epoch - 1) * -(-ROWS // BATCH) + step - 1 == steps.step
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, steps.weights[name])


class Told(Callback):
    """Which epochs callbacks are told of."""

    def __init__(self):
        self.epochs = []

    def epoch_end(self, run, logs):
        self.epochs.append(run.epoch)


def overflowing(monkeypatch, *, epochs=9, callbacks=(), folder=None, **options):
    """Train until the third epoch's only step, with no look at parameters that the clock asks for; return the run."""
    monkeypatch.setattr(finite, "SNAPSHOT", 1000)
    for name in ("AFTER_EPOCH", "WITHIN_EPOCH"):
        monkeypatch.setattr(checkpoint, name, 1000)
    net, x = Overflowing(1e13).compile("sgd", "mse"), rows()[0]
    run = prepare(net, x, x[:, :1], epochs=epochs, batch_size=ROWS, callbacks=[Told(), *callbacks], seed=0, **options)
    run.folder = folder
    with pytest.raises(NumericsError, match=r"at step 1 of epoch 3: .*The parameters are those before this step"):
        run.train()
    assert all(np.isfinite(array).all() for array in net.state_dict().values())
    return run


def test_the_history_ends_before_the_bad_step(make, monkeypatch):
    """It was the third epoch's, though that ended with a finite loss, and was reported."""
    folder = make("run")
    run = overflowing(monkeypatch, folder=folder)
    assert run.callbacks[0].epochs == [0, 1, 2]
    assert run.history.epochs == [0, 1]
    assert [row["epoch"] for row in folder.metrics.rows()] == [0, 1]
    assert (run.epoch, run.epoch_step) == (2, 0)


def test_parameters_are_looked_at_before_training_ends(monkeypatch):
    overflowing(monkeypatch, epochs=3)


@pytest.mark.parametrize(("epoch_end", "epoch"), [(False, 2), (True, 3)])
def test_parameters_are_looked_at_before_a_checkpoint(epoch_end, epoch, make, monkeypatch):
    folder = make("run")
    due = epoch_end, epoch
    monkeypatch.setattr(checkpoint.Saver, "is_due", lambda self, *, epoch_end: (epoch_end, self.run.epoch) == due)
    run = overflowing(monkeypatch, folder=folder)
    assert folder.load_checkpoint().meta["epoch"] == 0
    assert run.history.epochs == [0, 1]


def test_parameters_are_looked_at_if_validation_is_not_finite(monkeypatch):
    run = overflowing(monkeypatch, validation_split=0.1)
    assert run.callbacks[0].epochs == [0, 1]


def test_parameters_are_looked_at_before_a_callback_changes_something(monkeypatch):
    """Copying them would be too late."""

    class Rescue(Callback):
        def epoch_end(self, run, logs):
            run.scale_learning_rate(0.5)

    overflowing(monkeypatch, callbacks=[Rescue()])


def test_a_hook_does_not_swallow_numbers_that_are_not_finite(monkeypatch):
    class Rescue:
        @nbdl.hookimpl
        def nbdl_epoch_end(self, run):
            run.scale_learning_rate(0.5)

    with isolated_plugins(Rescue(), installed=True), pytest.warns(RuntimeWarning, match="nbdl_epoch_end failed"):
        overflowing(monkeypatch)


class Writes(Callback):
    """Writes into the weights behind the run's back."""

    def __init__(self, moment, step, factor):
        self.step, self.factor = step, factor
        setattr(self, moment, self.write)

    def write(self, run, logs=None):
        if run.step == self.step:
            run.net.layers[0].weight.node.value[...] *= self.factor


BY_HAND = "Repeating the steps gives other numbers, so something else has written into the network's arrays"


@pytest.mark.parametrize(
    ("lr", "writes", "seconds", "message"),
    [
        (1e-3, Writes("epoch_end", 10, 1e30), 0, "step 1 of epoch 3: .*The parameters are those before this step"),
        (1e-3, Writes("epoch_end", 10, 1e30), 1000, f"step 1 of epoch 3: .*{BY_HAND}.* before step 1 of epoch 1"),
        (1e-3, Writes("progress", 7, np.nan), 1000, f"step 3 of epoch 2: .*{BY_HAND}.* before step 1 of epoch 1"),
        (1e3, Writes("progress", 3, 0.5), 1000, f"step . of epoch 2: .*{BY_HAND}.* before step 1 of epoch 1"),
    ],
)
def test_what_is_written_by_hand_is_not_explained_by_a_step(lr, writes, seconds, message, monkeypatch):
    """At the beginning of an epoch that is copied it belongs to the state; otherwise nobody knows of it."""
    monkeypatch.setattr(finite, "SNAPSHOT", seconds)
    monkeypatch.setattr(finite, "SHARE", 0)
    net = nn.Sequential(nn.Dense(1)).compile({"name": "sgd", "lr": lr}, "mse")
    x = rows()[0]
    with pytest.raises(NumericsError, match=message):
        fit(net, x, x[:, :1], epochs=9, batch_size=BATCH, callbacks=[writes], seed=0, verbose=False, workers=1)
    assert all(np.isfinite(array).all() for array in net.state_dict().values())


def test_nothing_is_said_of_a_network_that_takes_no_steps():
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    x = rows()[0]
    net(x)
    net.layers[0].weight.assign(np.full((5, 1), np.nan, np.float32))
    fit(net, x, x[:, :1], epochs=0, verbose=False)


def test_large_but_finite_numbers_are_no_reason_to_stop():
    """The sum of the state overflows float32; no element does."""
    net = nn.Sequential(nn.Dense(1, kernel_initializer="zeros", bias_initializer="zeros"))
    net.compile(optimizer={"name": "sgd", "lr": 0.0}, loss="mse")
    x = np.zeros((4, 3), np.float32)
    net(x)
    net.layers[0].weight.assign(np.full((3, 1), 3e38, np.float32))
    fit(net, x, np.zeros((4, 1), np.float32), epochs=1, verbose=False)
