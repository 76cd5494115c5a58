"""Recurrent networks that forecast: from the last value of the series on."""

import numpy as np
import pytest

from nbdl.plugins import lookup


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_a_forecast_starts_from_the_last_value(name):
    """With nothing learned it is the persistence forecast, at all horizons; not if it isn't to be relative."""
    model = lookup("models", name)
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    net = model.make(outputs=2, series=1, hidden=4)
    untold = model.make(outputs=2, series=1, hidden=4, relative=False)
    for each in (net, untold):
        each.predict(x[:1])  # makes the parameters
        each.answer.weight.assign(np.zeros((4, 2), np.float32))
    np.testing.assert_array_equal(net.predict(x), np.repeat(x[:, -1, 1:2], 2, axis=1))
    np.testing.assert_array_equal(untold.predict(x), 0)
