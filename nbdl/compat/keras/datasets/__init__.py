"""`keras.datasets`: nbdl's data sets as Keras hands them over."""

from typing import Any

from nbdl.compat.keras.datasets import fashion_mnist, mnist
from nbdl.compat.naming import missing

__all__ = ["fashion_mnist", "mnist"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
