"""`tf.random`."""

from nbdl import random


def set_seed(seed: int) -> None:
    """Start nbdl's random numbers anew: the same in every run, but not TensorFlow's."""
    random.set_seed(seed)
