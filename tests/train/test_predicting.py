"""`predict` again and again: quick as long as the network is as it was, and right when it isn't any more."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.codegen import schedule
from nbdl.codegen.program import Program
from nbdl.errors import DataError
from nbdl.train import predicting, tracing
from nbdl.train.feed import make_feed

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


@pytest.fixture
def recorded(monkeypatch):
    """A list that gets an entry each time a network is recorded for predictions."""
    calls = []
    trace = tracing.trace_prediction
    monkeypatch.setattr(tracing, "trace_prediction", lambda *given: calls.append(given) or trace(*given))
    return calls


class Scaled(nn.Module):
    def __init__(self, factor=2.0):
        self.factor = factor
        self.options = ({"shift": [0.0]},)
        self.layers = [nn.Dense(4, "tanh"), nn.Dense(2)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.factor * x + self.options[0]["shift"][0]


def by_hand(net, x=X):
    return net(np.asarray(x, np.float32)).numpy()


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # float32, products in another order


def test_a_network_is_recorded_once_for_a_shape(recorded):
    net = Scaled()
    for x in (X, 2 * X, X[::-1].copy(), X.astype(np.float64), X.tolist()):
        close(net.predict(x), by_hand(net, x))
    assert len(recorded) == 1
    close(net.predict(X[:1]), by_hand(net)[:1])
    close(net.predict(X), by_hand(net))
    assert len(recorded) == 2


def test_predictions_are_arrays_of_their_own():
    net = Scaled()
    first = net.predict(X)
    kept = first.copy()
    second = net.predict(2 * X)
    assert not np.shares_memory(first, second)
    assert (first == kept).all()


def reassigned(net):
    net.layers[0].weight.assign(np.ones((3, 4), np.float32))


def rescaled(net):
    net.factor = 5.0


def shifted(net):
    net.options[0]["shift"][0] = 3.0


def lengthened(net):
    net.layers.append(nn.Dense(3, "tanh"))


def exchanged(net):
    net.layers[1] = nn.Dense(2, "tanh")
    net(X)


def trained(net):
    net.compile({"name": "sgd", "lr": 0.5}, "mse").fit(X, X[:, :2], epochs=3, verbose=False)


def stepped(net):
    optimizer = nbdl.optim.sgd(lr=0.5)
    optimizer.attach(net.parameters())
    nbdl.mean(net(X) ** 2).backward()
    optimizer.step()


def loaded(net):
    net.load_state_dict({name: value + 1 for name, value in net.state_dict().items()})


@pytest.mark.parametrize("change", [reassigned, rescaled, shifted, lengthened, exchanged, trained, stepped, loaded])
def test_what_changes_in_a_network_changes_its_predictions(change):
    net = Scaled()
    before = net.predict(X)
    change(net)
    after = net.predict(X)
    close(after, by_hand(net))
    assert after.shape != before.shape or not np.allclose(after, before)
    close(net.predict(X), after)


def test_training_on_is_seen_without_being_recorded_again(recorded):
    net = Scaled().compile("adam", "mse")
    net.fit(X, X[:, :2], epochs=1, verbose=False)
    net.predict(X)
    net.layers[0].weight.node.value[...] += 0.5  # as a program does: in place
    close(net.predict(X), by_hand(net))
    assert len(recorded) == 1


def test_values_that_are_not_finite_are_refused_each_time():
    net = Scaled()
    net.predict(X)
    wrong = X.copy()
    wrong[2, 1] = np.nan
    with pytest.raises(DataError, match=r"first at \(2, 1\)"):
        net.predict(wrong)
    net.predict(np.full((6, 3), 3e38, np.float32))  # finite, though their sum is not


class Hidden(nn.Module):
    """Shows nothing of what it is given."""

    def forward(self, *inputs):
        return nbdl.where(nbdl.isfinite(inputs[0]), 1.0, 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"batch_size": 4}, {"batch_size": 1, "workers": 3}])
def test_values_that_are_not_finite_are_found_wherever_they_are(value, options):
    net, right = Hidden(), np.ones((7, 5, 3), np.float32)
    for row in range(7):
        wrong = right.copy()
        wrong[row, row % 5, row % 3] = value
        for inputs in (wrong, (right, wrong), (wrong, right)):
            assert (net.predict(right, **options) == 1).all()
            with pytest.raises(DataError, match=rf"first at \({row}, {row % 5}, {row % 3}\)"):
                net.predict(inputs, **options)


@pytest.mark.parametrize("units", [2, 40])
@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"batch_size": 1, "workers": 3}])
def test_values_that_are_not_finite_show_in_a_product(units, options):
    """Also where all weights are zero; a smaller product is looked at in place of the rows."""
    net = nn.Sequential(nn.Flatten(), nn.Dense(units, "relu", kernel_initializer="zeros"), nn.Dense(1))
    right = np.ones((7, 5, 3), np.float32)
    for value in (np.nan, np.inf, -np.inf):
        wrong = right.copy()
        wrong[4, 3, 2] = value
        assert (net.predict(right, **options) == 0).all()
        with pytest.raises(DataError, match=r"first at \(4, 3, 2\)"):
            net.predict(wrong, **options)
    assert ("x[i, j]" in net.source("prediction")) == (units > 5 * 3)


def test_values_that_are_not_finite_are_found_where_no_product_has_all_of_them():
    net, right = nn.Sequential(nn.Activation("relu"), nn.Dense(2)), np.ones((7, 5), np.float32)
    wrong = right.copy()
    wrong[4, 3] = -np.inf
    net.predict(right)
    with pytest.raises(DataError, match=r"first at \(4, 3\)"):
        net.predict(wrong)


def test_tokens_are_checked_each_time():
    net = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Dense(2))
    tokens = np.array([[0, 1, 4], [2, 2, 3]])
    close(net.predict(tokens), net(tokens).numpy())
    close(net.predict(4 - tokens), net(4 - tokens).numpy())
    with pytest.raises(DataError, match="5"):
        net.predict(tokens + 1)


def test_rows_that_were_predicted_are_not_kept():
    net, x = Scaled(), X.copy()
    seen = weakref.ref(x)
    net.predict(x)
    net.predict(x)
    del x
    gc.collect()
    assert seen() is None


def test_few_programs_are_kept():
    net = Scaled()
    for rows in range(1, 7):
        net.predict(X[:rows])
    assert len(net._predictions) == predicting.KEPT


def test_debugged_networks_are_never_kept(recorded):
    net = Scaled().compile("sgd", "mse", debug=True)
    close(net.predict(X), by_hand(net))
    net.factor = 3.0
    close(net.predict(X), by_hand(net))
    assert not recorded


def test_threads_may_predict_at_once():
    net = Scaled()
    net.predict(X)
    wrong = []

    def predict(seed):
        x = np.random.default_rng(seed).normal(size=X.shape).astype(np.float32)
        expected = by_hand(net, x)
        wrong.extend(seed for _ in range(200) if not np.allclose(net.predict(x), expected, rtol=1e-4, atol=1e-5))

    threads = [threading.Thread(target=predict, args=(seed,)) for seed in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


@pytest.mark.parametrize("workers", [2, 3])
def test_after_ctrl_c_predictions_are_right(monkeypatch, workers):
    """It comes before the compiled call, in one of the workers; more than one step is to be done afterwards."""
    net = Scaled()
    before = net.predict(X, workers=workers, batch_size=2)
    real = Program._compile

    def interrupted(self, arguments):
        monkeypatch.setattr(Program, "_compile", real)
        raise KeyboardInterrupt

    for _ in range(3):
        monkeypatch.setattr(Program, "_compile", interrupted)
        with pytest.raises(KeyboardInterrupt):
            net.predict(X, workers=workers, batch_size=2)
        np.testing.assert_array_equal(net.predict(X, workers=workers, batch_size=2), before)


def test_several_workers_predict_the_same():
    net = Scaled()
    close(net.predict(X, workers=2), by_hand(net))
    close(net.predict(2 * X, workers=2), by_hand(net, 2 * X))
    close(net.predict(X, batch_size=4), by_hand(net))
    close(net.predict(2 * X, batch_size=4), by_hand(net, 2 * X))


SERIES = np.random.default_rng(1).normal(size=70).astype(np.float32)
LAYOUTS = {
    "contiguous": SERIES[:63].reshape(21, 3),
    "every other row": SERIES[:66].reshape(22, 3)[::2],
    "backwards": SERIES[:63].reshape(21, 3)[::-1],
    "columns first": SERIES[:63].reshape(3, 21).T,
    "overlapping windows": np.lib.stride_tricks.sliding_window_view(SERIES, 3),
    "windows that lie apart": np.lib.stride_tricks.sliding_window_view(SERIES, 3)[::5],
    "the same row": np.broadcast_to(SERIES[:3], (7, 3)),
    "one row": SERIES[:3].reshape(1, 3),
}


class Mirrored(nn.Module):
    """Returns its input, which nothing computes."""

    def forward(self, x):
        return x


class Cut(nn.Module):
    """Returns a part of what it computes."""

    def forward(self, x):
        return (2.0 * x)[:, 1:]


class Lengthened(nn.Module):
    """Computes the parts of its result apart."""

    def forward(self, x):
        return nbdl.concat([2.0 * x, x + 1.0], axis=1).reshape(-1, 2, 3)


class Summed(nn.Module):
    """Has two inputs, and one number for a row."""

    def forward(self, x, y):
        return nbdl.sum(x * y, axis=1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("network", [Scaled, Mirrored, Cut, Lengthened])
def test_rows_are_read_from_wherever_they_lie(network, layout):
    net, x = network(), LAYOUTS[layout]
    expected = by_hand(net, x)
    for options in ({}, {"workers": 3}, {"batch_size": 2}, {"workers": 2, "batch_size": 5}):
        for _ in range(2):
            close(net.predict(x, **options), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_may_lie_differently(layout):
    x = LAYOUTS[layout]
    y = np.arange(x.size, dtype=np.float32).reshape(x.shape)
    for inputs in ((x, y), (y, x)):
        close(Summed().predict(inputs, workers=2, batch_size=4), (x * y).sum(axis=1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_in_blocks_are_read_from_wherever_they_lie(layout, monkeypatch):
    monkeypatch.setattr(schedule, "rows_at_a_time", lambda plan: 2 if plan.block_kernels else None)
    net, x = Scaled(), LAYOUTS[layout]
    close(net.predict(x, workers=2, batch_size=15), by_hand(net, x))
    assert "some_rows(" in tracing.trace_prediction(net, make_feed(x))[0].program.source


def test_rows_that_follow_one_another_are_not_copied():
    def source(layout):
        return tracing.trace_prediction(Scaled(), make_feed(LAYOUTS[layout]))[0].program.source

    assert "take_rows(" in source("overlapping windows")
    assert "take_rows(" not in source("contiguous")
    assert "put_rows(" not in source("contiguous")


@pytest.mark.parametrize("layout", ["contiguous", "overlapping windows"])
def test_rows_are_measured_wherever_they_lie(layout):
    net, x = Scaled().compile("sgd", "mse"), LAYOUTS[layout]
    y = by_hand(net, x) + np.arange(len(x), dtype=np.float32)[:, None]
    loss = net.evaluate(x, y, workers=2, batch_size=6)["loss"]
    assert loss == pytest.approx(np.mean((by_hand(net, x) - y) ** 2), rel=1e-5)
