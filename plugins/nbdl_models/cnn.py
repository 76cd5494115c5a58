"""A small convolutional network."""

from __future__ import annotations

from nbdl import nn
from nbdl.errors import OptionError


def cnn(
    *,
    outputs: int,
    filters: tuple[int, ...] = (32, 64),
    kernel: int = 3,
    hidden: int = 64,
    activation: str = "relu",
    dropout: float = 0.5,
) -> nn.Module:
    """Convolutional network: blocks of h = max_pool(activation(conv(h))), a hidden layer, and y = h @ weight + bias.

    Inputs are images (rows, height, width) or (rows, height, width, channels); the result is (rows, outputs): logits of
    classes, or numbers. The convolutions have no padding, and the windows of the maxima are 2x2: 28x28 pixels become
    13x13x32, 5x5x64, 64 and the outputs.

    Args:
        outputs: number of classes or targets.
        filters: filters of each block's convolution.
        kernel: height and width of the convolutions' kernels.
        hidden: width of the hidden layer.
        activation: name of the activation function.
        dropout: share of the flattened features that is left out at random while training.

    Raises:
        OptionError: no filters, or a dropout outside of [0, 1).
        ShapeError: the images are smaller than the blocks need (10x10 pixels by default).

    >>> import numpy as np
    >>> cnn(outputs=10)(np.ones((2, 28, 28), np.float32)).shape
    (2, 10)

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86 (1998);
    sizes and dropout are those of the simple MNIST convnet among Keras's examples, with a hidden layer more.
    """
    if not filters:
        raise OptionError("cnn needs the filters of one block at least, as in filters=(32, 64)")
    if not 0 <= dropout < 1:
        raise OptionError(f"cnn takes a dropout of at least 0 and less than 1, not {dropout}")
    layers: list[nn.Module] = [nn.ImageInput()]
    for each in filters:
        layers += [nn.Conv2D(each, kernel, activation=activation), nn.MaxPool2D(2)]
    layers.append(nn.Flatten())
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Dense(hidden, activation=activation), nn.Dense(outputs))
