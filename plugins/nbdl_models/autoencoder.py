"""Autoencoders: plain, denoising, convolutional."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl import nn, random
from nbdl.errors import OptionError
from nbdl.hookspecs import trained_with
from nbdl.ir.shapes import Shape
from nbdl.tensor import Tensor
from nbdl_models.checked import check_widths
from nbdl_models.picture_parts import ToShape, as_floats, built_part, halved, row_shape


@trained_with(train={"epochs": 10, "batch_size": 64})
class Autoencoder(nn.Module):
    """Autoencoder: gives back its input through a narrow code, so that the code holds what matters.

    code = encoder(x), y = decoder(code). The encoder has the layers h = activation(h @ weight + bias) of the widths in
    `hidden`, the last of which is the code (without activation); the decoder has them in reverse, and ends in
    `output_activation`. With `convolutional` the encoder begins with 3x3 convolutions of stride 2, which halve the
    sides of images, and the decoder ends in transposed ones, which double them. It is trained on the distance of y from
    x itself (`task = "reconstruction"`); with `noise` on that of decoder(encoder(x + noise * e)), e from a normal
    distribution: it learns to remove noise.

    x and y have one shape, `(n, ...)`; for convolutions `(n, height, width)` or `(n, height, width, channels)`.

    Args:
        outputs: number of classes or targets; they aren't used.
        hidden: widths of the encoder's layers; the last is the size of the code.
        convolutional: whether there are convolutions before the encoder's layers and behind the decoder's.
        filters: channels of the convolutions.
        noise: standard deviation of the noise that is added to the input while training.
        activation: name of the hidden layers' activation function.
        output_activation: that of the last layer: `sigmoid` for pixels from 0 to 1, `linear` for other numbers.

    Raises:
        OptionError: no widths, a width below 1, or a negative noise.
        ShapeError: an input without batch axis; for convolutions, no image, or sides that can't be halved so often.

    >>> net = Autoencoder(outputs=10, hidden=(16, 2))
    >>> x = np.ones((3, 4, 4), np.float32)
    >>> net(x).shape, net.encode(x).shape, net.decode(np.zeros((3, 2))).shape
    ((3, 4, 4), (3, 2), (3, 4, 4))

    Source: Hinton, Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 313 (2006); noise:
    Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders, ICML 2008; convolutions: Masci
    et al., Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction, ICANN 2011.
    """

    task = "reconstruction"

    encoder: nn.Module
    decoder: nn.Module

    def __init__(
        self,
        *,
        outputs: int,
        hidden: tuple[int, ...] = (128, 32),
        convolutional: bool = False,
        filters: tuple[int, ...] = (16, 32),
        noise: float = 0.0,
        activation: str = "relu",
        output_activation: str = "sigmoid",
    ):
        check_widths("autoencoder", "hidden", hidden)
        check_widths("autoencoder", "filters", filters)
        if noise < 0:
            raise OptionError(f"autoencoder takes a noise of at least 0, not {noise}")
        self.hidden = tuple(hidden)
        self.filters = tuple(filters) if convolutional else ()
        self.noise = noise
        self.activation = activation
        self.output_activation = output_activation

    def build(self, *shapes: Shape) -> None:
        """Make encoder and decoder for rows `(n, ...)`."""
        shape = row_shape(shapes[0], "autoencoder")
        before, behind = self._convolutions(shape) if self.filters else ([], [])
        *inner, code = self.hidden
        encoder = [nn.Dense(width, activation=self.activation) for width in inner]
        decoder = [nn.Dense(width, activation=self.activation) for width in reversed(inner)]
        if not self.filters:
            decoder += [nn.Dense(int(np.prod(shape)), activation=self.output_activation)]
        self.encoder = nn.Sequential(*before, nn.Flatten(), *encoder, nn.Dense(code))
        self.decoder = nn.Sequential(*decoder, *behind, ToShape(shape))
        self.label_children()

    def _convolutions(self, shape: tuple[int, ...]) -> tuple[list[nn.Module], list[nn.Module]]:
        """What comes before the encoder's dense layers, and behind the decoder's."""
        height, width, channels = halved(shape, len(self.filters), "autoencoder")
        *lower, top = self.filters
        options: dict[str, Any] = {"stride": 2, "padding": "same"}
        before = [nn.Conv2D(each, 3, self.activation, **options) for each in self.filters]
        behind = [nn.Conv2DTranspose(each, 3, self.activation, **options) for each in reversed(lower)]
        last = nn.Conv2DTranspose(channels, 3, self.output_activation, **options)
        small = [nn.Dense(height * width * top, activation=self.activation), ToShape((height, width, top))]
        return [nn.ImageInput(), *before], [*small, *behind, last]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return what the decoder makes of the code of x."""
        x = as_floats(inputs[0])
        if self.noise and self.training:
            x = x + self.noise * random.normal(x.shape, x.dtype)
        y: Tensor = self.decoder(self.encoder(x))
        return y

    def encode(self, x: Any) -> np.ndarray:
        """Return the codes of rows, `(n, hidden[-1])`. Raises `OptionError` if the network isn't built."""
        return built_part(self, "encoder").predict(x)

    def decode(self, codes: Any) -> np.ndarray:
        """Return the rows that codes stand for. Raises `OptionError` if the network isn't built."""
        return built_part(self, "decoder").predict(codes)
