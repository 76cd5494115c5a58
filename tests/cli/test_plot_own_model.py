"""A plugin's model gets the pictures of whatever it offers, and its samples are kept as training goes on."""

import numpy as np
import pytest

from nbdl import nn
from nbdl.hookspecs import hookimpl
from nbdl.plugins import isolated_plugins
from nbdl.train import RunFolder
from tests.cli.pictures import names_in


class Twofold(nn.Module):
    """Images through a code of two numbers, and out of two random ones."""

    task = "reconstruction"

    def __init__(self, *, outputs: int):
        self.encoder = nn.Sequential(nn.Flatten(), nn.Dense(2))
        self.decoder = nn.Dense(64, activation="sigmoid")

    def forward(self, *inputs):
        return self.decoder(self.encoder(inputs[0])).reshape(inputs[0].shape)

    def encode(self, x):
        return self.encoder.predict(x)

    def generate(self, count, seed):
        noise = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
        return self.decoder.predict(noise).reshape(-1, 8, 8, 1)


@pytest.fixture
def own_train(done, work):
    """Return a function that trains the model on digits."""

    class Plugin:
        @hookimpl
        def nbdl_models(self, register):
            register("twofold", Twofold)

    with isolated_plugins(Plugin(), installed=True):
        yield lambda *arguments: done("train", "twofold", "--data", "digits", "--workers", "1", *arguments)


def kept(run):
    return sorted(path.name for path in RunFolder.open(run).samples.glob("*"))


def test_what_a_model_offers_is_drawn(own_train, done, work):
    text = own_train("--epochs", "2", "--out", "run", "--plot").stdout
    drawn = [line.removeprefix("Drawn: ") for line in text.splitlines() if line.startswith("Drawn")]
    assert names_in(drawn) == ["curves", "filters", "reconstructions", "latent", "samples"]
    assert set(RunFolder.open("run").config()["callbacks"]) == {"best_weights", "samples"}
    assert kept("run") == [f"epoch-00{epoch}.safetensors" for epoch in range(3)]
    done("train", "--resume", "run", "--epochs", "4")
    assert len(kept("run")) == 5
    assert names_in(done("plot", "run", "--only", "samples").stdout.split()) == ["samples"]


def test_callbacks_that_are_named_take_the_place_of_the_usual_ones(own_train, done, work):
    own_train("--epochs", "1", "--out", "run", "--callback", "best_weights")
    assert kept("run") == []
    assert names_in(done("plot", "run", "--only", "samples").stdout.split()) == ["samples"]  # made now
