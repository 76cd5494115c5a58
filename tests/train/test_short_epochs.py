"""Several short epochs in one native call: everything is as if each had run alone."""

from functools import partial

import numpy as np
import pytest

import nbdl
from nbdl import losses, nn
from nbdl.codegen.program import Bound
from nbdl.errors import InterruptedTraining, NumericsError
from nbdl.plugins import isolated_plugins
from nbdl.tensor_files import load_tensors
from nbdl.train import Callback, checkpoint, finite
from nbdl.train.callbacks import can_wait
from nbdl.train.fitting import prepare
from tests.train.runs import ROWS, Overflowing, network, rows

EPOCHS = 50


@pytest.fixture(autouse=True)
def together(monkeypatch):
    """Stretches that grow whatever the clock says; returns which epochs ran in one call."""
    monkeypatch.setattr("nbdl.train.run.STRETCH", 1000.0)
    calls = []
    run_epochs = Bound.run_epochs

    def noted(self, orders, offset):
        first = offset // -(-orders.shape[1] // self.batch)
        calls.append(range(first, first + len(orders)))
        return run_epochs(self, orders, offset)

    monkeypatch.setattr(Bound, "run_epochs", noted)
    return calls


class Told(Callback):
    """Notes what it is told, and does something after a step."""

    can_wait = True

    def __init__(self, at=-1, act=None):
        self.epochs, self.seconds, self.at, self.act = [], [], at, act

    def progress(self, run):
        if 0 <= self.at <= run.step:
            self.at = -1
            self.act(run)

    def epoch_end(self, run, logs):
        self.epochs.append((run.epoch, logs))
        self.seconds.append(run.epoch_seconds)


class Impatient(Told):
    can_wait = False


def start(*callbacks, folder=None, net=None, data=None, epochs=EPOCHS, **options):
    options = {"batch_size": ROWS, "seed": 3, "workers": 1} | options
    run = prepare(net or network(), *(data or rows()), epochs=epochs, callbacks=callbacks, **options)
    run.folder = folder
    return run


def assert_same(first, second):
    """Two runs have come to the same bits."""
    for name, array in first.traced.arrays.items():
        assert array.tobytes() == second.traced.arrays[name].tobytes(), name
    assert first.step == second.step
    assert first.history.epochs == second.history.epochs
    for one, two in zip(first.history.rows, second.history.rows, strict=True):
        np.testing.assert_equal(one, two)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("batch_size", "shuffle"), [(ROWS, True), (ROWS, False), (32, True), (32, False)])
def test_the_bits_are_those_of_epochs_that_run_alone(workers, batch_size, shuffle, together):
    """Dropout's numbers, the orders of rows, a short last batch, and totals that several workers write."""
    runs = []
    for callback in (Told(), Impatient()):
        net = network()
        net.compile("adam", "sparse_categorical_crossentropy", ["accuracy", "confusion_matrix"])
        runs.append(start(callback, net=net, batch_size=batch_size, shuffle=shuffle, workers=workers))
        runs[-1].train()
    assert sum(map(len, together)) == EPOCHS - 1  # of the first run; the second one waits after each epoch
    assert len(together) > 2
    assert_same(*runs)
    told, alone = (run.callbacks[0].epochs for run in runs)
    np.testing.assert_equal(told, alone)
    assert [epoch for epoch, _ in told] == list(range(EPOCHS))


class Hook:
    @nbdl.hookimpl
    def nbdl_epoch_end(self, run):
        assert run.epoch_step == run.steps_per_epoch


@pytest.mark.parametrize(
    ("callbacks", "plugins", "options"),
    [
        ([Impatient()], [], {}),
        ([{"name": "early_stopping", "monitor": "loss"}], [], {}),
        ([], [Hook()], {}),
        ([], [], {"validation_split": 0.1}),
    ],
)
def test_whoever_looks_at_each_epoch_sees_each(callbacks, plugins, options, together):
    with isolated_plugins(*plugins, installed=True):
        start(*callbacks, **options).train()
    assert together == []


