"""Attention: weighted means of values, with weights from how well a query fits their keys."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nbdl import functions
from nbdl.errors import ShapeError
from nbdl.ir.graph import current_scope
from nbdl.ir.shapes import Shape, show_shape
from nbdl.nn.initializers import Initializer
from nbdl.nn.layers import Dense, Dropout
from nbdl.nn.masks import attention_mask, causal_mask
from nbdl.nn.module import Module
from nbdl.nn.positions import rotated
from nbdl.options import check_whole
from nbdl.products import matmul
from nbdl.tensor import Tensor, TensorLike

HIDDEN = -1e30
"""The score of what may not be seen: its weight is 0, and unlike an infinity it gives no NaN where all is hidden."""


class _Local(threading.local):
    maps: dict[str, Tensor] | None = None


_local = _Local()


@contextmanager
def attention_maps() -> Iterator[dict[str, Tensor]]:
    """Inside, the dictionary gets the weights `(n, heads, queries, keys)` of every multi-head attention, by layer.

    >>> import numpy as np
    >>> with attention_maps() as maps:
    ...     _ = MultiHeadAttention(heads=2)(np.zeros((1, 3, 4), np.float32))
    >>> {name: weights.shape for name, weights in maps.items()}
    {'multiheadattention': (1, 2, 3, 3)}
    """
    outer, _local.maps = _local.maps, {}
    try:
        yield _local.maps
    finally:
        _local.maps = outer


def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    mask: TensorLike | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query @ keyᵀ * scale) @ value: for each query the mean of the values, weighted by how well the keys fit.

    Args:
        query: `(..., queries, depth)`.
        key: `(..., keys, depth)`.
        value: `(..., keys, channels)`.
        mask: booleans that broadcast to `(..., queries, keys)`, True where a key may be seen. A query that may see
            nothing gets zeros.
        causal: whether a query may see the keys up to its own position only.
        scale: what the scores are multiplied by; None is 1 / sqrt(depth).

    Returns the means, `(..., queries, channels)`.

    Raises:
        ShapeError: sizes that don't belong together.

    >>> scaled_dot_product_attention([[1.0, 0.0]], [[9.0, 0.0], [0.0, 9.0]], [[1.0], [2.0]], [[True, False]])
    tensor([[1.]])

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.1.
    """
    weights = attention_weights(query, key, mask, causal=causal, scale=scale)
    return matmul(weights, value)


def attention_weights(
    query: TensorLike,
    key: TensorLike,
    mask: TensorLike | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """The weights of `scaled_dot_product_attention`, `(..., queries, keys)`; each query's add up to 1, or are all 0."""
    query, key = functions.asarray(query), functions.asarray(key)
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            f"attention takes queries (..., queries, depth) and keys (..., keys, depth) of one depth, not "
            f"{show_shape(query.shape)} and {show_shape(key.shape)}"
        )
    depth = query.shape[-1]
    factor = 1 / math.sqrt(depth) if scale is None and isinstance(depth, int) else scale
    axes = (*range(key.ndim - 2), key.ndim - 1, key.ndim - 2)
    scores = matmul(query, functions.permute_dims(key, axes)) * (1.0 if factor is None else factor)
    if mask is None and not causal:
        return functions.softmax(scores)
    visible = causal_mask(query.shape[-2], key.shape[-2]) if causal else functions.asarray(mask)
    if mask is None:  # everyone sees the first key at least
        return functions.softmax(functions.where(visible, scores, HIDDEN))
    if causal:
        visible = visible & functions.asarray(mask)
    return functions.where(visible, functions.softmax(functions.where(visible, scores, HIDDEN)), 0.0)


