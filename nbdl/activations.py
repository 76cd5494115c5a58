"""Every registered activation as a function by its name, for code of one's own: `activations.relu(x)`."""

from typing import Any

from nbdl import plugins
from nbdl.resolve import attribute


def __getattr__(name: str) -> Any:
    return attribute("activations", name)


def __dir__() -> list[str]:
    return plugins.names("activations")
