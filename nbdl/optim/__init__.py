"""Optimizers' protocol, schedules' protocol, and the flat vector that they work on."""

from nbdl.optim.flat import Flat
from nbdl.optim.optimizer import Optimizer, OptimizerState, Slots
from nbdl.optim.schedules import Schedule

__all__ = ["Flat", "Optimizer", "OptimizerState", "Schedule", "Slots"]
