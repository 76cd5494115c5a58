"""What a prediction decides for: a class among several, or yes or no."""

from __future__ import annotations

import math

import nbdl
from nbdl.data.checks import NOTHING
from nbdl.errors import OptionError
from nbdl.targets import LabelRange, aligned, as_prediction, class_numbers, note_range, sigmoid_logits
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
    or (n, 1), goes with 0 and 1, or with -1 and 1 as for the loss `hinge`, and means yes where its probability is above
    the threshold. At positions of a sequence at which there is nothing to predict the true number is -1, and what is
    predicted there must not count. Raises `DataError` for other numbers.
    """
    scores, given = as_prediction(prediction, name), nbdl.asarray(target)
    classes = scores.shape[-1] if scores.ndim > 1 else 1
    assert isinstance(classes, int)  # the batch is the first axis
    if classes == 1:
        note_range(LabelRange(given, None, name, padded=True))
        scores, given = aligned(scores, given, name)
        true = (given > 0.5).astype("int64")
        if scores.ndim > 2:  # positions of a sequence
            true = nbdl.where(given < 0, NOTHING, true)
        return _yes(scores, threshold, from_logits), true, 2
    if given.shape == scores.shape:
        return nbdl.argmax(scores, axis=-1), nbdl.argmax(given, axis=-1), classes
    return nbdl.argmax(scores, axis=-1), class_numbers(scores, given, name, padded=True).astype("int64"), classes


def _yes(prediction: Tensor, threshold: float, from_logits: bool | None) -> Tensor:
    logits = sigmoid_logits(prediction, from_logits)
    if logits is None:
        return (prediction > threshold).astype("int64")
    return (logits > math.log(threshold / (1 - threshold))).astype("int64")
