"""The convolutional generative adversarial network."""

from __future__ import annotations

from nbdl import nn
from nbdl.hookspecs import trained_with
from nbdl_models.adversarial import LEAKY, Adversarial
from nbdl_models.checked import check_share, check_widths
from nbdl_models.picture_parts import ToShape, halved


@trained_with(
    optimizer={"name": "adam", "lr": 2e-4, "beta1": 0.5},
    train={"epochs": 15, "batch_size": 128, "validation_split": 0.0},
)
class DCGAN(Adversarial):
    """Deep convolutional generative adversarial network: makes new images like those of the data.

    The generator turns `latent` random numbers by a dense layer into a small image of many channels, and doubles its
    sides with transposed 4x4 convolutions of stride 2, with batch normalisation and ReLU between them and a sigmoid at
    the end. The discriminator halves the sides with 4x4 convolutions of stride 2 and leaky ReLU, with dropout, and
    ends in a dense layer and one logit. Images are `(n, height, width)` or `(n, height, width, channels)`, pixels from
    0 to 1. Losses and steps are those of `gan`.

    Args:
        outputs: number of classes or targets; they aren't used.
        latent: how many random numbers an image is made from.
        filters: channels of the discriminator's convolutions; the generator has them in reverse. Each halves the sides.
        hidden: units of the discriminator's dense layer before its logit; with many of them it wins too early, and the
            generator learns a single image.
        dropout: share of the discriminator's hidden outputs that is left out at random in training.
        smoothing: real images are taken for real with 1 - this, so that the discriminator doesn't become too sure.

    Raises:
        OptionError: an option outside of its range.
        ShapeError: inputs that aren't images, or whose sides can't be halved so often.

    >>> import numpy as np
    >>> net = DCGAN(outputs=10, latent=8, filters=(4, 8))
    >>> net(np.ones((3, 8, 8), np.float32)).shape, net.generate(5, seed=0).shape
    ((3, 1), (5, 8, 8))

    Source: Radford, Metz, Chintala, Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks, ICLR 2016; the dense layer before the logit: Chen et al., InfoGAN, NeurIPS 2016, appendix C.1; dropout in
    place of the discriminator's batch normalisation: it sees real and made ones apart.
    """

    def __init__(
        self,
        *,
        outputs: int,
        latent: int = 64,
        filters: tuple[int, ...] = (32, 64),
        hidden: int = 64,
        dropout: float = 0.3,
        smoothing: float = 0.1,
    ):
        super().__init__(latent, smoothing)
        check_widths("dcgan", "filters", filters)
        check_widths("dcgan", "hidden", [hidden])
        check_share("dcgan", "dropout", dropout)
        self.filters = tuple(filters)
        self.hidden = hidden
        self.dropout = dropout

    def make_parts(self, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
        """Return a generator and a discriminator of convolutions."""
        height, width, channels = halved(shape, len(self.filters), "dcgan")
        *lower, top = self.filters
        generator: list[nn.Module] = [
            nn.Dense(height * width * top, use_bias=False),
            ToShape((height, width, top)),
            nn.BatchNorm(),
            nn.Activation("relu"),
        ]
        for each in reversed(lower):
            generator += [
                nn.Conv2DTranspose(each, 4, stride=2, padding="same", use_bias=False),
                nn.BatchNorm(),
                nn.Activation("relu"),
            ]
        generator += [nn.Conv2DTranspose(channels, 4, "sigmoid", stride=2, padding="same"), ToShape(shape)]
        discriminator: list[nn.Module] = [nn.ImageInput()]
        for each in self.filters:
            discriminator.append(nn.Conv2D(each, 4, LEAKY, stride=2, padding="same"))
            if self.dropout:
                discriminator.append(nn.Dropout(self.dropout))
        discriminator += [nn.Flatten(), nn.Dense(self.hidden, LEAKY), nn.Dense(1)]
        return nn.Sequential(*generator), nn.Sequential(*discriminator)
