"""Small real data for the trainer's tests."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris

from nbdl.train import RunFolder, checkpoint


@pytest.fixture(scope="session")
def digits():
    """x (1797, 64) from 0 to 1, y class numbers; the same shuffled order every time."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return (data.data[order] / 16).astype(np.float32), data.target[order].astype(np.int64)


@pytest.fixture(scope="session")
def iris():
    """x (150, 4) standardised, y class numbers."""
    data = load_iris()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    return x[order].astype(np.float32), data.target[order].astype(np.int64)


@pytest.fixture
def single_steps(monkeypatch):
    """Stretches of one step and checkpoints as often as possible."""
    monkeypatch.setattr("nbdl.train.run.STRETCH", 0.0)
    for name in ("AFTER_EPOCH", "WITHIN_EPOCH", "SHARE"):
        monkeypatch.setattr(checkpoint, name, 0)


@pytest.fixture
def make(tmp_path):
    """Return a function that makes or resumes run folders, all closed at the end."""
    opened = []

    def folder(name, *, resume=False):
        opened.append(RunFolder.resume(tmp_path / name) if resume else RunFolder.create(tmp_path / name, {}))
        return opened[-1]

    yield folder
    for each in opened:
        each.close()
