"""The multilayer perceptron."""

from __future__ import annotations

from nbdl import nn
from nbdl.errors import OptionError


def mlp(
    *, outputs: int, hidden: tuple[int, ...] = (256, 128), activation: str = "relu", dropout: float = 0.1
) -> nn.Module:
    """Multilayer perceptron: hidden layers h = activation(h @ weight + bias), then y = h @ weight + bias.

    Inputs (rows, ...) are flattened; the result is (rows, outputs): logits of classes, or numbers.

    Args:
        outputs: number of classes or targets.
        hidden: widths of the hidden layers.
        activation: name of their activation function.
        dropout: share of each hidden layer's outputs that is left out at random while training.

    Raises:
        OptionError: a width below 1, or a dropout outside of [0, 1).

    >>> mlp(outputs=10, hidden=(32, 16))([[1.0, 2.0]]).shape
    (1, 10)

    Source: Rumelhart, Hinton, Williams, Learning Representations by Back-Propagating Errors, Nature 323 (1986).
    """
    if not 0 <= dropout < 1:
        raise OptionError(f"mlp takes a dropout of at least 0 and less than 1, not {dropout}")
    layers: list[nn.Module] = [nn.Flatten()]
    for width in hidden:
        layers.append(nn.Dense(width, activation=activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Dense(outputs))
