"""The dense generative adversarial network."""

from __future__ import annotations

import numpy as np

from nbdl import nn
from nbdl.hookspecs import trained_with
from nbdl_models.adversarial import LEAKY, Adversarial
from nbdl_models.checked import check_share, check_widths
from nbdl_models.picture_parts import ToShape


@trained_with(
    optimizer={"name": "adam", "lr": 2e-4, "beta1": 0.5},
    train={"epochs": 40, "batch_size": 128, "validation_split": 0.0},
)
class GAN(Adversarial):
    """Generative adversarial network of dense layers: makes new rows like those of the data.

    The generator has the layers h = batch_norm(leaky_relu(h @ weight + bias)) and ends in a sigmoid; the discriminator
    has them in reverse, with dropout in place of batch normalisation, and ends in one logit. Rows are `(n, ...)` with
    numbers from 0 to 1. The losses are softplus(-D(x)) for real rows (smoothed on one side), softplus(D(made)) for made
    ones, and softplus(-D(made)) for the generator, reported as `discriminator` and `generator`; both are trained in
    each step, the discriminator with the optimizer, the generator with another one like it.

    Args:
        outputs: number of classes or targets; they aren't used.
        latent: how many random numbers a row is made from.
        hidden: widths of the generator's hidden layers.
        dropout: share of the outputs of the discriminator's hidden layers that is left out at random in training.
        smoothing: real rows are taken for real with 1 - this, so that the discriminator doesn't become too sure.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: an input without batch axis.

    >>> net = GAN(outputs=10, latent=8, hidden=(16, 32))
    >>> net(np.ones((3, 4, 4), np.float32)).shape, net.generate(5, seed=0).shape
    ((3, 1), (5, 4, 4))

    Source: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014; smoothing on one side: Salimans et al.,
    Improved Techniques for Training GANs, NeurIPS 2016.
    """

    def __init__(
        self,
        *,
        outputs: int,
        latent: int = 64,
        hidden: tuple[int, ...] = (256, 512),
        dropout: float = 0.3,
        smoothing: float = 0.1,
    ):
        super().__init__(latent, smoothing)
        check_widths("gan", "hidden", hidden)
        check_share("gan", "dropout", dropout)
        self.hidden = tuple(hidden)
        self.dropout = dropout

    def make_parts(self, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
        """Return a dense generator and a dense discriminator."""
        generator: list[nn.Module] = []
        discriminator: list[nn.Module] = [nn.Flatten()]
        for width in self.hidden:
            generator += [nn.Dense(width, activation=LEAKY), nn.BatchNorm()]
        for width in reversed(self.hidden):
            discriminator.append(nn.Dense(width, activation=LEAKY))
            if self.dropout:
                discriminator.append(nn.Dropout(self.dropout))
        generator += [nn.Dense(int(np.prod(shape)), activation="sigmoid"), ToShape(shape)]
        return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Dense(1))