@pytest.mark.parametrize("epoch_rows", [ROWS, ROWS // 5])  # an order is drawn of all rows, however few are taken
def test_orders_and_totals_take_a_bounded_memory(epoch_rows, together, monkeypatch):
    monkeypatch.setattr("nbdl.train.run.MOST_NUMBERS", 5 * ROWS)
    start(epoch_rows=epoch_rows).train()
    assert max(map(len, together)) == 4  # a total beside each row of five would be too many


def test_epochs_share_the_time_that_they_took_together(together):
    told = Told()
    run = start(told)
    run._epoch_ended -= 1e6  # what was done before training is no epoch's time
    run.train()
    assert told.seconds[0] < 1e5
    assert run.samples_per_second * run._seconds == pytest.approx((EPOCHS - 1) * ROWS)  # the first stretch compiles
    for epochs in together:
        shares = told.seconds[epochs.start : epochs.stop - 1]  # of the last one also what callbacks took
        np.testing.assert_allclose(shares, shares[0], rtol=1e-3)
        assert shares[0] > 0


def test_what_is_written_down_has_each_epoch(make, tmp_path, capsys):
    folder = make("run")
    run = start("progress", {"name": "csv_log", "path": tmp_path / "log.csv"}, folder=folder)
    history = run.train()
    assert [row["loss"] for row in folder.metrics.rows()] == history["loss"]
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", *map(str, range(EPOCHS))]
    shown = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in shown] == [f"{epoch}/{EPOCHS}" for epoch in range(1, EPOCHS + 1)]


def interrupt(run):
    run._interrupted = True


def fail(run):
    raise RuntimeError("killed")


@pytest.mark.parametrize(
    ("act", "done"), [(interrupt, 21), (fail, 5)], ids=["Ctrl-C", "killed"]
)  # stretches end after 1, 5, 21 epochs
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(act, done, make, monkeypatch, together):
    monkeypatch.setattr(checkpoint, "AFTER_EPOCH", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    whole = start(folder=make("whole"))
    whole.train()
    folder = make("stopped")
    with pytest.raises((InterruptedTraining, RuntimeError)):
        start(Told(at=6, act=act), folder=folder).train()
    folder.close()
    folder = make("stopped", resume=True)
    assert folder.load_checkpoint().meta["epoch"] == done
    resumed = start(Told(), folder=folder)
    resumed.train()
    assert max(map(len, together)) > 10
    assert_same(whole, resumed)
    one, two = (load_tensors(run.folder.state_file)[0] for run in (whole, resumed))
    assert {name: array.tobytes() for name, array in one.items()} == {
        name: array.tobytes() for name, array in two.items()
    }
    assert whole.folder.metrics.rows() == folder.metrics.rows()


def test_a_stop_comes_after_the_stretch():
    run = start(Told(at=6, act=lambda run: run.stop("enough")))
    run.train()
    assert (run.step, run.history.stopped) == (21, "enough")
    assert run.history.epochs == list(range(20))  # as in an epoch of its own: what is stopped isn't over


class Pole(nn.Module):
    """Reports a number that is infinite after the ninth step, and finite again after the tenth."""

    def __init__(self):
        self.dense = nn.Dense(1)
        self.count = self.parameter("count", (), "zeros", trainable=False)

    def forward(self, x):
        return self.dense(x)

    def train_step(self, batch):
        loss = losses.mse(self(*batch.inputs), batch.y)
        self.optimizer.minimize(loss, self.dense.parameters())
        self.count.assign(self.count + 1)
        return {"loss": loss, "distance": 1 / (self.count - 9)}


@pytest.mark.parametrize(
    ("network", "optimizer", "batch_size"),
    [
        (lambda: nn.Sequential(nn.Dense(1)), {"name": "sgd", "lr": 1e3}, ROWS),
        (lambda: nn.Sequential(nn.Dense(1)), {"name": "sgd", "lr": 30.0}, 32),
        (partial(Overflowing, 3e4), "sgd", ROWS),
        (Pole, "sgd", ROWS),
    ],
)
@pytest.mark.parametrize("seconds", [0, 1000])
def test_numbers_stop_being_finite_in_the_middle(network, optimizer, batch_size, seconds, make, monkeypatch, together):
    """The state is that before the bad step, and the epochs before that one are told of."""
    monkeypatch.setattr(finite, "SNAPSHOT", seconds)
    monkeypatch.setattr(finite, "SHARE", 0)
    runs, messages = [], []
    for callback in (Told(), Impatient()):
        x = rows()[0]
        nbdl.set_seed(0)
        net = network().compile(optimizer, "mse")
        folder = make(type(callback).__name__)
        run = start(callback, net=net, data=(x, x[:, :1]), batch_size=batch_size, folder=folder)
        with pytest.raises(NumericsError, match="The parameters are those before this step") as stop:
            run.train()
        assert all(np.isfinite(array).all() for array in net.state_dict().values())
        assert [row["epoch"] for row in folder.metrics.rows()] == run.history.epochs == list(range(run.epoch))
        runs.append(run)
        messages.append(str(stop.value))
    assert runs[0].epoch in together[-1][1:-1]
    assert messages[0] == messages[1]
    assert_same(*runs)
    told = [epoch for epoch, _ in runs[0].callbacks[0].epochs]
    assert told == runs[0].history.epochs


class Curious(Told):
    """Overrides what is told, and doesn't say anew that it can wait."""

    def epoch_end(self, run, logs):
        super().epoch_end(run, logs)


class Other(Callback):
    """May look at the run as it goes."""


def test_who_overrides_what_is_told_of_an_epoch_says_anew_that_it_can_wait():
    assert [can_wait(each) for each in (Told(), Impatient(), Curious(), Other())] == [True, False, False, False]
