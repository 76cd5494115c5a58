"""What several update rules share: running means and their start from zero."""

from __future__ import annotations

import math
from numbers import Real

import nbdl
from nbdl.errors import OptionError
from nbdl.tensor import Tensor

SMALLEST_EPSILON = 1e-30
"""So that float32 holds its reciprocal, also after it was multiplied by Adam's correction of the start."""


def check_decay(owner: str, **decays: float) -> None:
    """Raise `OptionError` for a decay rate of a running mean that isn't in [0, 1)."""
    for name, decay in decays.items():
        if not isinstance(decay, Real) or not 0 <= decay < 1:
            raise OptionError(f"{owner} takes {name} from 0 up to but not including 1, not {decay!r}")


def check_epsilon(owner: str, epsilon: float) -> None:
    """Raise `OptionError` for an epsilon so small that an element that never had a gradient would become 0 / 0, or so
    large that nothing would move.
    """
    if not isinstance(epsilon, Real) or not SMALLEST_EPSILON <= epsilon < math.inf:
        raise OptionError(f"{owner} takes a finite epsilon of at least {SMALLEST_EPSILON:g}, not {epsilon!r}")


def running_mean(mean: Tensor, new: Tensor, decay: float) -> Tensor:
    """decay * mean + (1 - decay) * new, with one multiplication less.

    It begins with the one that counts more: a small number would be rounded away beside a mean that counts for nothing.
    """
    return mean + (1 - decay) * (new - mean) if decay >= 0.5 else new + decay * (mean - new)


def start_correction(decay: float, updates: Tensor) -> Tensor | float:
    """1 - decay**updates: the share of a running mean that is not its start from zero.

    Computed as -expm1(updates * log(decay)): in float32, 1 - 0.999 by itself would be wrong in the fifth digit.
    """
    return -nbdl.expm1(updates * math.log(decay)) if decay else 1.0
