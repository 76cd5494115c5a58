"""Small models, one of each kind, and files for them to learn from."""

from pathlib import Path

import numpy as np

import nbdl
from nbdl import nn
from nbdl.hookspecs import hookimpl, trained_with
from nbdl.losses import mse


def chars(*, outputs: int, tokens: int, width: int = 8):
    """What follows each token, by that token alone."""
    return nn.Sequential(nn.Embedding(tokens, width), nn.Dense(outputs))


class Pool(nn.Module):
    """The mean over the steps that are there, and a dense layer."""

    def __init__(self, *, outputs: int):
        self.dense = nn.Dense(outputs)

    def forward(self, values, lengths):
        total = nbdl.sum(values, axis=1)  # what lies behind the end is zero
        return self.dense(total / nbdl.expand_dims(lengths.astype("float32"), 1))


class Squeeze(nn.Module):
    """Numbers through a narrow place and back."""

    task = "reconstruction"

    def __init__(self, *, outputs: int, width: int = 2):
        self.width = width

    def build(self, shape):
        self.code = nn.Dense(self.width)
        self.back = nn.Dense(shape[-1])
        self.label_children()

    def forward(self, x):
        return self.back(self.code(x))


class Mean(nn.Module):
    """Makes rows up: after all, it knows one."""

    task = "generation"

    def __init__(self, *, outputs: int):
        pass

    def build(self, shape):
        self.row = self.parameter("row", shape[1:], "zeros")

    def forward(self, x):
        return 0 * x + self.row

    def train_step(self, batch):
        assert batch.target is None
        loss = mse(self(batch.x), batch.x)
        self.optimizer.minimize(loss, self.parameters())
        return {"distance": loss}


@trained_with(loss="sparse_categorical_crossentropy", metrics=["exact_match"], optimizer={"name": "sgd", "lr": 0.5},
              train={"epochs": 3, "batch_size": 7})
class Parrot(nn.Module):
    """Each target token by the one before it."""

    def __init__(self, *, outputs: int, tokens: int):
        self.inside = chars(outputs=outputs, tokens=outputs)

    def forward(self, x):
        return self.inside(x)

    def train_step(self, batch):
        start = nbdl.ones_like(batch.y[:, :1])
        before = nbdl.concat([start, nbdl.maximum(batch.y, 0)[:, :-1]], axis=1)
        loss = self._loss(self(before), batch.y)
        self.optimizer.minimize(loss, self.parameters())
        return {"loss": loss}

    def test_step(self, batch):
        return {"loss": self._loss(self(nbdl.maximum(batch.y, 0)), batch.y)}

    def decode(self, x):
        return np.tile(np.array([3, 4, 2, 3]), (len(x), 1))


class Models:
    @hookimpl
    def nbdl_models(self, register):
        register("chars", chars)
        register("pool", Pool)
        register("squeeze", Squeeze)
        register("mean", Mean)
        register("parrot", Parrot)


def write_text(path: Path, lines: int = 60) -> None:
    """Write verses of which each letter is followed by one of few."""
    rng = np.random.default_rng(0)
    path.write_text("\n".join("".join(rng.choice(["ba", "na", "nu"], 6)) for _ in range(lines)) + "\n")


def write_sequences(path: Path, rows: int = 40, lengths: tuple[int, int] = (3, 9), seed: int = 0) -> None:
    """Write a .ts file of two channels: the label is that of the higher one."""
    rng = np.random.default_rng(seed)
    lines = ["@problemName tones", "@classLabel true first second", "@data"]
    for row in range(rows):
        values = rng.normal(size=(2, rng.integers(lengths[0], lengths[1] + 1)))
        values[row % 2] += 2
        channels = [",".join(f"{value:.4f}" for value in channel) for channel in values]
        lines.append(":".join([*channels, ("first", "second")[row % 2]]))
    path.write_text("\n".join(lines) + "\n")


def write_series(path: Path, rows: int = 120, seed: int = 0) -> np.ndarray:
    """Write a CSV file of a wave with noise; return the wave."""
    wave = np.round(np.sin(np.arange(rows) * 0.7) * 50 + 100 + np.random.default_rng(seed).normal(size=rows), 2)
    path.write_text("hour,power\n" + "".join(f"{hour}h,{value}\n" for hour, value in enumerate(wave)))
    return wave
