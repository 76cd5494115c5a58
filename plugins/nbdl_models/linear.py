"""Models without hidden layers. Their losses are convex, so they start from zero and end the same for every seed."""

from __future__ import annotations

from nbdl import nn


def linear(*, outputs: int) -> nn.Module:
    """Linear regression: y = x @ weight + bias.

    Inputs (rows, ...) are flattened; the result is (rows, outputs).

    Args:
        outputs: number of targets.

    >>> linear(outputs=1)([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 1)

    Source: Legendre, Nouvelles méthodes pour la détermination des orbites des comètes (1805).
    """
    return nn.Sequential(nn.Flatten(), nn.Dense(outputs, kernel_initializer="zeros"))


def logistic(*, outputs: int) -> nn.Module:
    """Logistic regression: probabilities softmax(x @ weight + bias), or sigmoid(...) of a single output.

    Inputs (rows, ...) are flattened; the result is (rows, outputs). Cross-entropies work from the logits.

    Args:
        outputs: number of classes; 1 for yes or no.

    >>> logistic(outputs=3)([[1.0, 2.0]]).shape
    (1, 3)

    Source: Cox, The Regression Analysis of Binary Sequences, Journal of the Royal Statistical Society B 20 (1958).
    """
    activation = "softmax" if outputs > 1 else "sigmoid"
    return nn.Sequential(nn.Flatten(), nn.Dense(outputs, activation=activation, kernel_initializer="zeros"))
