"""Learning rates of all kinds, and the count of steps that schedules depend on."""

from __future__ import annotations

import numpy as np
import pytest

import nbdl
from nbdl import lazy, nn
from nbdl.errors import OptionError
from nbdl.nn import Parameter


def step_down(parameter, optimizer):
    """Multiplies the parameter by 1 - 2 * lr."""
    optimizer.zero_grad()
    nbdl.sum(parameter * parameter).backward()
    optimizer.step()


@pytest.mark.parametrize("rate", [np.float32(0.25), np.array(0.25), nbdl.Tensor(0.25), np.float64(0.25)])
def test_a_learning_rate_may_be_any_number(rate):
    parameter = Parameter([1.0, -2.0])
    optimizer = nbdl.optim.sgd(lr=rate).attach([parameter])
    step_down(parameter, optimizer)
    assert parameter.tolist() == [0.5, -1.0]
    optimizer.lr *= np.float32(0.0)
    step_down(parameter, optimizer)
    assert parameter.tolist() == [0.5, -1.0]


@pytest.mark.parametrize("rate", [None, [0.1], (0.1,), np.array([0.1]), np.nan, np.inf, -1.0])
def test_what_is_no_learning_rate_is_refused(rate):
    with pytest.raises(OptionError, match="the learning rate lr"):
        nbdl.optim.sgd(lr=rate)


def test_steps_are_counted_beyond_what_float32_holds():
    parameter = Parameter([1.0])
    optimizer = nbdl.optim.sgd(lr=0.0).attach([parameter])
    optimizer.state.step.assign(2.0**24)
    for _ in range(lazy.ROUNDS + 3):
        step_down(parameter, optimizer)
    assert int(optimizer.state.step) == 2**24 + lazy.ROUNDS + 3


def test_a_learning_rate_set_during_fit_is_used():
    class Slower(nbdl.train.Callback):
        def epoch_end(self, run, logs):
            run.net.optimizer.lr = 0.0

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)).astype(np.float32), rng.normal(size=(50, 2)).astype(np.float32)
    net = nn.Sequential(nn.Dense(2))
    net.compile("sgd", "mse")
    net.fit(x, y, epochs=1, verbose=False, seed=0)
    after_one = net[0].weight.numpy().copy()
    again = nn.Sequential(nn.Dense(2))
    again.compile("sgd", "mse")
    history = again.fit(x, y, epochs=3, verbose=False, seed=0, callbacks=[Slower()])
    assert len(history.epochs) == 3
    np.testing.assert_array_equal(again[0].weight.numpy(), after_one)
