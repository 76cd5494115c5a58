"""What models promise: outputs, learning, saving, one compilation, a right summary."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from nbdl import random
from nbdl.nn.module import Module
from nbdl.tensor import Tensor
from nbdl.testing.functions import check_traces, interpreted
from nbdl.train.feed import Batch
from nbdl.train.saving import load
from nbdl.train.tracing import has_own_step, has_own_test

ROWS = 24


@dataclass(frozen=True)
class _Trial:
    """A model that is tried, on rows as it takes them and targets as its output has them."""

    net: Module
    x: np.ndarray
    y: np.ndarray | None

    @classmethod
    def of(cls, factory: Callable[..., Module], features: tuple[int, ...], outputs: int, tokens: int | None) -> _Trial:
        random.set_seed(0)
        generator = np.random.default_rng(0)
        net = factory(outputs=outputs) if tokens is None else factory(outputs=outputs, tokens=tokens)
        if tokens is not None:
            x = generator.integers(0, tokens, (ROWS, *features)).astype(np.int32)
        elif net.task is not None:  # what is given back, or made, are numbers from 0 to 1, as pixels are
            x = generator.random((ROWS, *features)).astype(np.float32)
        else:
            x = generator.normal(size=(ROWS, *features)).astype(np.float32)
        shape = net.eval()(x).shape
        net.compile({"name": "adam", "lr": 0.01}, cls._loss(net, outputs))
        if net.task is not None:
            assert net.task != "reconstruction" or shape == x.shape, f"it gives back {shape} for rows {x.shape}"
            return cls(net, x, x if net.task == "reconstruction" else None)
        sequences = len(features) + (tokens is not None) == 2
        assert (shape[0], shape[-1], len(shape)) in ((ROWS, outputs, 2), (ROWS, outputs, 2 + sequences)), (
            f"the output has the shape {shape} instead of ({ROWS}, {outputs}), or for sequences such with a time"
        )
        return cls(net, x, _targets_for(x, shape, generator))

    @staticmethod
    def _loss(net: Module, outputs: int) -> str | None:
        if net.task is not None:
            return None if has_own_step(net) else "mse"
        return "sparse_categorical_crossentropy" if outputs > 1 else "mse"

    @property
    def batch(self) -> Batch:
        return Batch((Tensor(self.x),), None if self.y is None else Tensor(self.y))

    @property
    def is_measured(self) -> bool:
        """Whether there is a loss that says how well it does."""
        return not has_own_step(self.net) or has_own_test(self.net)

    def loss(self) -> float:
        self.net.eval()
        try:
            return float(self.net.test_step(self.batch)["loss"])
        finally:
            self.net.train()


@interpreted()
def check_model(
    factory: Callable[..., Module],
    *,
    features: tuple[int, ...] = (6,),
    outputs: int = 3,
    tokens: int | None = None,
    steps: int = 30,
) -> None:
    """Check a model: the shape of its output, that it can be traced, and that training it lowers the loss.

    It is tried on what its `task` says: classes or numbers, its own input, or nothing. The output is `(rows, outputs)`;
    a model of sequences may answer at each position, `(rows, time, outputs)`. One that takes lengths must not look
    behind them. A network without a loss, trained by a `train_step` of its own, must move all its parameters and
    report finite numbers.

    Args:
        factory: `factory(*, outputs) -> Module`.
        features: shape of one row.
        outputs: how many outputs to ask for.
        tokens: size of the vocabulary, for a model that takes tokens (the factory is told); None for numbers.
        steps: how many steps of full-batch Adam it is given.
    """
    trial = _Trial.of(factory, features, outputs, tokens)
    net = trial.net
    assert net.parameters(), "it has no parameters to train"
    check_traces(net.eval(), trial.x)
    if "lengths" in signature(net.forward).parameters:
        _check_lengths(net, trial.x)
    net.train()
    start = trial.loss() if trial.is_measured else 0.0
    before = [each.numpy().copy() for each in net.parameters()]
    for _ in range(steps):
        logs = net.train_step(trial.batch)
    for name, log in logs.items():
        assert np.isfinite(log.numpy()).all(), f"after {steps} steps it reports {name} = {log}"
    if trial.is_measured:
        end = trial.loss()
        assert end < start, f"after {steps} steps the loss is {end:.4g}, and it was {start:.4g}"
    else:
        moved = [(each.numpy() != old).any() for each, old in zip(net.parameters(), before, strict=True)]
        assert all(moved), f"after {steps} steps {moved.count(False)} of {len(moved)} parameters have not moved"


def _targets_for(x: np.ndarray, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Targets that can be learned, for inputs and the shape of the output."""
    rows, *time, outputs = shape
    if outputs == 1:  # as numbers, these can be fitted by a probability as well
        return (x.reshape(rows, *time, -1)[..., :1] > 0).astype(np.float32)
    if x.shape == (rows, *time) and x.dtype.kind == "i":
        return (x.astype(np.int64) + 1) % outputs
    return generator.integers(0, outputs, (rows, *time))


