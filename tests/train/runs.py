"""A small network, its rows, and runs of it in a folder."""

import numpy as np

import nbdl
from nbdl import nn
from nbdl.train.fitting import prepare

ROWS, BATCH, EPOCHS = 70, 16, 3  # and four steps an epoch: seven rows are for validation


def network(seed=0, optimizer="adam"):
    nbdl.set_seed(seed)
    net = nn.Sequential(nn.Dense(8, activation="tanh"), nn.Dropout(0.3), nn.Dense(3))
    net.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def rows(seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ROWS, 5)).astype(np.float32), rng.integers(0, 3, ROWS)


def train(folder, *, net=None, epochs=EPOCHS, callbacks=(), workers=1, seed=3, batch_size=BATCH, data=None):
    """Train in a folder, a step at a time, with a checkpoint after each; return the network and the history."""
    net = net or network()
    x, y = data or rows()
    options = {"epochs": epochs, "batch_size": batch_size, "workers": workers, "seed": seed, "callbacks": callbacks}
    run = prepare(net, x, y, validation_split=0.1, **options)
    run.folder = folder
    return net, run.train()


class Overflowing(nn.Module):
    """A number of its own overflows: by 1e13 a step in the third, and the loss isn't finite from the fourth on."""

    def __init__(self, growth):
        self.dense = nn.Dense(1)
        self.number = self.parameter("number", (), "ones", trainable=False)
        self.growth = growth

    def forward(self, x):
        shift = 1e-30 * self.number
        if self.training:
            self.number.assign(self.growth * self.number)
        return self.dense(x) + shift
