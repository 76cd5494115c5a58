"""Evaluate and predict: as many rows at once as working memory allows, and predictions again and again."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl import nn
from nbdl.train.measuring import WORKING_MEMORY, Prediction
from tests.train.networks import line


class Wide(nn.Module):
    """Each row needs a megabyte on the way."""

    def build(self, shape):
        self.wide, self.narrow = nn.Dense(250_000, "tanh"), nn.Dense(1)

    def forward(self, x):
        return self.narrow(self.wide(x))


def test_rows_that_need_much_memory_are_taken_a_few_at_a_time():
    x = np.random.default_rng(0).normal(size=(41, 2)).astype(np.float32)
    net = Wide().compile("sgd", "mse")
    prediction = Prediction(net, x)
    assert prediction.bound.program.plan.row_bytes * prediction.batch <= WORKING_MEMORY
    assert 1 < prediction.batch < len(x)
    expected = prediction.run().copy()
    np.testing.assert_allclose(net.predict(x, batch_size=3), expected, rtol=1e-5)
    loss = net.evaluate(x, np.zeros((41, 1)))["loss"]
    assert loss == pytest.approx(np.mean(expected**2), rel=1e-4)  # 250 000 products in another order


def test_rows_written_in_place_are_predicted():
    net = nn.Sequential(nn.Dense(1, kernel_initializer="ones"))
    x = np.array([[1.0, 2.0]], np.float32)
    prediction = Prediction(net, x)
    assert prediction.run().tolist() == [[3.0]]
    x[:] = 5
    assert prediction.run().tolist() == [[10.0]]


@pytest.mark.parametrize("debug", [False, True])
def test_a_network_in_eval_mode_stays_so(debug):
    x, y = line(rows=40)
    net = nn.Sequential(nn.Dense(4), nn.BatchNorm(), nn.Dropout(0.5), nn.Dense(1))
    net.compile("sgd", "mse", debug=debug)
    net.fit(x, y, verbose=False)
    net.eval()
    net.layers[2].train()
    before = net.state_dict()
    net.predict(x), net.evaluate(x, y), net.predict(x[:3])
    assert [each.training for each in net.modules()] == [False, False, False, True, False]
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
