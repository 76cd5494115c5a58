"""LeNet-5."""

from __future__ import annotations

from typing import Literal

from nbdl import nn


def lenet5(
    *, outputs: int, activation: Literal["relu", "tanh"] = "relu", pooling: Literal["max", "average"] = "max"
) -> nn.Module:
    """LeNet-5: conv 5x5x6, pool, conv 5x5x16, pool, dense 120, dense 84, y = h @ weight + bias.

    Inputs are images (rows, height, width) or (rows, height, width, channels), 12x12 pixels or more; the result is
    (rows, outputs): logits of classes, or numbers. The first convolution keeps the size, so that 28x28 pixels do what
    32x32 did in the paper. What differs from the paper: pooling has no weights, each filter sees all maps, and the last
    layer is dense.

    Args:
        outputs: number of classes or targets.
        activation: name of the activation function: "relu", which learns faster, or "tanh" as in the paper.
        pooling: "max" for the largest of 2x2 pixels, or "average" for their mean as in the paper.

    Raises:
        ShapeError: the images are smaller than 12x12 pixels.

    >>> import numpy as np
    >>> lenet5(outputs=10)(np.ones((2, 28, 28), np.float32)).shape
    (2, 10)

    Source: LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition, Proceedings of the
    IEEE 86 (1998), section II.
    """
    pool = nn.AveragePool2D if pooling == "average" else nn.MaxPool2D
    return nn.Sequential(
        nn.ImageInput(),
        nn.Conv2D(6, 5, activation=activation, padding=2),
        pool(2),
        nn.Conv2D(16, 5, activation=activation),
        pool(2),
        nn.Flatten(),
        nn.Dense(120, activation=activation),
        nn.Dense(84, activation=activation),
        nn.Dense(outputs),
    )
