"""`fit`, `evaluate` and `predict` from end to end on small real data."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import nbdl
from nbdl import nn, plugins
from nbdl.errors import InterruptedTraining, NumericsError
from nbdl.train import Callback
from nbdl.train.fitting import prepare
from tests.train.networks import classifier, line, weights_of

# --- what it reaches --------------------------------------------------------------------------------------------------


def test_digits_are_told_apart(digits):
    x, y = digits
    net = classifier(64, 64)
    history = net.fit(x[:1400], y[:1400], epochs=15, validation_data=(x[1400:], y[1400:]), seed=0, verbose=False)
    assert history["val_accuracy"][-1] >= 0.95
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    measured = net.evaluate(x[1400:], y[1400:])
    assert measured["accuracy"] == history["val_accuracy"][-1]
    assert np.mean(net.predict(x[1400:]).argmax(axis=1) == y[1400:]) == pytest.approx(measured["accuracy"], abs=1e-12)


def test_flowers_are_told_apart(iris):
    x, y = iris
    net = classifier(16, outputs=3)
    net.fit(x, y, epochs=150, batch_size=16, seed=0, verbose=False)
    assert net.evaluate(x, y)["accuracy"] >= 0.96


def test_a_line_is_found():
    x, y = line()
    net = nn.Sequential(nn.Dense(1)).compile({"name": "sgd", "lr": 0.1}, "mse", ["r2"])
    net.fit(x, y, epochs=40, seed=0, verbose=False)
    # The noise is 0.01; 200 rows tell a coefficient up to 0.01 / sqrt(200), and single steps wander a little around it.
    np.testing.assert_allclose(net[0].weight.numpy()[:, 0], [1.0, -2.0, 0.5], atol=0.01)
    assert net.evaluate(x, y)["r2"] > 0.999


def test_a_short_last_batch_counts_by_its_rows():
    """Gradient descent in one batch of all rows or written out in NumPy, and a mean over unequal batches."""
    x, y = line(rows=50)
    net = nn.Sequential(nn.Dense(1, kernel_initializer="zeros")).compile({"name": "sgd", "lr": 0.1}, "mse")
    net.fit(x, y, epochs=3, batch_size=50, shuffle=False, verbose=False)
    weight, bias = np.zeros(3), 0.0
    for _ in range(3):
        error = x @ weight + bias - y
        weight, bias = weight - 0.1 * 2 * x.T @ error / 50, bias - 0.1 * 2 * error.mean()
    np.testing.assert_allclose(net[0].weight.numpy()[:, 0], weight, rtol=1e-5)  # float32 sums of 50 rows
    np.testing.assert_allclose(net[0].bias.numpy(), bias, rtol=1e-5)
    error = x @ weight + bias - y
    for batch_size in (7, 50, 1000):
        assert net.evaluate(x, y, batch_size=batch_size)["loss"] == pytest.approx(np.mean(error**2), rel=1e-5)


def test_batches_of_unequal_size_train_on_every_row():
    """SGD over batches of 8, 8 and 4 rows, written out in NumPy."""
    x, y = line(rows=20)
    net = nn.Sequential(nn.Dense(1, kernel_initializer="zeros")).compile({"name": "sgd", "lr": 0.1}, "mse")
    net.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=False)
    weight, bias = np.zeros(3), 0.0
    for start in (0, 8, 16) * 2:
        part, target = x[start : start + 8], y[start : start + 8]
        error = part @ weight + bias - target
        weight, bias = weight - 0.2 * part.T @ error / len(part), bias - 0.2 * error.mean()
    np.testing.assert_allclose(net[0].weight.numpy()[:, 0], weight, rtol=1e-5)
    np.testing.assert_allclose(net[0].bias.numpy(), bias, rtol=1e-5)


# --- the same again ---------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits(iris):
    x, y = iris

    def trained(seed):
        net = nn.Sequential(nn.Dense(8, activation="relu"), nn.Dropout(0.3), nn.Dense(3))
        net.compile("adam", "sparse_categorical_crossentropy")
        net.fit(x, y, epochs=3, seed=seed, verbose=False)
        return weights_of(net)

    first, again, other = trained(7), trained(7), trained(8)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("workers", [1, 2])
def test_large_batches_go_through_in_blocks(workers, monkeypatch):
    x, y = line(rows=5001)

    def trained(cache):
        monkeypatch.setattr("nbdl.codegen.row_blocks.CACHE", cache)
        net = nn.Sequential(nn.Dense(16, activation="tanh"), nn.Dense(1)).compile({"name": "sgd", "lr": 0.1}, "mse")
        run = prepare(net, x, y, epochs=3, batch_size=2001, seed=7, workers=workers)
        return run.train()["loss"], weights_of(net), run.program.plan.block_rows

    *in_blocks, rows = trained(2**16)
    *whole, every = trained(2**20)
    assert (every, rows > 64) == (None, True)
    for one, two in zip(in_blocks, whole, strict=True):
        # Sums over rows are added up in another order.
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_two_workers_give_the_same_to_rounding(iris):
    x, y = iris

    def trained(workers):
        net = nn.Sequential(nn.Dense(8, activation="tanh"), nn.Dropout(0.3), nn.Dense(3))
        net.compile({"name": "sgd", "lr": 0.1}, "sparse_categorical_crossentropy")
        history = net.fit(x, y, epochs=3, batch_size=17, seed=7, workers=workers, verbose=False)
        return weights_of(net), history["loss"], net.predict(x, workers=workers)

    for one, two in zip(trained(1), trained(2), strict=True):
        # Sums over rows are added up in another order: a few ulp of float32 in each of 27 steps.
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


def test_going_on_from_an_epoch_is_the_same_as_never_having_stopped(iris):
    x, y = iris
    whole, parts = classifier(8, outputs=3), classifier(8, outputs=3)
    whole.fit(x, y, epochs=4, seed=1, verbose=False)
    parts.fit(x, y, epochs=2, seed=1, verbose=False)
    history = parts.fit(x, y, epochs=4, initial_epoch=2, seed=1, verbose=False)
    assert history.epochs == [2, 3]
    np.testing.assert_array_equal(weights_of(parts), weights_of(whole))


def test_without_shuffling_rows_come_in_their_order(iris):
    x, y = iris

    def trained(seed, shuffle):
        net = classifier(outputs=3)
        net.predict(x)  # makes the parameters, so that the seed is that of the order only
        net.fit(x, y, seed=seed, shuffle=shuffle, verbose=False)
        return weights_of(net)

    np.testing.assert_array_equal(trained(1, shuffle=False), trained(2, shuffle=False))
    assert not np.array_equal(trained(1, shuffle=True), trained(2, shuffle=True))


# --- compiled once ----------------------------------------------------------------------------------------------------


def test_a_second_fit_compiles_nothing(iris, monkeypatch):
    x, y = iris
    net = classifier(8, outputs=3)
    options = {"epochs": 1, "validation_data": (x, y), "seed": 0, "verbose": False}
    net.fit(x[:100], y[:100], **options)
    run = {name: program.run for name, program in net._programs.items()}
    compiled = sum(len(each.signatures) for each in run.values())
    monkeypatch.setattr(importlib.util, "spec_from_file_location", lambda *_: pytest.fail("a program is loaded again"))
    net.fit(x, y, batch_size=7, **options)
    assert {name: program.run for name, program in net._programs.items()} == run
    assert sum(len(each.signatures) for each in run.values()) == compiled


# --- callbacks --------------------------------------------------------------------------------------------------------


class Log(Callback):
    def __init__(self, stop_after=None):
        self.told = []
        self.stop_after = stop_after

    def run_start(self, run):
        self.told.append("start")

    def progress(self, run):
        assert run.step == run.epoch * run.steps_per_epoch + run.epoch_step
        assert 0 < run.epoch_step <= run.steps_per_epoch
        assert np.isfinite(run.logs["loss"])
        if self.told[-1] != f"progress {run.epoch}":
            self.told.append(f"progress {run.epoch}")

    def epoch_end(self, run, logs):
        self.told.append(f"end {run.epoch} {'val_loss' in logs}")
        if run.epoch == self.stop_after:
            run.stop("enough")

    def run_end(self, run):
        self.told.append(f"over {type(run.error).__name__}")


def test_callbacks_are_called_in_order():
    x, y = line()
    log = Log()
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    net.fit(x, y, epochs=2, validation_split=0.1, callbacks=[log], verbose=False)
    assert log.told == ["start", "progress 0", "end 0 True", "progress 1", "end 1 True", "over NoneType"]


def test_a_callback_ends_training():
    x, y = line()
    log = Log(stop_after=1)
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    early = {"name": "early_stopping", "patience": 40, "monitor": "loss"}
    history = net.fit(x, y, epochs=50, callbacks=[log, early], verbose=False)
    assert len(history) == 2
    assert history.stopped == "enough"


@pytest.mark.parametrize("name", ["early_stopping", "best_weights", "reduce_on_plateau"])
def test_callbacks_forget_the_run_before(name):
    x, y = line()
    options = {"monitor": "loss", "min_delta": 10.0} | ({} if name == "best_weights" else {"patience": 1})

    def results(callback, width):
        nbdl.set_seed(0)
        net = nn.Sequential(nn.Dense(width), nn.Dense(1)).compile({"name": "sgd", "lr": 0.001}, "mse")
        history = net.fit(x, y, epochs=4, seed=0, verbose=False, callbacks=[callback])
        return len(history), float(net.optimizer.state.lr_scale), *weights_of(net)

    used = plugins.lookup("callbacks", name).make(**options)
    results(used, 3)
    assert results(used, 2) == results(plugins.lookup("callbacks", name).make(**options), 2)


def test_callbacks_hear_of_an_error():
    class Broken(Callback):
        def epoch_end(self, run, logs):
            raise ZeroDivisionError

    log = Log()
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    with pytest.raises(ZeroDivisionError):
        net.fit(*line(), callbacks=[log, Broken()], verbose=False)
    assert log.told[-1] == "over ZeroDivisionError"


# --- what stops it ----------------------------------------------------------------------------------------------------


def test_numbers_that_stop_being_finite_stop_training_before_they_are_kept():
    x, y = line()
    net = nn.Sequential(nn.Dense(1)).compile({"name": "sgd", "lr": 1e6}, "mse")
    with pytest.raises(
        NumericsError, match=r"training stopped at step \d+ of epoch \d+: .*smaller learning rate"
    ) as stop:
        net.fit(x, y, epochs=50, seed=0, verbose=False)
    assert np.isfinite(weights_of(net)).all()
    step, epoch = map(int, re.search(r"step (\d+) of epoch (\d+)", str(stop.value)).groups())
    # The same steps, one epoch of plain Python less: the parameters are those of the step before.
    weight, bias = start_of(x, y)
    done = 0
    for number in range(epoch):
        order = np.random.Generator(np.random.Philox(key=[0, number])).permutation(200)
        for start in range(0, 200, 32):
            if number == epoch - 1 and start // 32 == step - 1:
                break
            rows = order[start : start + 32]
            error = x[rows] @ weight + bias - y[rows]
            weight = weight - np.float32(2e6) * (x[rows].T @ error) / np.float32(len(rows))
            bias = bias - np.float32(2e6) * error.mean()
            done += 1
    assert done > 2
    # float32 rounding grows with the numbers themselves, by a few ulp a step
    np.testing.assert_allclose(net[0].weight.numpy()[:, 0], weight, rtol=1e-3)


def start_of(x, y):
    """The starting values that a fresh network has with seed 0."""
    net = nn.Sequential(nn.Dense(1)).compile({"name": "sgd", "lr": 0.0}, "mse")
    net.fit(x, y, epochs=1, seed=0, verbose=False)
    return net[0].weight.numpy()[:, 0], net[0].bias.numpy()[0]


INTERRUPTED = """
import os, signal, sys
import numpy as np
import nbdl
from nbdl import nn, plugins
from tests.train.networks import classifier, line, weights_of
from nbdl.errors import InterruptedTraining
from nbdl.train import Callback

