"""Blocks: layers put together as they are in many networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbdl import functions
from nbdl.errors import OptionError, ShapeError
from nbdl.ir.shapes import Shape, normalize_axes, show_shape
from nbdl.nn.attention import MultiHeadAttention
from nbdl.nn.initializers import Initializer
from nbdl.nn.inputs import only
from nbdl.nn.layers import ActivationLike, Dense, Dropout, Sequential
from nbdl.nn.module import Container, Module
from nbdl.nn.normalization import LayerNorm
from nbdl.tensor import Tensor


class Residual(Module):
    """Layers beside a connection that leads around them: y = x + layers(x).

    Args:
        layers: layers one after another, whose result has the shape of x (or broadcasts to it).

    Raises:
        ShapeError: the result of the layers has another shape than x.

    >>> Residual(Dense(2, kernel_initializer="ones"))([[1.0, 2.0]]).tolist()
    [[4.0, 5.0]]

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    """

    def __init__(self, *layers: Module):
        self.layers = Sequential(*layers)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return x + layers(x)."""
        x = only(inputs)
        y: Tensor = self.layers(x)
        if y.shape != x.shape:
            raise ShapeError(
                f"a residual connection adds {show_shape(x.shape)} to what its layers make of it, "
                f"{show_shape(y.shape)}: the shapes must be equal"
            )
        return x + y


class Concatenate(Module):
    """Several inputs side by side along an axis.

    Args:
        axis: the axis, from the end if negative; not the batch (0).

    Raises:
        OptionError: the axis is that of the batch.
        ShapeError: the other axes of the inputs differ.

    >>> Concatenate()([[1.0, 2.0]], [[3.0]])
    tensor([[1., 2., 3.]])

    Source: Szegedy et al., Going Deeper with Convolutions, CVPR 2015.
    """

    def __init__(self, axis: int = -1):
        if axis == 0:
            raise OptionError("Concatenate can't join along the batch, axis 0")
        self.axis = axis

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the inputs side by side."""
        if normalize_axes(self.axis, inputs[0].ndim) == (0,):
            raise ShapeError(f"axis {self.axis} of {show_shape(inputs[0].shape)} is that of the batch")
        return functions.concat(inputs, self.axis)


class FeedForward(Container):
    """Two dense layers, the first one wide: y = activation(x @ W1 + b1) @ W2 + b2, at each position by itself.

    Args:
        hidden: units of the first layer.
        width: units of the second.
        activation: of the first.
        use_bias: whether the layers have biases.
        dropout: share of the result that is left out at random while training.
        kernel_initializer: starting values of the weights.
        output_initializer: of the second layer's weight, if it has others.

    Raises:
        OptionError: units below 1, or a dropout outside of [0, 1).

    >>> FeedForward(8, 2)([[[1.0, 2.0]]]).shape
    (1, 1, 2)

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.3.
    """

    def __init__(
        self,
        hidden: int,
        width: int,
        activation: ActivationLike = "relu",
        *,
        use_bias: bool = True,
        dropout: float = 0.0,
        kernel_initializer: Initializer = "glorot_uniform",
        output_initializer: Initializer | None = None,
    ):
        last = kernel_initializer if output_initializer is None else output_initializer
        self.hidden = Dense(hidden, activation, use_bias=use_bias, kernel_initializer=kernel_initializer)
        self.output = Dense(width, use_bias=use_bias, kernel_initializer=last)
        self.dropout = Dropout(dropout)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return what the two layers make of x."""
        x = only(inputs)
        return self.dropout(self.output(self.hidden(x)))


class TransformerBlock(Module):
    """A layer of a transformer: attention and a feed-forward part, each with a residual connection and normalised.

    With `norm_first`: x + attention(norm(x)), then x + feed_forward(norm(x)). Without, as in the first paper:
    norm(x + attention(x)), then norm(x + feed_forward(x)). With `cross` there is attention to a `memory` in between:
    the decoder of an encoder-decoder. Called as `block(x)`, `block(x, memory)`, with `mask=` for the keys of x and
    `memory_mask=` for those of the memory; x and the result are `(rows, time, channels)`.

    Args:
        heads: number of attention heads; they share out the channels.
        hidden: units inside the feed-forward part.
        activation: of the feed-forward part.
        causal: whether a position may see only those up to itself.
        cross: whether it attends to a memory as well.
        rotary: whether attention to x itself has rotary positions.
        norm_first: whether to normalise what goes into a part instead of what comes out.
        use_bias: whether dense layers and normalisations have biases.
        dropout: share of attention weights and of each part's result that is left out at random while training.
        kernel_initializer: starting values of the weights.
        output_initializer: of the weights whose products are added to x, if they have others.

    Raises:
        OptionError: a size below 1, or a dropout outside of [0, 1).
        ShapeError: as for `MultiHeadAttention`; or a memory is missing.

    >>> TransformerBlock(heads=2, hidden=8)([[[1.0, 2.0], [3.0, 4.0]]]).shape
    (1, 2, 2)

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017; with norm_first: Xiong et al., On Layer
    Normalization in the Transformer Architecture, ICML 2020.
    """

    def __init__(
        self,
        heads: int,
        hidden: int,
        activation: ActivationLike = "relu",
        *,
        causal: bool = False,
        cross: bool = False,
        rotary: bool = False,
        norm_first: bool = True,
        use_bias: bool = True,
        dropout: float = 0.0,
        kernel_initializer: Initializer = "glorot_uniform",
        output_initializer: Initializer | None = None,
    ):
        self.hidden = hidden
        self.activation = activation
        self.norm_first = norm_first
        self.use_bias = use_bias
        self.rate = dropout
        self.initializers: dict[str, Any] = {
            "kernel_initializer": kernel_initializer,
            "output_initializer": output_initializer,
        }

        def attention(causal: bool, rotary: bool) -> MultiHeadAttention:
            return MultiHeadAttention(
                heads, causal=causal, rotary=rotary, use_bias=use_bias, dropout=dropout, **self.initializers
            )

        self.attention_norm = LayerNorm(use_bias=use_bias)
        self.attention = attention(causal, rotary)
        self.cross_norm = LayerNorm(use_bias=use_bias) if cross else None
        self.cross = attention(False, False) if cross else None
        self.feed_forward_norm = LayerNorm(use_bias=use_bias)
        self.dropout = Dropout(dropout)

    def build(self, *shapes: Shape) -> None:
        """Make the feed-forward part, as wide as the channels."""
        channels = shapes[0][-1]
        if not isinstance(channels, int):
            raise ShapeError(f"it takes sequences (rows, time, channels), not {show_shape(shapes[0])}")
        self.feed_forward = FeedForward(
            self.hidden, channels, self.activation, use_bias=self.use_bias, dropout=self.rate, **self.initializers
        )

    def forward(
        self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        """Return x after all parts."""
        cross, cross_norm = self.cross, self.cross_norm
        if (memory is None) != (cross is None):
            raise ShapeError("a block with cross=True takes a memory, as in block(x, memory), and others take none")
        x = self._around(x, self.attention_norm, lambda y: self.dropout(self.attention(y, mask=mask)))
        if cross is not None and cross_norm is not None:
            x = self._around(x, cross_norm, lambda y: self.dropout(cross(y, memory, mask=memory_mask)))
        return self._around(x, self.feed_forward_norm, self.feed_forward)

    def _around(self, x: Tensor, norm: Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """One part, with the connection that leads around it."""
        y: Tensor = x + part(norm(x)) if self.norm_first else norm(x + part(x))
        return y
