"""How predictions and targets fit together: shapes, class numbers, logits. For losses and metrics.

The first axis is the batch. Nothing here broadcasts a target against a prediction silently: (n,) against (n, 1) would
give (n, n).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nbdl import functions
from nbdl.data.checks import NOTHING
from nbdl.errors import DataError, DtypeError, OptionError, ShapeError
from nbdl.ir.shapes import show_shape
from nbdl.tensor import Tensor, TensorLike


@dataclass(frozen=True)
class LabelRange:
    """What the numbers of a traced target must be: from 0 to `classes` - 1, for the loss or metric `name`; without
    `classes` they are probabilities, from 0 to 1. In a `padded` one, -1 says that there is nothing to predict.

    A traced program can't look at values, and a row with a number outside of the range would count as one without a
    class; so whoever has the values checks them before the program runs.
    """

    target: Tensor
    classes: int | None
    name: str
    padded: bool = False

    def check(self, values: np.ndarray) -> None:
        """Raise `DataError` if a value lies outside of what the loss or metric can count."""
        if not values.size:
            return
        low, high, most = values.min(), values.max(), 1 if self.classes is None else self.classes - 1
        if low >= 0 and high <= most:
            return
        outside = (values < 0) | (values > most)
        wrong = int(np.sum(outside & (values != NOTHING) if self.padded else outside))
        if not wrong:
            return
        found = f"{wrong} of {values.size} labels lie outside of 0 to {most} (they go from {low:g} to {high:g})"
        if self.classes is None:
            raise DataError(f"{self.name}: {found}: 0 means no, 1 means yes, and what lies between is a probability")
        more = f", or give the network {high + 1} outputs" if low >= 0 else ""
        outputs = f"but the network has {self.classes} outputs"
        raise DataError(f"{self.name}: {found}, {outputs}: number the classes from 0{more}")


class Range(Protocol):
    """Something to check on the values of a traced tensor, before the program runs."""

    @property
    def target(self) -> Tensor: ...

    def check(self, values: np.ndarray) -> None: ...


class _Local(threading.local):
    collected: list[Range] | None = None


_local = _Local()


@contextmanager
def noted_ranges() -> Iterator[list[Range]]:
    """Collect the ranges that losses and metrics called inside ask of targets, and embeddings of tokens."""
    outer, _local.collected = _local.collected, []
    try:
        yield _local.collected
    finally:
        _local.collected = outer


def as_prediction(prediction: TensorLike, name: str) -> Tensor:
    """The prediction as a floating-point tensor with a batch axis; `name` is the loss or metric, for the message.

    Raises `ShapeError` if it is a scalar.
    """
    tensor = functions.asarray(prediction)
    if not tensor.shape:
        raise ShapeError(f"{name} takes predictions with a batch axis, (rows, ...), not a scalar")
    return tensor if tensor.dtype.kind == "f" else tensor.astype("float32")


def aligned(prediction: TensorLike, target: TensorLike, name: str) -> tuple[Tensor, Tensor]:
    """Prediction and target with one shape and dtype, element against element.

    Shapes that differ by a last axis of size 1 only, such as (n,) and (n, 1), are brought together by reshaping the
    target. Raises `ShapeError` for all others.
    """
    prediction, target = as_prediction(prediction, name), functions.asarray(target)
    if target.shape != prediction.shape:
        if target.shape != (*prediction.shape, 1) and (*target.shape, 1) != prediction.shape:
            raise ShapeError(
                f"{name} compares a prediction {show_shape(prediction.shape)} with a target "
                f"{show_shape(target.shape)}: they need the same shape{_hint(prediction, target)}"
            )
        target = target.reshape(prediction.shape)
    return prediction, target.astype(prediction.dtype)


def _hint(prediction: Tensor, target: Tensor) -> str:
    if (
        target.dtype.kind in "iub"
        and len(prediction.shape) > 1
        and target.shape in (prediction.shape[:-1], (*prediction.shape[:-1], 1))
    ):
        return "; for class numbers use sparse_categorical_crossentropy, or let the network end in one output"
    return ""


def class_numbers(prediction: Tensor, target: TensorLike, name: str, *, padded: bool = False) -> Tensor:
    """The target as class numbers (integers), one for each row of scores: shape `prediction.shape[:-1]`.

    Args:
        padded: whether -1 may stand at positions of a sequence (not for a whole row) with nothing to predict.

    Raises `ShapeError` if prediction and target don't belong together, `DtypeError` if the target isn't integers.
    """
    target, scores = functions.asarray(target), prediction.shape[:-1]
    if prediction.ndim < 2 or prediction.shape[-1] == 1:
        raise ShapeError(
            f"{name} takes scores (rows, ..., classes) with two classes or more, not {show_shape(prediction.shape)}; "
            "one output for two classes goes with binary_crossentropy"
        )
    if target.shape == prediction.shape:
        raise ShapeError(
            f"{name} takes class numbers {show_shape(scores)}; this target {show_shape(target.shape)} has a number "
            "for every class: use categorical_crossentropy"
        )
    if target.shape not in (scores, (*scores, 1)):
        raise ShapeError(
            f"{name} takes class numbers {show_shape(scores)} for scores {show_shape(prediction.shape)}, "
            f"not a target {show_shape(target.shape)}"
        )
    if target.dtype.kind not in "iub":
        raise DtypeError(f"{name} takes class numbers as integers, not {target.dtype}; convert with .astype('int64')")
    classes = prediction.shape[-1]
    if isinstance(classes, int):
        note_range(LabelRange(target, classes, name, padded and len(scores) > 1))
    if target.dtype.kind != "i":
        target = target.astype("int64")  # 8 bits could not count 300 classes
    return target.reshape(scores)


def probabilities(prediction: TensorLike, target: TensorLike, name: str) -> tuple[Tensor, Tensor]:
    """`aligned`, for targets that say yes or no: 1, 0, or something between."""
    prediction, numbers = aligned(prediction, target, name)
    note_range(LabelRange(functions.asarray(target), None, name))
    return prediction, numbers


def note_range(numbers: Range) -> None:
    """Check numbers that are there already, and leave the others to those who collect ranges."""
    if numbers.target.node.value is not None:
        numbers.check(numbers.target.node.value)
    elif _local.collected is not None:
        _local.collected.append(numbers)


def sigmoid_logits(prediction: Tensor, from_logits: bool | None) -> Tensor | None:
    """What the sigmoid was, or is to be, applied to; None if `prediction` holds probabilities.

    `from_logits` None means: the prediction's own logits if it came out of a sigmoid, else the prediction is taken as
    logits.
    """
    if from_logits is not None:
        return prediction if from_logits else None
    if prediction.logits is None:
        return prediction
    return prediction.logits if prediction.node.name == "sigmoid" else None  # each output of a softmax is a probability


def softmax_logits(prediction: Tensor, from_logits: bool | None, name: str) -> Tensor | None:
    """What the softmax over the last axis was, or is to be, applied to; None if `prediction` holds probabilities.

    `from_logits` as for `sigmoid_logits`. Raises `OptionError` for the outputs of a sigmoid: they don't add up to 1.
    """
    if from_logits is not None:
        return prediction if from_logits else None
    if prediction.logits is not None and prediction.node.name == "sigmoid":
        raise OptionError(
            f"{name} takes classes that exclude one another, and a sigmoid's outputs don't: "
            "end the network in softmax or in plain scores, or use binary_crossentropy"
        )
    return prediction if prediction.logits is None else prediction.logits


def row_means(x: Tensor) -> Tensor:
    """The mean over all axes but the first: one number for each row, (n,)."""
    if all(size == 1 for size in x.shape[1:]):
        return x.reshape(x.shape[0])
    return functions.mean(x, axis=range(1, x.ndim))


def position_means(x: Tensor, numbers: Tensor) -> Tensor:
    """The mean over the positions of each row that have something to predict: class numbers of at least 0.

    Both are `(n, ...)`, the result is `(n,)`; it is 0 for a row that has none. Without positions x is what it is.
    """
    if x.ndim == 1:
        return x
    axes = range(1, x.ndim)
    present = numbers >= 0
    count = functions.sum(present.astype(x.dtype), axis=axes)
    return functions.sum(functions.where(present, x, 0.0), axis=axes) / functions.maximum(count, 1.0)