class Interrupt(Callback):
    def progress(self, run):
        if run.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

x = np.random.default_rng(0).normal(size=(200, 3))
net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
handler = signal.getsignal(signal.SIGINT)
try:
    net.fit(x, x.sum(axis=1), epochs=100_000, callbacks=[Interrupt()], verbose=False)
except InterruptedTraining as stop:
    print(stop)
assert signal.getsignal(signal.SIGINT) is handler
assert np.isfinite(net.predict(x)).all()
print(net.fit(x, x.sum(axis=1), epochs=1, verbose=False))
"""


def test_ctrl_c_ends_training_and_leaves_a_network_that_works():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"stopped in epoch [45] of 100000", done.stdout)  # the interrupt is looked at after the stretch
    assert "History(1 epochs" in done.stdout


def test_ctrl_c_of_a_process_in_the_middle_of_an_epoch():
    x, y = line(rows=50_000)
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    net.fit(x, y, batch_size=1, verbose=False)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(InterruptedTraining, match=r"after \d+ of 50000 steps"):
        net.fit(x, y, epochs=100_000, batch_size=1, verbose=False)
    assert np.isfinite(net.predict(x[:5])).all()


def test_training_in_a_thread():
    x, y = line()
    net = nn.Sequential(nn.Dense(1)).compile("sgd", "mse")
    histories = []
    thread = threading.Thread(target=lambda: histories.append(net.fit(x, y, epochs=2, verbose=False)))
    thread.start()
    thread.join()
    assert len(histories[0]) == 2
