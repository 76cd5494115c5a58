"""Networks and rows that several tests train."""

import numpy as np

import nbdl
from nbdl import nn


def classifier(*hidden, outputs=10, loss="sparse_categorical_crossentropy", optimizer="adam", metrics=("accuracy",)):
    nbdl.set_seed(0)
    net = nn.Sequential(*[nn.Dense(width, activation="relu") for width in hidden], nn.Dense(outputs))
    return net.compile(optimizer, loss, metrics)


def weights_of(net):
    return np.concatenate([array.ravel() for array in net.state_dict().values()])


def line(rows=200, seed=0):
    """Rows of a plane with little noise: x (rows, 3), y (rows,)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return x, (x @ [1.0, -2.0, 0.5] + 0.3 + 0.01 * rng.normal(size=rows)).astype(np.float32)
