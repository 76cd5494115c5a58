"""`torch.nn.functional`: activations, layers and losses as functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from nbdl import activations, functions, images, losses, pooling, random
from nbdl.compat.naming import PAGE, missing, refuse, renamed
from nbdl.compat.torch.functions import permute
from nbdl.compat.torch.tensors import Tensor, as_torch
from nbdl.errors import OptionError, ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import show_shape
from nbdl.products import matmul
from nbdl.tensor import Tensor as NativeTensor

# --- activations ------------------------------------------------------------------------------------------------------


def _activation(name: str, **names: str) -> Any:
    return renamed(getattr(activations, name), as_torch, **names)


def _in_place(function: Callable[..., Any]) -> Any:
    """PyTorch's `inplace` saves memory that nobody allocates here."""
    return renamed(lambda x, *args, inplace=False, **options: function(x, *args, **options))


relu, silu, selu, tanh = (_in_place(_activation(name)) for name in ("relu", "silu", "selu", "tanh"))
sigmoid, softplus = _activation("sigmoid"), _activation("softplus")
leaky_relu = _in_place(_activation("leaky_relu", negative_slope="slope"))
elu = _in_place(_activation("elu"))


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, exact or with `approximate="tanh"`."""
    return as_torch(activations.gelu(x, approximate=approximate == "tanh"))


def softmax(x: Any, dim: int = -1, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis."""
    return as_torch(functions.softmax(functions.asarray(x, dtype), dim))


def log_softmax(x: Any, dim: int = -1, dtype: Any = None) -> Tensor:
    """log(softmax(x)) along an axis."""
    return as_torch(functions.log_softmax(functions.asarray(x, dtype), dim))


# --- layers -----------------------------------------------------------------------------------------------------------


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """x @ weight.T + bias: here the weight is `(out, in)`, as PyTorch has it."""
    y = matmul(x, functions.permute_dims(weight, (1, 0)))
    return as_torch(y if bias is None else y + bias)


def dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element becomes 0 with probability `p`, and the others grow by 1 / (1 - p)."""
    given = functions.asarray(x)
    if not training or p == 0:
        return as_torch(given)
    return as_torch(functions.where(random.uniform(given.shape, given.dtype) >= p, given * (1 / (1 - p)), 0.0))


def one_hot(indices: Any, num_classes: int = -1) -> Tensor:
    """1 at the index and 0 elsewhere along a new last axis, as integers; `num_classes=-1` counts the classes."""
    size = num_classes if num_classes > 0 else int(functions.max(indices)) + 1
    return as_torch(functions.one_hot(indices, size, np.int64))


def embedding(indices: Any, weight: Any) -> Tensor:
    """Rows of a table."""
    return as_torch(functions.take(weight, indices))


# --- images -----------------------------------------------------------------------------------------------------------


def channels_last(x: Any, axes: int, function: Callable[[NativeTensor], NativeTensor]) -> Tensor:
    """Call a function of nbdl's layout: `(n, channels, ...)` becomes `(n, ..., channels)`, and back.

    Without n, x has an axis less.
    """
    given = functions.asarray(x)
    if given.ndim == axes + 1:
        return as_torch(channels_last(functions.expand_dims(given, 0), axes, function)[0])
    if given.ndim != axes + 2:
        layout = "(n, channels, height, width)" if axes == 2 else "(n, channels, length)"
        raise ShapeError(f"PyTorch's layers take {layout}, with or without n, not {show_shape(given.shape)}")
    made = function(functions.permute_dims(given, (0, *range(2, axes + 2), 1)))
    return as_torch(functions.permute_dims(made, (0, axes + 1, *range(1, axes + 1))))


def _pooling(native: Callable[..., NativeTensor], axes: int, **fixed: Any) -> Any:
    refused = {"dilation": 1, "ceil_mode": False, "return_indices": False, "divisor_override": None}

    def pool(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, **options: Any) -> Tensor:
        known = dict(fixed)
        if "count_padding" in fixed:
            known["count_padding"] = options.pop("count_include_pad", True)
        refuse(native.__name__, options, refused)
        return channels_last(x, axes, lambda y: native(y, kernel_size, stride=stride, padding=padding, **known))

    pool.__doc__ = f"`nbdl.pooling.{native.__name__}`, with the channels before the places."
    return pool


max_pool2d, max_pool1d = _pooling(pooling.max_pool2d, 2), _pooling(pooling.max_pool1d, 1)
avg_pool2d = _pooling(pooling.average_pool2d, 2, count_padding=True)
avg_pool1d = _pooling(pooling.average_pool1d, 1, count_padding=True)


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Tensor:
    """The mean of each channel, as images of one pixel: the only size that is covered."""
    refuse("adaptive_avg_pool2d", {"output_size": tuple(np.broadcast_to(output_size, 2))}, {"output_size": (1, 1)})
    return as_torch(functions.mean(x, (-2, -1), keepdims=True))


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """`nbdl.images.conv2d`: here the weight is `(out, in / groups, height, width)`, as PyTorch has it."""
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    kernel = functions.permute_dims(weight, (2, 3, 1, 0))
    return channels_last(x, 2, lambda y: images.conv2d(y, kernel, **options) + (0 if bias is None else bias))


def interpolate(x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> Tensor:
    """`nbdl.pooling.upsample2d`: each pixel becomes a block of equal ones."""
    refuse("interpolate", {"size": size, "mode": mode}, {"size": None, "mode": "nearest"})
    block = tuple(int(each) for each in np.broadcast_to(scale_factor, 2))
    return channels_last(x, 2, lambda y: pooling.upsample2d(y, block))


# --- losses -----------------------------------------------------------------------------------------------------------


@cache
def _native(name: str) -> Callable[..., NativeTensor]:
    """A loss among the plugins: looked up once, because a lookup looks whether plugins have changed."""
    found: Callable[..., NativeTensor] = getattr(losses, name)
    return found


def _loss(native: str, **fixed: Any) -> Any:
    """A loss of nbdl, which is a mean over all elements, under PyTorch's conventions."""

    def loss(input: Any, target: Any, *, reduction: str = "mean", **options: Any) -> Tensor:
        value = _native(native)(input, target, **fixed, **options)
        return as_torch(_reduced(value, functions.asarray(input), reduction))

    loss.__doc__ = f"nbdl's loss `{native}`. Shapes must be equal: PyTorch would broadcast them, with a warning."
    return loss


