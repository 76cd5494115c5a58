"""Data on which the registered things are tried, by name: a new one without a sample fails the contract tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ROWS, CLASSES = 5, 4


def _generator() -> np.random.Generator:
    return np.random.default_rng(11)


def numbers() -> tuple[np.ndarray, np.ndarray]:
    """Predictions and targets (rows, 3); their differences are far from 0 and 1, where losses have corners."""
    generator = _generator()
    target = generator.normal(size=(ROWS, 3))
    distance = generator.choice([0.3, 0.6, 1.5, 2.5], size=target.shape) * generator.choice([-1, 1], size=target.shape)
    return target + distance, target


def yes_or_no() -> tuple[np.ndarray, np.ndarray]:
    """Logits and 0/1 targets (rows, 1); the logits are away from 0 and from the margin 1."""
    generator = _generator()
    logits = generator.choice([0.4, 0.7, 1.8, 3.0], size=(ROWS, 1)) * generator.choice([-1, 1], size=(ROWS, 1))
    return logits, generator.integers(0, 2, (ROWS, 1))


def one_hot() -> tuple[np.ndarray, np.ndarray]:
    """Logits and one-hot targets (rows, classes)."""
    logits, target = class_numbers()
    return logits, np.eye(CLASSES)[target]


def class_numbers() -> tuple[np.ndarray, np.ndarray]:
    """Logits (rows, classes) and class numbers (rows,)."""
    generator = _generator()
    return generator.normal(size=(ROWS, CLASSES)) * 2, generator.integers(0, CLASSES, ROWS)


def distributions() -> tuple[np.ndarray, np.ndarray]:
    """Logits and distributions (rows, classes), one of which has a probability of 0."""
    logits, _ = class_numbers()
    target = _generator().dirichlet(np.ones(CLASSES), ROWS)
    target[0] = [0, 0.5, 0.25, 0.25]
    return logits, target


def sequences() -> tuple[np.ndarray, np.ndarray]:
    """Logits (rows, time, classes) and class numbers (rows, time), -1 where there is nothing to predict."""
    generator = _generator()
    target = generator.integers(0, CLASSES, (ROWS, 3))
    target[np.arange(3) >= np.array([3, 2, 1, 2, 3])[:, None]] = -1
    return generator.normal(size=(ROWS, 3, CLASSES)) * 2, target


Sample = Callable[[], tuple[np.ndarray, np.ndarray]]

LOSSES: dict[str, tuple[Sample, ...]] = {
    "mse": (numbers,),
    "mae": (numbers,),
    "huber": (numbers,),
    "binary_crossentropy": (yes_or_no,),
    "categorical_crossentropy": (one_hot, distributions),
    "sparse_categorical_crossentropy": (class_numbers, sequences),
    "hinge": (yes_or_no, class_numbers),
    "kl_divergence": (distributions, one_hot),
}

METRICS: dict[str, tuple[Sample, ...]] = {
    "accuracy": (yes_or_no, class_numbers, one_hot, sequences),
    "top_k_accuracy": (class_numbers, one_hot, sequences),
    "exact_match": (yes_or_no, class_numbers, one_hot, sequences),
    "precision": (yes_or_no, class_numbers, one_hot, sequences),
    "recall": (yes_or_no, class_numbers, one_hot, sequences),
    "f1": (yes_or_no, class_numbers, one_hot, sequences),
    "confusion_matrix": (yes_or_no, class_numbers, one_hot, sequences),
    "mse": (numbers,),
    "rmse": (numbers,),
    "mae": (numbers,),
    "r2": (numbers,),
}

# Options with which sum((x - 1)**2) falls within the steps that `check_optimizer` gives; the defaults suit networks.
OPTIMIZERS: dict[str, dict[str, float]] = {
    "sgd": {},
    "adagrad": {"lr": 0.1},
    "rmsprop": {},
    "adadelta": {"lr": 100.0},
    "adam": {"lr": 0.01},
    "adamw": {"lr": 0.01},
    "nadam": {"lr": 0.01},
    "lion": {"lr": 0.01},
}

SCHEDULES: dict[str, dict[str, object]] = {
    "constant": {},
    "step": {"every": 30},
    "exponential": {"every": 30},
    "cosine": {"steps": 100, "end": 1e-5},
    "warmup": {"steps": 10, "then": {"name": "cosine", "steps": 90}},
}


class Rows(NamedTuple):
    """What a model is tried with: shape of a row, outputs, size of the vocabulary if it takes tokens, options."""

    features: tuple[int, ...]
    outputs: int
    tokens: int | None = None
    options: dict[str, object] = {}  # noqa: RUF012 - never changed


TABLES = (Rows((6,), 3), Rows((4, 4, 1), 2), Rows((5,), 1))
IMAGES = (Rows((12, 12), 3), Rows((13, 12, 1), 2), Rows((12, 14, 3), 1))
SEQUENCES = (Rows((5, 3), 3), Rows((4, 1), 1))
TEXTS = (Rows((6,), 4, tokens=4), Rows((3,), 2, tokens=2))


def small(rows: tuple[Rows, ...], **options: object) -> tuple[Rows, ...]:
    """The same rows, the first of them for a small network: a deep one compiles for a minute, and promises no more."""
    return (rows[0]._replace(options=options), *rows[1:])


# A model that isn't named here takes any row of numbers, and tokens if it is told the size of their vocabulary. The
# first rows are those on which it is compiled.
MODELS: dict[str, tuple[Rows, ...]] = {
    "cnn": IMAGES,
    "lenet5": IMAGES,
    "resnet": small(IMAGES, stages=2),
    "transformer": small(SEQUENCES, layers=1, width=16, hidden=32) + TEXTS,
    "char_transformer": (
        Rows((6,), 4, 4, {"layers": 1, "width": 16, "heads": 2}),
        Rows((3,), 2, 2, {"layers": 2, "width": 32}),
    ),
    "char_rnn": small(TEXTS, layers=1, embedding=8, hidden=16),
    "rnn": SEQUENCES + TEXTS,
    "lstm": SEQUENCES + TEXTS,
    "gru": SEQUENCES + TEXTS,
    "autoencoder": (
        Rows((6,), 3, options={"hidden": [8, 4]}),
        Rows((4, 4), 1, options={"hidden": [8], "noise": 0.1}),
        Rows((8, 4, 2), 2, options={"hidden": [8, 4], "convolutional": True, "filters": [3, 4]}),
    ),
    "vae": (Rows((6,), 3, options={"hidden": [8], "latent": 2}), Rows((4, 4, 1), 1, options={"hidden": [8, 8]})),
    "gan": (Rows((6,), 3, options={"hidden": [8], "latent": 4}), Rows((4, 4, 1), 1, options={"hidden": [8, 12]})),
    "dcgan": (
        Rows((4, 8), 3, options={"filters": [3], "hidden": 6, "latent": 4}),
        Rows((8, 4, 2), 1, options={"filters": [3, 4], "hidden": 5, "dropout": 0.0}),
    ),
    "seq2seq": (Rows((5,), 6, 7, {"hidden": 8, "embedding": 4}), Rows((3,), 4, 5, {"hidden": 6, "longest": 2})),
    "seq2seq_transformer": (
        Rows((4,), 6, 7, {"width": 8, "heads": 2, "layers": 1, "hidden": 12}),
        Rows((3,), 5, 4, {"width": 8, "heads": 1, "layers": 2, "hidden": 16, "longest": 2, "dropout": 0.1}),
    ),
}