class MultiHeadAttention(Module):
    """Attention in several subspaces: each head has its own projections of queries, keys and values.

    head = attention(query @ Wq, key @ Wk, value @ Wv), the heads side by side times Wo; each with a bias. Called as
    `layer(x)` a sequence attends to itself, as `layer(x, memory)` to another one; `layer(query, key, value)` takes
    values from a third. Inputs are `(rows, time, channels)`, the result is `(rows, queries, width)`.

    `mask=` takes booleans `(rows, keys)` or `(rows, queries, keys)`, True where something may be seen.

    Args:
        heads: number of heads, at least 1.
        width: size of the result; None is that of the query. The heads share it out evenly.
        causal: whether a position may see only those up to itself.
        rotary: whether queries and keys are turned by their positions (rotary encoding).
        use_bias: whether the projections have biases.
        dropout: share of the weights that is left out at random while training.
        kernel_initializer: starting values of the projections.
        output_initializer: of the last one, Wo, if it has others.

    Raises:
        OptionError: heads or a width that are no whole number of at least 1, or a dropout outside of [0, 1).
        ShapeError: inputs that aren't sequences or don't belong together, a width that the heads can't share, a mask
            that doesn't fit.

    >>> MultiHeadAttention(heads=2)([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]).shape
    (1, 3, 2)

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.2.
    """

    def __init__(
        self,
        heads: int,
        width: int | None = None,
        *,
        causal: bool = False,
        rotary: bool = False,
        use_bias: bool = True,
        dropout: float = 0.0,
        kernel_initializer: Initializer = "glorot_uniform",
        output_initializer: Initializer | None = None,
    ):
        self.heads = check_whole("heads of MultiHeadAttention", heads, 1)
        self.width = None if width is None else check_whole("width of MultiHeadAttention", width, 1)
        self.causal = causal
        self.rotary = rotary
        self.use_bias = use_bias
        last = kernel_initializer if output_initializer is None else output_initializer
        self.initializers = [kernel_initializer, kernel_initializer, kernel_initializer, last]
        self.dropout = Dropout(dropout)

    def build(self, *shapes: Shape) -> None:
        """Make the projections for queries `(rows, queries, channels)`."""
        channels = shapes[0][-1] if len(shapes[0]) == 3 else None
        if not isinstance(channels, int):
            raise ShapeError(f"it takes sequences (rows, time, channels), not {show_shape(shapes[0])}")
        width = self.width or channels
        if width % self.heads or (self.rotary and width // self.heads % 2):
            even = " each an even number of channels" if self.rotary else ""
            raise ShapeError(f"{self.heads} heads can't share a width of {width}{even}: choose one that divides it")
        self.query, self.key, self.value, self.output = (
            Dense(width, use_bias=self.use_bias, kernel_initializer=each) for each in self.initializers
        )
        self.label_children()

    def forward(
        self, query: Tensor, key: Tensor | None = None, value: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return what each query gathers."""
        key = query if key is None else key
        value = key if value is None else value
        self._check(query, key, value)
        queries, keys = self._split(self.query(query)), self._split(self.key(key))
        if self.rotary:
            queries, keys = rotated(queries), rotated(keys)
        queries, keys = _heads_first(queries), _heads_first(keys)
        if mask is not None:
            mask = attention_mask(mask, (*queries.shape[:-1], keys.shape[-2]))
        weights = attention_weights(queries, keys, mask, causal=self.causal)
        if _local.maps is not None:
            _local.maps[current_scope()] = weights
        means = matmul(self.dropout(weights), _heads_first(self._split(self.value(value))))
        return self.output(_heads_first(means).reshape(*query.shape[:-1], -1))

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        if any(each.ndim != 3 for each in (key, value)) or query.shape[0] != key.shape[0]:
            raise ShapeError(
                f"queries {show_shape(query.shape)}, keys {show_shape(key.shape)} and values {show_shape(value.shape)} "
                "must be sequences (rows, time, channels) of the same rows"
            )
        if key.shape[:2] != value.shape[:2]:
            raise ShapeError(
                f"there must be a value for each key, and there are keys {show_shape(key.shape)} and values "
                f"{show_shape(value.shape)}"
            )

    def _split(self, x: Tensor) -> Tensor:
        """(rows, time, width) to (rows, time, heads, depth)."""
        return x.reshape(*x.shape[:-1], self.heads, -1)


def _heads_first(x: Tensor) -> Tensor:
    """(rows, time, heads, depth) to (rows, heads, time, depth), and back."""
    return functions.permute_dims(x, (0, 2, 1, 3))
