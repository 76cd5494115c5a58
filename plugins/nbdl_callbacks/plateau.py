"""Lowering the learning rate when a run gets stuck."""

from __future__ import annotations

from typing import Any

from nbdl.errors import OptionError
from nbdl.train.callbacks import Callback
from nbdl_callbacks.monitor import Mode, Monitor


class ReduceOnPlateau(Callback):
    """Multiply the learning rate by a factor when what is monitored hasn't improved for some epochs.

    It works together with any schedule: the schedule's rate is scaled.

    Args:
        monitor: what is watched, such as `val_loss` or `val_accuracy`.
        factor: what the learning rate is multiplied by; above 0 and below 1.
        patience: how many epochs in a row may pass without improvement.
        min_delta: a change of less than this is no improvement.
        mode: `min`: less is better; `max`: more is better; `auto`: as the loss or the metric of that name says.
        cooldown: epochs after a reduction in which nothing is counted.
        min_scale: the product of all factors never falls below this.

    Raises:
        OptionError: an option outside of its range, or what is monitored isn't measured.

    Source: Bottou, Curtis, Nocedal, Optimization Methods for Large-Scale Machine Learning, SIAM Review 60 (2018),
    section 4.2 (lowering the rate once a given one makes no more progress).
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 3,
        min_delta: float = 1e-4,
        mode: Mode = "auto",
        cooldown: int = 0,
        min_scale: float = 1e-4,
    ):
        if not 0 < factor < 1:
            raise OptionError(f"reduce_on_plateau takes a factor above 0 and below 1, not {factor}")
        if patience < 1 or cooldown < 0:
            raise OptionError(
                f"reduce_on_plateau takes a patience of at least 1 and a cooldown of at least 0, not {patience} and "
                f"{cooldown}"
            )
        self.monitor = Monitor("reduce_on_plateau", monitor, mode, min_delta)
        self.factor = factor
        self.patience = patience
        self.cooldown = cooldown
        self.min_scale = min_scale
        self.reset()

    def reset(self) -> None:
        """Nothing has been lowered, as far as is known yet."""
        self.monitor.reset()
        self.scale = 1.0
        self.resting = 0

    def run_start(self, run: Any) -> None:
        """Begin with how far the rates of the run's optimizers were lowered before."""
        self.scale = min((float(each.state.lr_scale) for each in run.optimizers.values()), default=1.0)

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Lower the learning rate if the run has waited long enough."""
        improved = self.monitor.improved(logs, run.epoch)
        if self.resting:
            self.resting -= 1
            self.monitor.wait = 0
        elif not improved and self.monitor.wait >= self.patience:
            self._reduce(run)

    def _reduce(self, run: Any) -> None:
        scale = max(self.scale * self.factor, self.min_scale)
        if scale < self.scale:
            run.scale_learning_rate(scale / self.scale)
            self.scale = scale
        self.monitor.wait, self.resting = 0, self.cooldown

    def state(self) -> dict[str, float]:
        """The best value, how long the run has waited, and how far the rate was lowered."""
        return {**self.monitor.state(), "scale": self.scale, "resting": self.resting}

    def set_state(self, state: dict[str, float]) -> None:
        """Take over what `state` returned before; the optimizer's own state has the lowered rate already."""
        self.monitor.set_state(state)
        self.scale = float(state["scale"])
        self.resting = int(state["resting"])
