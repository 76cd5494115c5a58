"""`keras.metrics`: nbdl's metrics by Keras' names."""

from __future__ import annotations

from typing import Any

from nbdl.compat.keras.losses import get as loss_of
from nbdl.compat.keras.names import METRICS, native
from nbdl.compat.naming import missing
from nbdl.resolve import resolve


def get(metric: Any) -> Any:
    """What nbdl's `compile` takes; in the history it has the name that it was given by."""
    if isinstance(metric, str):
        return named(metric, native(METRICS, metric))
    return metric if hasattr(metric, "sums") else loss_of(metric)


def named(name: str, native_name: str, **options: Any) -> Any:
    """A native metric that reports under another name."""
    if name == native_name and not options:
        return name
    made = resolve("metrics", {"name": native_name, **options})
    made.name = name
    return made


def Accuracy(name: str = "accuracy") -> Any:  # noqa: N802 - Keras' name
    """The metric `accuracy`."""
    return named(name, "accuracy")


def SparseCategoricalAccuracy(name: str = "sparse_categorical_accuracy") -> Any:  # noqa: N802
    """The metric `accuracy`."""
    return named(name, "accuracy")


def CategoricalAccuracy(name: str = "categorical_accuracy") -> Any:  # noqa: N802
    """The metric `accuracy`."""
    return named(name, "accuracy")


def BinaryAccuracy(name: str = "binary_accuracy", threshold: float = 0.5) -> Any:  # noqa: N802
    """The metric `accuracy`."""
    return named(name, "accuracy", threshold=threshold)


def Precision(name: str = "precision") -> Any:  # noqa: N802
    """The metric `precision`."""
    return named(name, "precision")


def Recall(name: str = "recall") -> Any:  # noqa: N802
    """The metric `recall`."""
    return named(name, "recall")


def MeanSquaredError(name: str = "mean_squared_error") -> Any:  # noqa: N802
    """The metric `mse`."""
    return named(name, "mse")


def MeanAbsoluteError(name: str = "mean_absolute_error") -> Any:  # noqa: N802
    """The metric `mae`."""
    return named(name, "mae")


def RootMeanSquaredError(name: str = "root_mean_squared_error") -> Any:  # noqa: N802
    """The metric `rmse`."""
    return named(name, "rmse")


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
