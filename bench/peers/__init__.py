"""How each framework trains a workload. Every module has `prepare(workload) -> dict of name to Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Trainer:
    """Something that trains.

    `run(steps)` trains on; the first call may compile. `loss()` is the loss over all rows with the present parameters.
    """

    run: Callable[[int], None]
    loss: Callable[[], float]
