"""Every registered loss as a function by its name, for code of one's own: `losses.mse(prediction, target)`."""

from typing import Any

from nbdl import plugins
from nbdl.resolve import attribute


def __getattr__(name: str) -> Any:
    return attribute("losses", name)


def __dir__() -> list[str]:
    return plugins.names("losses")