def _reduced(mean: NativeTensor, counted: NativeTensor, reduction: str) -> NativeTensor:
    """The mean over all elements of `counted`, or their sum."""
    if reduction not in ("mean", "sum"):
        raise OptionError(f"reduction is 'mean' or 'sum', not {reduction!r}: nbdl's losses are numbers ({PAGE})")
    if reduction == "mean":
        return mean
    return mean * NativeTensor.wrap(ops.count(counted.shape, range(counted.ndim), mean.dtype))


mse_loss, l1_loss = _loss("mse"), _loss("mae")
huber_loss = _loss("huber")
_of_logits = _loss("binary_crossentropy", from_logits=True)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, *, pos_weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """nbdl's loss `binary_crossentropy`, on logits; with `pos_weight` (a number, or one for each output) targets of 1
    count so many times.
    """
    if pos_weight is None:
        return _of_logits(input, target, reduction=reduction)
    given, wanted = functions.asarray(input), functions.asarray(target)
    if given.shape != wanted.shape:
        raise ShapeError(f"predictions {show_shape(given.shape)} and targets {show_shape(wanted.shape)} don't fit")
    each = pos_weight * wanted * softplus(-given) + (1 - wanted) * softplus(given)
    return as_torch(_reduced(functions.mean(each), each, reduction))


def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """nbdl's loss `huber`, divided by where it turns linear."""
    return as_torch(huber_loss(input, target, reduction=reduction, delta=beta) / beta)


def binary_cross_entropy(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """nbdl's loss `binary_crossentropy`, on probabilities: from what a sigmoid was applied to, where it can."""
    logits = getattr(input, "logits", None)
    if logits is not None:
        return binary_cross_entropy_with_logits(logits, target, reduction=reduction)
    return _probabilities(input, target, reduction=reduction)


_probabilities = _loss("binary_crossentropy", from_logits=False)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits `(n, classes, ...)` with class numbers `(n, ...)` or probabilities `(n, classes, ...)`.

    nbdl's `sparse_categorical_crossentropy` or `categorical_crossentropy`. As in PyTorch the input is taken as logits,
    also if a softmax was applied to it already.

    Args:
        weight: a number for each class.
        ignore_index: the class number of places that don't count.
        reduction: `mean` (over what counts), `sum` or `none`.
        label_smoothing: mixes this share of the uniform distribution into the targets.
    """
    logits, given = _classes_last(input), functions.asarray(target)
    if given.dtype.kind == "f":
        refuse("cross_entropy of probabilities", {"weight": weight}, {"weight": None})
        options = {"from_logits": True, "label_smoothing": label_smoothing}
        value = _native("categorical_crossentropy")(logits, _classes_last(given), **options)
        return as_torch(_reduced(value, logits[..., 0], reduction))
    if weight is None and ignore_index < 0 and reduction == "mean" and given.ndim == 1:
        options = {"from_logits": True, "label_smoothing": label_smoothing}
        return as_torch(_native("sparse_categorical_crossentropy")(logits, given, **options))
    refuse(
        "cross_entropy with weights, places that don't count, or another reduction",
        {"label_smoothing": label_smoothing},
        {"label_smoothing": 0.0},
    )
    return _picked(functions.log_softmax(logits), given, weight, ignore_index, reduction)


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """mean of -input[target], the input being logarithms of probabilities `(n, classes, ...)`; options as above."""
    return _picked(_classes_last(input), functions.asarray(target), weight, ignore_index, reduction)


def _classes_last(x: Any) -> NativeTensor:
    given = functions.asarray(x)
    if given.ndim == 1:
        raise ShapeError("a loss of classes takes (n, classes, ...); put a batch axis in front of a single row")
    return given if given.ndim == 2 else permute(given, (0, *range(2, given.ndim), 1))


def _picked(logs: NativeTensor, target: NativeTensor, weight: Any, ignore_index: int, reduction: str) -> Tensor:
    """-logs[target], weighted, and summed up as `reduction` says."""
    classes = logs.shape[-1]
    assert isinstance(classes, int)  # the batch is the first axis
    surprise = -functions.sum(functions.where(functions.one_hot(target, classes, np.bool_), logs, 0.0), axis=-1)
    counts = (target != ignore_index).astype(logs.dtype)
    if weight is not None:
        counts = counts * functions.take(weight, functions.where(target == ignore_index, 0, target))
    surprise = surprise * counts
    if reduction == "none":
        return as_torch(surprise)
    total = functions.sum(surprise)
    return as_torch(total if reduction == "sum" else total / functions.sum(counts))


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
