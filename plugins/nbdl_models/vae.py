"""The variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import nbdl
from nbdl import nn, random
from nbdl.hookspecs import trained_with
from nbdl.ir.shapes import Shape
from nbdl.losses import binary_crossentropy
from nbdl.tensor import Tensor
from nbdl.train import Batch
from nbdl_models.checked import check_widths
from nbdl_models.picture_parts import ToShape, as_floats, build_once, built_part, random_codes, row_shape


@trained_with(train={"epochs": 15, "batch_size": 128})
class VAE(nn.Module):
    """Variational autoencoder: a code with a distribution, so that new rows can be drawn.

    The encoder gives mean m and log-variance v of a normal distribution over codes, z = m + exp(v / 2) * e with e from
    N(0, 1) is a draw from it, and the decoder gives logits of pixels, each of which is on with the probability
    sigmoid(logit). Trained on the negative evidence lower bound in nats, the mean over the rows of

        sum(-x * log(p) - (1 - x) * log(1 - p)) + sum(m**2 + exp(v) - 1 - v) / 2,

    reported as `loss`, and its parts as `reconstruction` and `divergence`. x is `(n, ...)` from 0 to 1; the network's
    output, of the same shape, is p for z = m.

    Args:
        outputs: number of classes or targets; they aren't used.
        latent: size of the code.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        activation: name of their activation function.

    Raises:
        OptionError: no widths, or one below 1.
        ShapeError: an input without batch axis.

    >>> net = VAE(outputs=10, latent=2, hidden=(16,))
    >>> x = np.ones((3, 4, 4), np.float32)
    >>> net(x).shape, net.encode(x).shape, net.generate(5, seed=0).shape
    ((3, 4, 4), (3, 2), (5, 4, 4))

    Source: Kingma, Welling, Auto-Encoding Variational Bayes, ICLR 2014.
    """

    task = "reconstruction"

    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, *, outputs: int, latent: int = 20, hidden: tuple[int, ...] = (400,), activation: str = "relu"):
        check_widths("vae", "hidden", hidden)
        check_widths("vae", "latent", [latent])
        self.latent = latent
        self.hidden = tuple(hidden)
        self.activation = activation

    def build(self, *shapes: Shape) -> None:
        """Make encoder and decoder for rows `(n, ...)`."""
        shape = row_shape(shapes[0], "vae")
        hidden = [nn.Dense(width, activation=self.activation) for width in self.hidden]
        self.encoder = nn.Sequential(nn.Flatten(), *hidden, nn.Dense(2 * self.latent))
        hidden = [nn.Dense(width, activation=self.activation) for width in reversed(self.hidden)]
        self.decoder = nn.Sequential(*hidden, nn.Dense(int(np.prod(shape))), ToShape(shape), nn.Activation("sigmoid"))
        self.label_children()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the probabilities of pixels that the mean of the code stands for."""
        mean, _ = self._distribution(inputs[0])
        y: Tensor = self.decoder(mean)
        return y

    def _distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the codes."""
        both = self.encoder(as_floats(x))
        return both[:, : self.latent], both[:, self.latent :]

    def _measure(self, batch: Batch) -> dict[str, Tensor]:
        """The negative evidence lower bound, with a draw for each row, and its parts."""
        build_once(self, batch.x)
        mean, log_variance = self._distribution(batch.x)
        z = mean + nbdl.exp(0.5 * log_variance) * random.normal(mean.shape, mean.dtype)
        target = batch.x if batch.target is None else batch.target  # in targets, numbers beyond 0 to 1 are noticed
        pixels = int(np.prod(row_shape(batch.x.shape, "vae")))
        reconstruction = pixels * binary_crossentropy(self.decoder(z), target)
        divergence = nbdl.mean(nbdl.sum(mean * mean + nbdl.exp(log_variance) - 1 - log_variance, axis=1)) / 2
        return {"loss": reconstruction + divergence, "reconstruction": reconstruction, "divergence": divergence}

    def train_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """Lower the negative evidence lower bound."""
        logs = self._measure(batch)
        self.optimizer.minimize(logs["loss"], self.parameters())
        return logs

    def test_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """Measure the negative evidence lower bound."""
        return self._measure(batch)

    def encode(self, x: Any) -> np.ndarray:
        """Return the means of the codes of rows, `(n, latent)`. Raises `OptionError` if the network isn't built."""
        return built_part(self, "encoder").predict(x)[:, : self.latent]

    def decode(self, codes: Any) -> np.ndarray:
        """Return the rows that codes stand for. Raises `OptionError` if the network isn't built."""
        return built_part(self, "decoder").predict(codes)

    def generate(self, count: int, seed: int = 0) -> np.ndarray:
        """Return `count` new rows, decoded from random codes. Raises `OptionError` if the network isn't built."""
        return self.decode(random_codes(count, self.latent, seed))
