"""Optimizers: their protocol, and every registered one by its name, e.g. `optim.adam(lr=1e-3)`."""

from typing import Any

from nbdl import plugins
from nbdl.optim.flat import Flat
from nbdl.optim.optimizer import LearningRate, Optimizer
from nbdl.optim.schedules import Schedule
from nbdl.optim.state import OptimizerState, Slots
from nbdl.resolve import attribute

__all__ = ["Flat", "LearningRate", "Optimizer", "OptimizerState", "Schedule", "Slots"]


def __getattr__(name: str) -> Any:
    return attribute("optimizers", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *plugins.names("optimizers")})
