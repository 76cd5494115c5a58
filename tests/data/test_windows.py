"""Windows that overlap in memory: what they hold, what they take, and that programs read them as they lie."""

import numpy as np
import pytest

from nbdl import nn
from nbdl.data import Dataset, Split
from nbdl.data.windows import elements, windows

SERIES = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (5, 1), (5, 3), (5, 5), (5, 8), (500, 1)])
@pytest.mark.parametrize("channels", [True, False])
def test_against_slices(length, stride, channels):
    series = SERIES if channels else SERIES[:, 0]
    expected = [series[start : start + length] for start in range(0, len(series) - length + 1, stride)]
    np.testing.assert_array_equal(windows(series, length, stride), expected)


def test_too_long_a_window():
    assert windows(SERIES, 501).shape == (0, 501, 3)


def test_nothing_is_copied_and_nothing_can_be_changed():
    rows = windows(SERIES, 64)
    assert np.shares_memory(rows, SERIES)
    assert not rows.flags.writeable


@pytest.mark.parametrize(("rows", "expected"), [
    (windows(SERIES, 7), SERIES),
    (windows(SERIES, 7, 3), SERIES[:499]),
    (windows(SERIES, 7, 9), windows(SERIES, 7, 9)),
    (windows(SERIES[:7], 7), SERIES[:7]),
    (SERIES, SERIES),
    (SERIES[::2], SERIES[::2]),
    (SERIES[:, 1], SERIES[:, 1]),
    (SERIES[:, None, :2], SERIES[:, :2]),
])
def test_elements_are_those_that_are_stored(rows, expected):
    np.testing.assert_array_equal(elements(rows), expected.reshape(-1))


@pytest.mark.parametrize("workers", [1, 2])
def test_training_on_them_gives_the_same_bits(workers):
    def trained(x):
        net = nn.Sequential(nn.Flatten(), nn.Dense(1, kernel_initializer="ones")).compile("sgd", "mse")
        history = net.fit(x, SERIES[4:, 0], epochs=2, seed=0, workers=workers, verbose=False)
        return history["loss"], net.predict(x, workers=workers)

    one, two = trained(windows(SERIES, 5)), trained(windows(SERIES, 5).copy())
    assert one[0] == two[0]
    np.testing.assert_array_equal(one[1], two[1])


def test_a_data_set_does_not_copy_them():
    data = Dataset("series", "regression", Split(windows(SERIES, 5), SERIES[4:, 0]))
    assert np.shares_memory(data.train.values, SERIES)


def test_an_epoch_draws_its_rows_anew():
    """As many steps as the rows of an epoch need, and other rows each time."""
    x, seen = np.arange(100, dtype=np.float32).reshape(-1, 1), []

    class Watch(nn.Module):
        def build(self, shape):
            self.weight = self.parameter("weight", (1,), "zeros")

        def forward(self, x):
            return x * self.weight

    net = Watch().compile({"name": "sgd", "lr": 0.0}, "mse")
    data = Dataset("numbers", "regression", Split(x, x), epoch_rows=10)
    for options in ({}, {"epoch_rows": 25}, {"epoch_rows": 1000}):
        history = net.fit(data, epochs=3, batch_size=4, seed=0, verbose=False, **options)
        seen.append(history["loss"])
    drawn = [np.random.Generator(np.random.Philox(key=[0, epoch])).permutation(100)[:10] for epoch in range(3)]
    np.testing.assert_allclose(seen[0], [np.mean(rows.astype(float) ** 2) for rows in drawn], rtol=1e-6)
    assert len(set(seen[1])) == 3
    np.testing.assert_allclose(seen[2], [np.mean(np.arange(100.0) ** 2)] * 3, rtol=1e-6)
