"""Metrics of classes beyond accuracy: precision, recall, F1, and the confusion matrix that they all come from."""

from __future__ import annotations

from typing import Literal

import numpy as np

import nbdl
from nbdl.errors import OptionError, ShapeError
from nbdl.tensor import Tensor, TensorLike
from nbdl.train.metric import Metric, batch_sums
from nbdl_metrics.decisions import check_threshold, decide

Average = Literal["macro", "binary"]


class _PerClass(Metric):
    """Counts of right and wrong decisions for each class; subclasses turn them into a score for each class."""

    name: str

    def __init__(self, average: Average = "macro", threshold: float = 0.5, from_logits: bool | None = None):
        if average not in ("macro", "binary"):
            raise OptionError(f"{self.name} takes the average 'macro' or 'binary', not {average!r}")
        check_threshold(self.name, threshold)
        self.average = average
        self.threshold = threshold
        self.from_logits = from_logits

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return for each class how often it was right, was predicted, and was true: (3, classes)."""
        predicted, true, classes = decide(prediction, target, self.name, self.threshold, self.from_logits)
        if self.average == "binary" and classes != 2:
            raise ShapeError(f"{self.name} with average='binary' takes two classes, not {classes}; use average='macro'")
        predicted = nbdl.where(true >= 0, predicted, true)  # nothing is predicted where there is nothing to predict
        chosen, actual = nbdl.one_hot(predicted, classes), nbdl.one_hot(true, classes)
        return batch_sums(*map(_by_row, (chosen * actual, chosen, actual)))

    def result(self, sums: np.ndarray) -> float:
        """Return the mean over the classes that occur, or the score of class 1."""
        scores = self.scores(*sums)
        if self.average == "binary":
            return float(scores[1])
        occurs = sums[1] + sums[2] > 0
        return float(scores[occurs].mean()) if occurs.any() else float("nan")

    def scores(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return the score of each class; 0 where it would be 0 / 0."""
        raise NotImplementedError


class Precision(_PerClass):
    """Precision: how many of the rows that were given a class belong to it, right / predicted.

    Predictions and targets as for `accuracy`. Classes that neither occur nor are predicted are left out of the mean.

    Args:
        average: `macro`: the mean over the classes; `binary`: class 1 of two.
        threshold: probability above which one output means yes.
        from_logits: for one output: True: it is a logit; False: a probability; None: what the network's sigmoid was
            applied to, or if there is none, the prediction is taken as a logit.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: prediction and target don't belong together, or `binary` with more than two classes.

    >>> metric = Precision(average="binary")
    >>> metric.result(metric.sums([2.0, 2.0, -2.0], [1, 0, 1]).numpy())
    0.5

    Source: van Rijsbergen, Information Retrieval, 2nd edition (1979), chapter 7.
    """

    name = "precision"

    def scores(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return right / predicted."""
        return _quotient(right, predicted)


class Recall(_PerClass):
    """Recall: how many of the rows of a class were given it, right / true.

    Predictions and targets as for `accuracy`. Classes that neither occur nor are predicted are left out of the mean.

    Args:
        average: `macro`: the mean over the classes; `binary`: class 1 of two.
        threshold: probability above which one output means yes.
        from_logits: for one output: True: it is a logit; False: a probability; None: what the network's sigmoid was
            applied to, or if there is none, the prediction is taken as a logit.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: prediction and target don't belong together, or `binary` with more than two classes.

    >>> metric = Recall(average="binary")
    >>> metric.result(metric.sums([2.0, 2.0, -2.0], [1, 0, 1]).numpy())
    0.5

    Source: van Rijsbergen, Information Retrieval, 2nd edition (1979), chapter 7.
    """

    name = "recall"

    def scores(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return right / true."""
        return _quotient(right, true)


class F1(_PerClass):
    """F1: the harmonic mean of precision and recall, 2 * right / (predicted + true).

    Predictions and targets as for `accuracy`. Classes that neither occur nor are predicted are left out of the mean.

    Args:
        average: `macro`: the mean over the classes; `binary`: class 1 of two.
        threshold: probability above which one output means yes.
        from_logits: for one output: True: it is a logit; False: a probability; None: what the network's sigmoid was
            applied to, or if there is none, the prediction is taken as a logit.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: prediction and target don't belong together, or `binary` with more than two classes.

    >>> metric = F1(average="binary")
    >>> metric.result(metric.sums([2.0, 2.0, -2.0], [1, 0, 1]).numpy())
    0.5

    Source: van Rijsbergen, Information Retrieval, 2nd edition (1979), chapter 7.
    """

    name = "f1"

    def scores(self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return 2 * right / (predicted + true)."""
        return _quotient(2 * right, predicted + true)


class ConfusionMatrix(Metric):
    """Confusion matrix: how often class i (row) was taken for class j (column).

    Predictions and targets as for `accuracy`; one output counts as two classes. It is the product of the true
    classes' one-hot matrix, transposed, and that of the predicted ones.

    Args:
        threshold: probability above which one output means yes.
        from_logits: for one output: True: it is a logit; False: a probability; None: what the network's sigmoid was
            applied to, or if there is none, the prediction is taken as a logit.

    Raises:
        OptionError: the threshold isn't between 0 and 1.
        ShapeError: prediction and target don't belong together.

    >>> metric = ConfusionMatrix()
    >>> metric.result(metric.sums([[0.1, 0.9], [0.8, 0.2]], [1, 1]).numpy())
    array([[0, 0],
           [1, 1]])

    Source: Provost, Kohavi, Glossary of Terms, Machine Learning 30 (1998).
    """

    def __init__(self, threshold: float = 0.5, from_logits: bool | None = None):
        check_threshold("confusion_matrix", threshold)
        self.threshold = threshold
        self.from_logits = from_logits

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return the counts, (classes, classes)."""
        predicted, true, classes = decide(prediction, target, "confusion_matrix", self.threshold, self.from_logits)
        actual, chosen = nbdl.one_hot(true.reshape(-1), classes), nbdl.one_hot(predicted.reshape(-1), classes)
        return nbdl.matmul(actual.T, chosen)

    def result(self, sums: np.ndarray) -> np.ndarray:
        """Return the counts as integers."""
        return np.rint(sums).astype(np.int64)


def _by_row(hits: Tensor) -> Tensor:
    """How often each class was hit in each row: (n, ..., classes) to (n, classes)."""
    return nbdl.sum(hits, axis=range(1, hits.ndim - 1)) if hits.ndim > 2 else hits


def _quotient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y > 0, x / np.where(y > 0, y, 1), 0.0)
