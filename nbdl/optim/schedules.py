"""The protocol of learning-rate schedules: functions of the step, traced into the program."""

from __future__ import annotations

from collections.abc import Callable

from nbdl.tensor import Tensor

Schedule = Callable[[Tensor], Tensor]
"""Called with the step (a float32 scalar that starts at 0), it returns the learning rate as a scalar tensor."""
