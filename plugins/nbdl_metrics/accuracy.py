"""How often a classifier is right."""

from __future__ import annotations

import numpy as np

import nbdl
from nbdl.errors import OptionError
from nbdl.targets import as_prediction, class_numbers
from nbdl.tensor import Tensor, TensorLike
from nbdl.train.metric import Metric, batch_sums
from nbdl_metrics.decisions import check_threshold, decide


class Accuracy(Metric):
    """Share of right decisions, from 0 to 1.

    Scores (n, ..., classes) go with class numbers (n, ...) or one-hot rows (n, ..., classes): the largest score
    decides, the first of equal ones. One output, (n,) or (n, 1), goes with 0 and 1 (or -1 and 1, as for `hinge`): its
    probability against the threshold decides. Of sequences every position is a decision, but for those with the class
    number -1.

    Args:
        threshold: probability above which one output means yes.
        from_logits: for one output: True: it is a logit; False: a probability; None: what the network's sigmoid was
            applied to, or if there is none, the prediction is taken as a logit.

    Raises:
        OptionError: the threshold isn't between 0 and 1.
        ShapeError: prediction and target don't belong together.
        DataError: a label that is no class.

    >>> metric = Accuracy()
    >>> metric.result(metric.sums([[0.1, 0.9], [0.8, 0.2]], [1, 1]).numpy())
    0.5

    Source: Metz, Basic Principles of ROC Analysis, Seminars in Nuclear Medicine 8 (1978).
    """

    def __init__(self, threshold: float = 0.5, from_logits: bool | None = None):
        check_threshold("accuracy", threshold)
        self.threshold = threshold
        self.from_logits = from_logits

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return the number of right decisions and of all decisions."""
        predicted, true, _ = decide(prediction, target, "accuracy", self.threshold, self.from_logits)
        return _counted(predicted == true, true)

    def result(self, sums: np.ndarray) -> float:
        """Return right decisions / decisions."""
        return _share(sums)


class TopKAccuracy(Metric):
    """Share of decisions whose true class is among the k largest scores, from 0 to 1.

    The rank of the true class is the number of larger scores, and of equal ones before it. Scores are (n, ...,
    classes), the target class numbers (n, ...) or one-hot rows (n, ..., classes). Of sequences every position counts,
    but for those with the class number -1.

    Args:
        k: how many guesses there are.

    Raises:
        OptionError: `k` is less than 1.
        ShapeError: prediction and target don't belong together.

    >>> metric = TopKAccuracy(k=2)
    >>> metric.result(metric.sums([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]], [2, 2]).numpy())
    0.5

    Source: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 115 (2015).
    """

    def __init__(self, k: int = 5):
        if k < 1:
            raise OptionError(f"top_k_accuracy needs a k of at least 1, not {k}")
        self.k = k

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return how often the true class was among the first k, and how often there was one."""
        scores, given = as_prediction(prediction, "top_k_accuracy"), nbdl.asarray(target)
        true = (
            nbdl.argmax(given, axis=-1)
            if given.shape == scores.shape
            else class_numbers(scores, given, "top_k_accuracy", padded=True).astype("int64")
        )
        classes = scores.shape[-1]
        assert isinstance(classes, int)  # the batch is the first axis
        hit = nbdl.one_hot(true, classes, np.bool_)
        own = nbdl.sum(nbdl.where(hit, scores, 0.0), axis=-1, keepdims=True)
        before = nbdl.arange(classes) < nbdl.expand_dims(true, -1)
        ahead = (scores > own) | ((scores == own) & before) | (own != own)  # a NaN is never among the best
        rank = nbdl.sum(ahead.astype("float32"), axis=-1)
        return _counted(rank < self.k, true)

    def result(self, sums: np.ndarray) -> float:
        """Return hits / decisions."""
        return _share(sums)


class ExactMatch(Metric):
    """Share of rows that are right as a whole: of a sequence, at every position.

    Scores are (n, ..., classes), the target class numbers (n, ...), or one-hot rows (n, ..., classes); positions with
    the class number -1 don't count. A decoder that is fed the true sequence is right as a whole exactly when what it
    decodes greedily by itself is, because until its first mistake both see the same.

    Raises:
        ShapeError: prediction and target don't belong together.

    >>> metric = ExactMatch()
    >>> metric.result(metric.sums([[[0.1, 0.9], [0.8, 0.2]]] * 2, [[1, 0], [1, 1]]).numpy())
    0.5

    Source: Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of Text, EMNLP 2016.
    """

    def sums(self, prediction: TensorLike, target: TensorLike) -> Tensor:
        """Return the number of rows without a mistake, and of all rows."""
        predicted, true, _ = decide(prediction, target, "exact_match")
        mistakes = ((predicted != true) & (true >= 0)).astype("float32")
        count = nbdl.sum(mistakes, axis=range(1, mistakes.ndim)) if mistakes.ndim > 1 else mistakes
        right = (count == 0).astype("float32")
        return batch_sums(right, nbdl.ones_like(right))

    def result(self, sums: np.ndarray) -> float:
        """Return right rows / rows."""
        return _share(sums)


def _counted(hits: Tensor, true: Tensor) -> Tensor:
    """The number of hits, and of places with a class to predict."""
    counted = (true >= 0).astype("float32")
    right = hits.astype("float32") * counted
    axes = range(1, counted.ndim)
    return batch_sums(*(nbdl.sum(each, axis=axes) if axes else each for each in (right, counted)))


def _share(sums: np.ndarray) -> float:
    return float(sums[0] / sums[1]) if sums[1] else float("nan")
