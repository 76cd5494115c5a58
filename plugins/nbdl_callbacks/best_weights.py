"""Keeping the weights of the best epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nbdl.tensor_files import save_tensors
from nbdl.train.callbacks import Callback
from nbdl_callbacks.monitor import Mode, Monitor


class BestWeights(Callback):
    """Keep the weights of the best epoch, in the run's folder or in a file, and put them back at the end.

    They are put back when the run is over, by its last epoch or by another callback; after an error or Ctrl-C the
    newest weights stay.

    Args:
        monitor: what tells the best, such as `val_loss` or `val_accuracy`.
        mode: `min`: less is better; `max`: more is better; `auto`: as the loss or the metric of that name says.
        min_delta: a change of less than this is no improvement.
        restore: whether the network has the best weights when the run is over.
        path: a safetensors file that the best weights are written to, besides the run's folder.

    Raises:
        OptionError: an option outside of its range, or what is monitored isn't measured.

    Source: Prechelt, Early Stopping - But When?, in Neural Networks: Tricks of the Trade (1998).
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: Mode = "auto",
        min_delta: float = 0.0,
        restore: bool = True,
        path: Path | None = None,
    ):
        self.monitor = Monitor("best_weights", monitor, mode, min_delta)
        self.restore = restore
        self.path = path
        self.reset()

    def reset(self) -> None:
        """Forget the weights of another run."""
        self.monitor.reset()
        self.weights: dict[str, np.ndarray] | None = None
        """Copies of the best weights so far, by name."""
        self._unsaved = False

    def run_start(self, run: Any) -> None:
        """In a resumed run, take the best weights so far from its folder."""
        if self.monitor.best_epoch >= 0 and self.weights is None and run.folder is not None:
            self.weights, _ = run.folder.load_weights(best=True)

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Keep the weights if this epoch is the best so far."""
        if self.monitor.improved(logs, run.epoch):
            self.keep(run)

    def run_end(self, run: Any) -> None:
        """Put the best weights back; not earlier, because more epochs would go on from the newest."""
        if self.restore and run.error is None:
            self.put_back(run)

    def keep(self, run: Any) -> None:
        """Copy the weights, and write them to the file if there is one."""
        self.weights = {name: np.array(array) for name, array in run.weights().items()}
        self._unsaved = True
        if self.path is not None:
            save_tensors(self.path, self.weights, self._meta())

    def saving(self, run: Any) -> None:
        """Write the best weights to the run's folder; with each epoch it would take longer than a short epoch does."""
        if self._unsaved and self.weights is not None:
            run.folder.save_best(self.weights, self._meta())
            self._unsaved = False

    def _meta(self) -> dict[str, float]:
        return {"epoch": self.monitor.best_epoch, self.monitor.name: self.monitor.best}

    def put_back(self, run: Any) -> None:
        """Give the network the best weights."""
        if self.weights is not None:
            run.set_weights(self.weights)

    def state(self) -> dict[str, float]:
        """The best value and its epoch."""
        return self.monitor.state()

    def set_state(self, state: dict[str, float]) -> None:
        """Take over what `state` returned before."""
        self.monitor.set_state(state)