def _check_lengths(net: Module, x: np.ndarray) -> None:
    """Check that what stands behind the end of a row makes no difference."""
    time = x.shape[1]
    lengths = np.arange(len(x)) % time + 1
    behind = (np.arange(time) >= lengths[:, None]).reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    padded, other = (np.where(behind, filling, x).astype(x.dtype) for filling in (0, 1))
    first, second = net(padded, lengths).numpy(), net(other, lengths).numpy()
    if first.ndim == 3:
        first, second = (np.where(behind.reshape(*x.shape[:2], 1), 0, each) for each in (first, second))
    np.testing.assert_allclose(first, second, rtol=1e-6, err_msg="what stands behind a row's length changes the answer")
    whole = net(x, np.full(len(x), time)).numpy()
    # the same numbers, divided by a count that is one once and the other time a sum
    np.testing.assert_allclose(whole, net(x).numpy(), rtol=1e-4, atol=1e-5, err_msg="full lengths change the answer")
    check_traces(net, padded, lengths)


def check_model_trains(
    factory: Callable[..., Module],
    *,
    features: tuple[int, ...] = (6,),
    outputs: int = 3,
    tokens: int | None = None,
) -> None:
    """Check what a model promises besides: its programs are compiled once, it is saved whole, its summary counts right.

    Args:
        factory: `factory(*, outputs) -> Module`.
        features: shape of one row.
        outputs: how many outputs to ask for.
        tokens: as for `check_model`.
    """
    trial = _Trial.of(factory, features, outputs, tokens)
    net = trial.net
    options: dict[str, Any] = {"batch_size": 8, "seed": 0, "workers": 1, "verbose": False}
    history = net.fit(trial.x, trial.y, **options)
    for name, values in history.history.items():
        assert np.isfinite(values).all(), f"after an epoch {name} is {values}"
    source = net.source()
    net.fit(trial.x, trial.y, **options)
    assert net.source() == source, "the second fit compiles another program than the first"
    with tempfile.TemporaryDirectory() as folder:
        net.save(Path(folder) / "net.nbdl")
        copy = load(Path(folder) / "net.nbdl")
    np.testing.assert_array_equal(copy.predict(trial.x), net.predict(trial.x), err_msg="loaded, it predicts otherwise")
    _check_summary(net)


def _check_summary(net: Module) -> None:
    sizes = [(each.numpy().size, each.trainable) for _, each in net.named_parameters()]
    trained = sum(size for size, trainable in sizes if trainable)
    others = sum(size for size, _ in sizes) - trained
    wanted = f"{trained:,} parameters are trained, {others:,} are not"
    table = net.summary()
    assert table.endswith(wanted), f"it has {wanted}, and the summary says:\n{table}"
