"""Runs that are stopped and go on: the bits must be those of a run that was never stopped."""

import numpy as np
import pytest

from nbdl import nn
from nbdl.errors import InterruptedTraining, RunError
from nbdl.tensor_files import load_tensors
from nbdl.train import Callback, RunFolder, checkpoint
from nbdl.train.fitting import prepare
from tests.train.runs import BATCH, ROWS, network, rows, train

pytestmark = pytest.mark.usefixtures("single_steps")


class StopAfter(Callback):
    """Raise an error after a number of stretches, as a kill would come; or ask for the end by Ctrl-C."""

    def __init__(self, stretches, error=RuntimeError):
        self.left, self.error = stretches, error

    def progress(self, run):
        self.left -= 1
        if self.left == 0:
            if self.error is InterruptedTraining:
                run._interrupted = True
            else:
                raise self.error("killed")


def stopped(make, name, callbacks=(), **options):
    """Start a run that ends with an error, and open its folder again."""
    folder = make(name)
    with pytest.raises((RuntimeError, InterruptedTraining)):
        train(folder, callbacks=callbacks, **options)
    folder.close()
    return make(name, resume=True)


def assert_same(first, second):
    for name in ("weights_file", "state_file"):
        one, two = (load_tensors(getattr(folder, name))[0] for folder in (first, second))
        assert one.keys() == two.keys()
        for key in one:
            assert one[key].tobytes() == two[key].tobytes(), f"{name}: {key} differs"
    assert first.metrics.rows() == second.metrics.rows()


@pytest.mark.parametrize("stretches", [1, 4, 5, 6, 11])
@pytest.mark.parametrize("error", [RuntimeError, InterruptedTraining])
def test_a_run_goes_on_bit_for_bit(make, stretches, error):
    whole = make("whole")
    _, history = train(whole, callbacks=[StopAfter(-1)])
    folder = stopped(make, "stopped", [StopAfter(stretches, error)])
    _, resumed = train(folder, callbacks=[StopAfter(-1)])
    assert_same(whole, folder)
    assert resumed.rows == history.rows
    assert resumed.epochs == [0, 1, 2]


def test_the_test_can_fail(make):
    """Another seed, or another order of rows, does give other bits."""
    first, second = make("first"), make("second")
    train(first)
    train(second, seed=4)
    with pytest.raises(AssertionError):
        assert_same(first, second)


@pytest.mark.parametrize(
    "optimizer",
    [{"name": "sgd", "lr": {"name": "cosine", "steps": 12, "lr": 0.1}, "momentum": 0.9}, "rmsprop", "nadam"],
    ids=str,
)
def test_every_slot_and_the_schedule_go_on(make, optimizer):
    whole = make("whole")
    train(whole, net=network(optimizer=optimizer), callbacks=[StopAfter(-1)])
    folder = stopped(make, "stopped", [StopAfter(7)], net=network(optimizer=optimizer))
    train(folder, net=network(optimizer=optimizer), callbacks=[StopAfter(-1)])
    assert_same(whole, folder)


def test_callbacks_go_on(make):
    def callbacks(stop):
        plateau = {"name": "reduce_on_plateau", "monitor": "loss", "patience": 1, "min_delta": 10.0, "factor": 0.5}
        return [StopAfter(stop), plateau, {"name": "best_weights", "monitor": "loss"}]

    whole = make("whole")
    train(whole, epochs=5, callbacks=callbacks(-1))
    folder = stopped(make, "stopped", callbacks(13), epochs=5)
    train(folder, epochs=5, callbacks=callbacks(-1))
    assert_same(whole, folder)
    scale = load_tensors(folder.state_file)[0]["program.lr_scale"]
    assert scale == 0.5**4  # it was really lowered: after each epoch but the first


@pytest.mark.parametrize(
    "extra", [[], [{"name": "best_weights", "monitor": "val_loss", "mode": "min"}]], ids=["", "best"]
)
def test_more_epochs_than_at_first_give_the_same_bits(make, extra):
    """Also when the first run put older weights back at its end: the longer one goes on from its last ones."""
    whole, short = make("whole"), make("short")
    train(whole, epochs=5, callbacks=extra)
    train(short, epochs=2, callbacks=extra)
    train(short, epochs=5, callbacks=extra)
    assert_same(whole, short)


