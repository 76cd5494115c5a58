"""Losses between distributions."""

from __future__ import annotations

import numpy as np

import nbdl
from nbdl.targets import aligned, row_means, softmax_logits
from nbdl.tensor import Tensor, TensorLike


def kl_divergence(prediction: TensorLike, target: TensorLike, from_logits: bool | None = None) -> Tensor:
    """Kullback-Leibler divergence: how much a predicted distribution misses of the target distribution.

    mean over the rows of sum(t * log(t / p)), with p = softmax(logits) over the last axis; where t is 0 nothing is
    added. Prediction and target are (rows, ..., classes); the result is a scalar.

    Args:
        from_logits: True: the prediction is logits; False: probabilities; None: what the network's softmax was
            applied to, or if there is none, the prediction is taken as logits.

    Raises:
        ShapeError: the shapes differ.
        OptionError: the prediction comes from a sigmoid.

    >>> kl_divergence([[0.0, 0.0]], [[0.5, 0.5]])
    tensor(0.)

    Source: Kullback, Leibler, On Information and Sufficiency, Annals of Mathematical Statistics 22 (1951).
    """
    prediction, target = aligned(prediction, target, "kl_divergence")
    logits = softmax_logits(prediction, from_logits, "kl_divergence")
    if logits is None:
        logs = nbdl.log(nbdl.maximum(prediction, float(np.finfo(prediction.dtype).eps)))
    else:
        logs = nbdl.log_softmax(logits)
    log_target = nbdl.log(nbdl.where(target > 0, target, 1.0))
    return nbdl.mean(row_means(nbdl.sum(target * (log_target - logs), axis=-1)))
