"""What a prediction decides for: a class among several, or yes or no."""

from __future__ import annotations

import math

import nbdl
from nbdl.errors import OptionError
from nbdl.targets import aligned, as_prediction, class_numbers, sigmoid_logits
from nbdl.tensor import Tensor, TensorLike


def check_threshold(name: str, threshold: float) -> None:
    """Raise `OptionError` for a probability that isn't between 0 and 1."""
    if not 0 < threshold < 1:
        raise OptionError(f"{name} takes a threshold between 0 and 1 (a probability), not {threshold}")


def decide(
    prediction: TensorLike, target: TensorLike, name: str, threshold: float = 0.5, from_logits: bool | None = None
) -> tuple[Tensor, Tensor, int]:
    """Return the predicted class numbers, the true ones (both int64 of one shape) and the number of classes.

    Scores (n, ..., classes) go with class numbers (n, ...) or with one-hot rows of the same shape. One output, (n,)
    or (n, 1), goes with 0 and 1 and means yes where its probability is above the threshold. At positions of a sequence
    at which there is nothing to predict the true number is -1, and what is predicted there must not count.
    """
    scores, given = as_prediction(prediction, name), nbdl.asarray(target)
    classes = scores.shape[-1] if scores.ndim > 1 else 1
    assert isinstance(classes, int)  # the batch is the first axis
    if classes == 1:
        scores, given = aligned(scores, given, name)
        return _yes(scores, threshold, from_logits), (given > 0.5).astype("int64"), 2
    if given.shape == scores.shape:
        return nbdl.argmax(scores), nbdl.argmax(given), classes
    return nbdl.argmax(scores), class_numbers(scores, given, name, padded=True).astype("int64"), classes


def _yes(prediction: Tensor, threshold: float, from_logits: bool | None) -> Tensor:
    logits = sigmoid_logits(prediction, from_logits)
    if logits is None:
        return (prediction > threshold).astype("int64")
    return (logits > math.log(threshold / (1 - threshold))).astype("int64")