def test_two_workers_go_on_bit_for_bit(make):
    whole = make("whole")
    train(whole, workers=2, callbacks=[StopAfter(-1)])
    folder = stopped(make, "stopped", [StopAfter(8)], workers=2)
    train(folder, workers=2, callbacks=[StopAfter(-1)])
    assert_same(whole, folder)


def test_best_weights_are_what_the_network_has_at_the_end(make):
    folder = make("run")
    best = {"name": "best_weights", "monitor": "val_loss", "mode": "min"}
    net, history = train(folder, epochs=3, callbacks=[best])
    losses = history["val_loss"]
    assert min(losses) != losses[-1]  # else this run shows nothing
    for weights in (folder.load_weights()[0], folder.load_weights(best=True)[0]):
        assert all(np.array_equal(value, weights[name]) for name, value in net.state_dict().items())
    assert net.evaluate(*[part[-7:] for part in rows()])["loss"] == pytest.approx(min(losses), rel=1e-5)


def test_a_run_that_a_callback_stopped_is_over_until_more_epochs_are_asked_for(make):
    folder = make("run")
    stop = {"name": "early_stopping", "monitor": "loss", "min_delta": 10.0, "patience": 2}
    _, history = train(folder, epochs=8, callbacks=[stop])
    assert len(history) == 3
    _, again = train(folder, epochs=8, callbacks=[stop])
    assert (len(again), again.stopped) == (3, history.stopped)
    _, more = train(folder, epochs=9, callbacks=[stop])
    assert len(more) == 4


def test_a_stop_in_the_middle_of_an_epoch(make):
    class Stop(Callback):
        def progress(self, run):
            if run.step == 7:
                run.stop("enough")

    folder = make("run")
    _, history = train(folder, callbacks=[Stop()])
    assert (len(history), history.stopped) == (1, "enough")
    assert folder.load_checkpoint().meta["epoch_step"] == 3  # four steps an epoch without the validation rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 9}, "had seed 3, and this one has 9"),
        ({"workers": 2}, "had workers 1, and this one has 2"),
        ({"batch_size": 8}, "had batch_size 16, and this one has 8"),
        ({"net": network(optimizer="sgd")}, "another network or optimizer: of the state"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_another_run_is_refused(make, options, message):
    folder = make("run")
    train(folder, epochs=1)
    before = folder.state_file.read_bytes()
    with pytest.raises(RunError, match=message):
        train(folder, **options)
    assert folder.state_file.read_bytes() == before


def test_another_network_is_refused(make):
    folder = make("run")
    train(folder, epochs=1)
    other = nn.Sequential(nn.Dense(9, activation="tanh"), nn.Dropout(0.3), nn.Dense(3))
    other.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(RunError, match=r"'layers.0.bias' differs: the checkpoint has it as float32 \(8,\)"):
        train(folder, net=other)


def test_a_damaged_checkpoint_is_refused(make):
    folder = make("run")
    train(folder, epochs=1)
    weights, state, meta = folder.load_weights()[0], *load_tensors(folder.state_file)
    del meta["epoch"], meta["checkpoint"]
    folder.save_checkpoint(weights, state, meta)
    with pytest.raises(RunError, match="is damaged: KeyError 'epoch'"):
        train(folder)


# --- without a folder -------------------------------------------------------------------------------------------------


def test_speed_does_not_count_the_compilation():
    x, y = rows()
    run = prepare(network(), x, y, epochs=2, batch_size=BATCH, seed=0, workers=1)
    assert run.samples_per_second == 0
    run.train()
    assert run._rows_done == 2 * ROWS - BATCH
    assert run.step == 10


def test_only_as_many_checkpoints_as_are_worth_it(make, monkeypatch):
    monkeypatch.setattr(checkpoint, "AFTER_EPOCH", 1.0)
    monkeypatch.setattr(checkpoint, "WITHIN_EPOCH", 30.0)
    saved = []
    save = RunFolder.save_checkpoint
    monkeypatch.setattr(RunFolder, "save_checkpoint", lambda *given: saved.append(given[3]["epoch"]) or save(*given))
    train(make("run"), epochs=20)
    assert (saved[0], saved[-1]) == (0, 20)
    assert len(saved) < 10  # twenty short epochs don't take seconds, unless the machine hangs
