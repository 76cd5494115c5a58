"""Cross-entropies: how surprised a prediction is by the class that came.

They work from logits wherever they can, because log(softmax(x)) taken in two steps overflows or loses its gradient.
"""

from __future__ import annotations

import numpy as np

import nbdl
from nbdl.errors import OptionError
from nbdl.targets import (
    aligned,
    as_prediction,
    class_numbers,
    position_means,
    probabilities,
    row_means,
    sigmoid_logits,
    softmax_logits,
)
from nbdl.tensor import Tensor, TensorLike


def binary_crossentropy(
    prediction: TensorLike, target: TensorLike, from_logits: bool | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Binary cross-entropy: yes-or-no targets, each element on its own.

    mean of -(t * log(p) + (1 - t) * log(1 - p)). From logits x, with p = sigmoid(x), this is computed as max(x, 0) -
    x * t + log(1 + exp(-|x|)), which neither overflows nor loses its gradient. Prediction and target have one shape,
    (rows, ...); the result is a scalar. (n,) and (n, 1) go together.

    Args:
        from_logits: True: the prediction is logits; False: probabilities; None: what the network's sigmoid was
            applied to, or if there is none, the prediction is taken as logits.
        label_smoothing: moves the targets 0 and 1 this share of the way to 0.5; from 0 to 1.

    Raises:
        ShapeError: the shapes differ.
        OptionError: `label_smoothing` isn't from 0 to 1.

    >>> binary_crossentropy([0.0, 0.0], [0, 1])
    tensor(0.6931472)

    Source: Good, Rational Decisions, Journal of the Royal Statistical Society B 14 (1952); smoothing: Szegedy et al.,
    Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """
    _check_smoothing(label_smoothing)
    prediction, target = probabilities(prediction, target, "binary_crossentropy")
    if label_smoothing:
        target = target * (1 - label_smoothing) + 0.5 * label_smoothing
    logits = sigmoid_logits(prediction, from_logits)
    if logits is None:
        p = nbdl.clip(prediction, *_open_interval(prediction))
        return nbdl.mean(row_means(-(target * nbdl.log(p) + (1 - target) * nbdl.log1p(-p))))
    size = nbdl.abs(logits)  # max(x, 0) is (|x| + x) / 2: so written, the derivative at 0 is 1/2 as it must be
    return nbdl.mean(row_means(0.5 * size + (0.5 - target) * logits + nbdl.log1p(nbdl.exp(-size))))


def categorical_crossentropy(
    prediction: TensorLike, target: TensorLike, from_logits: bool | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of one-hot targets, or of any distribution over classes.

    mean over the rows of -sum(t * log(p)), with p = softmax(logits) over the last axis. Prediction and target are
    (rows, ..., classes); the result is a scalar.

    Args:
        from_logits: True: the prediction is logits; False: probabilities; None: what the network's softmax was
            applied to, or if there is none, the prediction is taken as logits.
        label_smoothing: mixes this share of the uniform distribution into the targets; from 0 to 1.

    Raises:
        ShapeError: the shapes differ, or there are no classes.
        OptionError: `label_smoothing` isn't from 0 to 1, or the prediction comes from a sigmoid.

    >>> categorical_crossentropy([[0.0, 0.0]], [[0, 1]])
    tensor(0.6931472)

    Source: Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, in Neurocomputing
    (1990); smoothing: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """
    _check_smoothing(label_smoothing)
    prediction, target = aligned(prediction, target, "categorical_crossentropy")
    if label_smoothing:
        target = _smoothed(target, label_smoothing)
    logits = softmax_logits(prediction, from_logits, "categorical_crossentropy")
    logs = nbdl.log(nbdl.clip(prediction, *_open_interval(prediction))) if logits is None else nbdl.log_softmax(logits)
    return nbdl.mean(row_means(-nbdl.sum(target * logs, axis=-1)))


def sparse_categorical_crossentropy(
    prediction: TensorLike, target: TensorLike, from_logits: bool | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of class numbers.

    mean over the rows of -log(p[target]), with p = softmax(logits) over the last axis; computed as log(sum(exp(x))) -
    x[target] on logits x whose maximum has been taken away. The prediction is (rows, ..., classes), the target (rows,
    ...) of integers from 0; the result is a scalar. A row of a sequence counts with the mean over its positions, of
    which those with the target -1 (nothing to predict, such as padding) are left out.

    Args:
        from_logits: True: the prediction is logits; False: probabilities; None: what the network's softmax was
            applied to, or if there is none, the prediction is taken as logits.
        label_smoothing: mixes this share of the uniform distribution into the targets; from 0 to 1.

    Raises:
        ShapeError: prediction and target don't belong together.
        DtypeError: the target isn't integers.
        OptionError: `label_smoothing` isn't from 0 to 1, or the prediction comes from a sigmoid.

    >>> sparse_categorical_crossentropy([[0.0, 0.0], [0.0, 0.0]], [0, 1])
    tensor(0.6931472)

    Source: Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, in Neurocomputing
    (1990); smoothing: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """
    _check_smoothing(label_smoothing)
    prediction = as_prediction(prediction, "sparse_categorical_crossentropy")
    numbers = class_numbers(prediction, target, "sparse_categorical_crossentropy", padded=True)
    classes = prediction.shape[-1]
    assert isinstance(classes, int)  # checked: the batch is the first axis
    logits = softmax_logits(prediction, from_logits, "sparse_categorical_crossentropy")
    if logits is None:
        scores, normalizer = nbdl.log(nbdl.clip(prediction, *_open_interval(prediction))), None
    else:
        # Not log_softmax: its derivative would add up the picked classes' gradients once more, which are known to be 1.
        scores = logits - nbdl.stop_gradient(nbdl.max(logits, axis=-1, keepdims=True))
        normalizer = nbdl.log(nbdl.sum(nbdl.exp(scores), axis=-1))
    if label_smoothing:
        picked = nbdl.sum(
            _smoothed(nbdl.one_hot(numbers, classes, prediction.dtype), label_smoothing) * scores, axis=-1
        )
    else:
        hit = nbdl.one_hot(numbers, classes, np.bool_)  # a choice, not a product: a masked class has the score -inf
        picked = nbdl.sum(nbdl.where(hit, scores, 0.0), axis=-1)
    return nbdl.mean(position_means(-picked if normalizer is None else normalizer - picked, numbers))


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise OptionError(f"label_smoothing is a share from 0 to 1, not {label_smoothing}")


def _smoothed(target: Tensor, share: float) -> Tensor:
    classes = target.shape[-1]
    assert isinstance(classes, int)  # the batch is the first axis
    return target * (1 - share) + share / classes


def _open_interval(x: Tensor) -> tuple[float, float]:
    """The range inside (0, 1) in which neither log(p) nor log(1 - p) is infinite in the dtype of `x`."""
    epsilon = float(np.finfo(x.dtype).eps)
    return epsilon, 1 - epsilon
