"""Watching one of the numbers that a run measures: is it better than before?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from nbdl import plugins
from nbdl.errors import OptionError, UnknownNameError, suggest

Mode = Literal["auto", "min", "max"]


class Monitor:
    """The best value so far of one of the numbers measured each epoch.

    Args:
        owner: the callback that watches, for messages.
        name: what is watched, such as `val_loss`.
        mode: `min`: less is better; `max`: more is better; `auto`: as the loss or the metric of that name says.
        min_delta: a change of less than this is no improvement.

    Raises:
        OptionError: `auto` doesn't know the name; a negative `min_delta`.
    """

    def __init__(self, owner: str, name: str, mode: Mode, min_delta: float):
        if min_delta < 0:
            raise OptionError(f"{owner} takes a min_delta of at least 0, not {min_delta}")
        self.owner = owner
        self.name = name
        self.higher_is_better = mode == "max" or (mode == "auto" and _higher_is_better(owner, name))
        self.min_delta = min_delta
        self.reset()

    def reset(self) -> None:
        """Nothing has been measured yet."""
        self.best = math.nan
        self.best_epoch = -1
        self.wait = 0
        """Epochs since the best one."""

    def improved(self, logs: Mapping[str, Any], epoch: int) -> bool:
        """Look at an epoch's numbers and say whether they are the best so far; NaN never is.

        Raises `OptionError` if what is watched wasn't measured.
        """
        value = self._value(logs)
        gain = value - self.best if self.higher_is_better else self.best - value
        first = math.isnan(self.best) and not math.isnan(value)
        if first or gain > self.min_delta:
            self.best, self.best_epoch, self.wait = value, epoch, 0
            return True
        self.wait += 1
        return False

    def _value(self, logs: Mapping[str, Any]) -> float:
        if self.name not in logs:
            advice = "give validation data, or " if self.name.startswith("val_") else ""
            raise OptionError(
                f"{self.owner} watches {self.name!r}, which this run doesn't measure; {advice}watch another: "
                f"{suggest(self.name, logs)}"
            )
        try:
            return float(logs[self.name])
        except TypeError:
            raise OptionError(f"{self.owner} can't watch {self.name!r}: it isn't a single number") from None

    def state(self) -> dict[str, float]:
        """What a resumed run must know."""
        return {"best": self.best, "best_epoch": self.best_epoch, "wait": self.wait}

    def set_state(self, state: Mapping[str, float]) -> None:
        """Take over what `state` returned before."""
        self.best = float(state["best"])
        self.best_epoch = int(state["best_epoch"])
        self.wait = int(state["wait"])


def _higher_is_better(owner: str, name: str) -> bool:
    measured = name.removeprefix("val_")
    if measured == "loss":
        return False
    try:
        metric = plugins.lookup("metrics", measured).factory
    except UnknownNameError:
        raise OptionError(f"{owner} can't tell whether more {name!r} is better: say mode='max' or mode='min'") from None
    return bool(getattr(metric, "higher_is_better", True))
