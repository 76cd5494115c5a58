"""What generative adversarial networks have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import nbdl
from nbdl import nn, random
from nbdl.activations import softplus
from nbdl.ir.shapes import Shape
from nbdl.nn.calls import building
from nbdl.nn.inputs import only
from nbdl.tensor import Tensor
from nbdl.train import Batch
from nbdl_models.checked import check_share, check_widths
from nbdl_models.picture_parts import as_floats, built_part, random_codes, row_shape

LEAKY = {"name": "leaky_relu", "slope": 0.2}
"""The activation of hidden layers: a unit that is off still passes on how to become better."""


class Adversarial(nn.Module):
    """Two networks against each other: one makes rows out of random numbers, the other tells them from real ones.

    A subclass makes the two in `make_parts`. With D(x) the discriminator's logit, s the label smoothing and z from
    N(0, 1), the discriminator lowers

        mean of (1 - s) * softplus(-D(x)) + s * softplus(D(x)) + softplus(D(generator(z))),

    and the generator, in the same step, softplus(-D(generator(z))), which doesn't saturate while it is bad. Each has an
    optimizer of its own, made like the one that `compile` is given.
    """

    task = "generation"

    generator: nn.Module
    discriminator: nn.Module

    def __init__(self, latent: int, smoothing: float):
        name = type(self).__name__.lower()
        check_widths(name, "latent", [latent])
        check_share(name, "smoothing", smoothing)
        self.latent = latent
        self.smoothing = smoothing

    def make_parts(self, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
        """Return a generator, `(n, latent)` to `(n, *shape)`, and a discriminator, `(n, *shape)` to `(n, 1)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no make_parts(self, shape)")

    def build(self, *shapes: Shape) -> None:
        """Make both networks, and their parameters, for rows `(n, ...)`."""
        self.generator, self.discriminator = self.make_parts(row_shape(shapes[0], type(self).__name__.lower()))
        self.label_children()
        with building():
            self.generator(nbdl.zeros((1, self.latent)))

    def compile(self, optimizer: Any = "adam", *others: Any, **options: Any) -> Any:
        """Say how both networks are trained: each gets an optimizer of its own, made like the one given."""
        super().compile(optimizer, *others, **options)
        positional, named = self.optimizer.arguments()
        self.generator_optimizer = type(self.optimizer)(*positional, **named)
        return self

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the discriminator's logits, `(n, 1)`: positive for what it takes to be real."""
        x = only(inputs)
        y: Tensor = self.discriminator(as_floats(x))
        return y

    def train_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """A step of the discriminator and one of the generator; returns both losses."""
        real = self(batch.x)
        made = self.generator(random.normal((batch.x.shape[0], self.latent)))
        fake = self.discriminator(made.detach())
        missed = (1 - self.smoothing) * softplus(-real) + self.smoothing * softplus(real)
        judged = nbdl.mean(missed + softplus(fake))
        self.optimizer.minimize(judged, self.discriminator.parameters())
        fooled = nbdl.mean(softplus(-self.discriminator(made)))
        self.generator_optimizer.minimize(fooled, self.generator.parameters())
        return {"discriminator": judged, "generator": fooled}

    def generate(self, count: int, seed: int = 0) -> np.ndarray:
        """Return `count` new rows. Raises `OptionError` if the network isn't built."""
        return built_part(self, "generator").predict(random_codes(count, self.latent, seed))
