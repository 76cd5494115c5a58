"""The names by which messages and comments call layers."""

import numpy as np

from nbdl import nn


def labels(net):
    return [layer._label for layer in net]


def test_layers_that_are_added_one_by_one_are_numbered_like_those_that_come_together():
    together = nn.Sequential(nn.Dense(3), nn.Flatten(), nn.Dense(2), nn.Dense(1))
    one_by_one = nn.Sequential()
    for layer in (nn.Dense(3), nn.Flatten(), nn.Dense(2), nn.Dense(1)):
        one_by_one.add(layer)
    assert labels(together) == labels(one_by_one) == ["dense_1", "flatten_1", "dense_2", "dense_3"]
    lines = one_by_one.summary(np.ones((2, 4), np.float32)).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == labels(one_by_one)
