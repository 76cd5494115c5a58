"""Ending a run that no longer gets better."""

from __future__ import annotations

from typing import Any

from nbdl.errors import OptionError
from nbdl.train.callbacks import Callback
from nbdl_callbacks.best_weights import BestWeights
from nbdl_callbacks.monitor import Mode


class EarlyStopping(Callback):
    """Stop when what is monitored hasn't improved for some epochs.

    Args:
        monitor: what is watched, such as `val_loss` or `val_accuracy`.
        patience: how many epochs in a row may pass without improvement.
        min_delta: a change of less than this is no improvement.
        mode: `min`: less is better; `max`: more is better; `auto`: as the loss or the metric of that name says.
        restore_best: whether the network has the weights of the best epoch when the run is over.

    Raises:
        OptionError: an option outside of its range, or what is monitored isn't measured.

    Source: Prechelt, Early Stopping - But When?, in Neural Networks: Tricks of the Trade (1998).
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Mode = "auto",
        restore_best: bool = True,
    ):
        if patience < 1:
            raise OptionError(f"early_stopping takes a patience of at least 1 epoch, not {patience}")
        self.patience = patience
        self.restore_best = restore_best
        self.best = BestWeights(monitor, mode, min_delta, restore=restore_best)
        self.best.monitor.owner = "early_stopping"

    def reset(self) -> None:
        """Forget the run before, and its weights."""
        self.best.reset()

    def run_start(self, run: Any) -> None:
        """In a resumed run, take the best weights so far from its folder."""
        if self.restore_best:
            self.best.run_start(run)

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Stop the run if it has waited long enough."""
        watched = self.best.monitor
        if watched.improved(logs, run.epoch):
            if self.restore_best:
                self.best.keep(run)
        elif watched.wait >= self.patience:
            run.stop(
                f"{watched.name} has not improved for {watched.wait} epochs; the best was {watched.best:.4g} in epoch "
                f"{watched.best_epoch + 1}"
            )

    def run_end(self, run: Any) -> None:
        """Put the best weights back, unless an error or Ctrl-C ended the run."""
        self.best.run_end(run)

    def saving(self, run: Any) -> None:
        """Write the best weights to the run's folder."""
        self.best.saving(run)

    def state(self) -> dict[str, float]:
        """The best value, its epoch, and how long the run has waited."""
        return self.best.state()

    def set_state(self, state: dict[str, float]) -> None:
        """Take over what `state` returned before."""
        self.best.set_state(state)
