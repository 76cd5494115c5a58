"""The callback that keeps what a network generates: which epochs, which files, and that training doesn't notice."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl import nn
from nbdl.errors import OptionError
from nbdl.resolve import resolve
from nbdl.tensor_files import load_tensors
from nbdl.train.fitting import prepare
from nbdl.train.runfolder import RunFolder
from tests.plugins_builtin.test_callbacks import Run


class Decoder(nn.Module):
    """Makes rows of what it learns to give back: enough of a generator."""

    def __init__(self) -> None:
        self.layer = nn.Dense(3)

    def forward(self, *inputs):
        return self.layer(inputs[0])

    def generate(self, count: int, seed: int = 0) -> np.ndarray:
        return self.layer.predict(np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32))


def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    return x, x[:, :3] * 2


def train(folder: RunFolder | None, epochs: int, callbacks: list) -> tuple[Decoder, list[np.ndarray]]:
    """Train with these callbacks; return the network, and what it generated after each epoch."""
    import nbdl

    nbdl.set_seed(0)
    net = Decoder().compile({"name": "adam", "lr": 0.05}, "mse")
    seen = []

    class Watch(nbdl.train.Callback):
        def epoch_end(self, run, logs):
            seen.append(net.generate(5, seed=7))

    run = prepare(net, *rows(), epochs=epochs, batch_size=8, callbacks=[*callbacks, Watch()], seed=0)
    run.folder = folder
    run.train()
    return net, seen


def kept(folder: RunFolder) -> list[int]:
    return sorted(int(path.stem.removeprefix("epoch-")) for path in folder.samples.iterdir())


def test_it_keeps_what_the_network_generates_after_each_epoch(tmp_path):
    with RunFolder.create(tmp_path / "run", {}) as folder:
        _, seen = train(folder, 4, [{"name": "samples", "count": 5, "seed": 7}])
    assert kept(folder) == [0, 1, 2, 3, 4]
    for epoch, samples in enumerate(seen, start=1):
        arrays, meta = load_tensors(folder.samples / f"epoch-{epoch:03}.safetensors")
        assert meta == {"epoch": epoch}
        assert arrays["samples"].dtype == np.float16
        np.testing.assert_array_equal(arrays["samples"], samples.astype(np.float16))
    assert not np.array_equal(seen[0], seen[-1])


def test_training_ends_the_same_with_it_and_without(tmp_path):
    with RunFolder.create(tmp_path / "run", {}) as folder:
        watched, _ = train(folder, 3, ["samples"])
    alone, _ = train(None, 3, [])
    for name, array in alone.state_dict().items():
        np.testing.assert_array_equal(watched.state_dict()[name], array)


@pytest.mark.parametrize(("epochs", "left"), [(4, [0, 1, 2, 3, 4]), (5, [0, 2, 4, 5]), (10, [0, 4, 8, 10])])
def test_the_number_of_epochs_that_are_kept_is_bounded(tmp_path, epochs, left):
    with RunFolder.create(tmp_path / "run", {}) as folder:
        callback = resolve("callbacks", {"name": "samples", "count": 2, "most": 4})
        run = Run(epochs, folder)
        run.net = type("Net", (), {"generate": lambda self, count, seed: np.zeros((count, 3))})()
        callback.run_start(run)
        for epoch in range(epochs):
            run.epoch = epoch
            callback.epoch_end(run, {})
    assert kept(folder) == left


def test_what_it_refuses(tmp_path):
    with pytest.raises(OptionError, match="at least 1, not 0 and 32"):
        resolve("callbacks", {"name": "samples", "count": 0})
    callback = resolve("callbacks", "samples")
    run = Run()
    run.net = object()
    with pytest.raises(OptionError, match="keeps files in the run's folder, and this run has none"):
        callback.run_start(run)
    with RunFolder.create(tmp_path / "run", {}) as run.folder, pytest.raises(OptionError, match="has generate"):
        callback.run_start(run)
