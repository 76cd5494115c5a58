"""Keras' names of activations, initializers, losses and metrics, where nbdl has others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbdl import functions

ACTIVATIONS = {"swish": "silu", "exponential": functions.exp, "log_softmax": "log_softmax"}

INITIALIZERS = {"random_normal": "normal", "random_uniform": "uniform", "one": "ones", "zero": "zeros"}

LOSSES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "huber_loss": "huber",
    "kullback_leibler_divergence": "kl_divergence",
    "kld": "kl_divergence",
    "categorical_hinge": "hinge",
}

METRICS = {
    "acc": "accuracy",
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "top_k_categorical_accuracy": "top_k_accuracy",
    "sparse_top_k_categorical_accuracy": "top_k_accuracy",
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
}


def native(names: Mapping[str, Any], given: Any) -> Any:
    """nbdl's name for Keras': upper and lower case are one, as in Keras; what isn't a name stays as it is."""
    return names.get(given.lower(), given.lower()) if isinstance(given, str) else given
