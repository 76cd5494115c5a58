"""`keras.callbacks`: nbdl's callbacks by Keras' names, and callbacks of one's own with Keras' methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbdl.compat.naming import PAGE, missing, refuse
from nbdl.errors import OptionError
from nbdl.resolve import resolve
from nbdl.train.callbacks import Callback as NativeCallback


class Callback(NativeCallback):
    """A callback with Keras' methods: override `on_train_begin`, `on_epoch_begin`, `on_epoch_end` or `on_train_end`.

    Batches have no methods: many steps run in one native call.
    """

    model: Any = None
    """The network that is trained."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Training begins."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch is done; `logs` has loss and metrics."""

    def on_train_end(self, logs: Any = None) -> None:
        """Training is over."""

    # --- what nbdl calls ---

    def run_start(self, run: Any) -> None:
        """Training begins."""
        self.model = run.net
        self.model.stop_training = False
        self.on_train_begin()
        self.on_epoch_begin(run.epoch)

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """An epoch is done, and the next begins."""
        self.on_epoch_end(run.epoch, logs)
        if self.model.stop_training:
            run.stop("a callback set model.stop_training")
        elif run.epoch + 1 < run.epochs:
            self.on_epoch_begin(run.epoch + 1)

    def run_end(self, run: Any) -> None:
        """Training is over."""
        self.on_train_end(dict(run.logs))


class LambdaCallback(Callback):
    """Functions in place of methods."""

    def __init__(self, **functions: Callable[..., Any]):
        for name, function in functions.items():
            if not hasattr(Callback, name):
                raise OptionError(f"LambdaCallback has no {name} here ({PAGE})")
            setattr(self, name, function)


class LearningRateScheduler(Callback):
    """Sets the learning rate for every epoch: `schedule(epoch, learning_rate)` returns it."""

    def __init__(self, schedule: Callable[[int, float], float], verbose: int = 0):
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the learning rate."""
        self.model.optimizer.lr = float(self.schedule(epoch, self.model.optimizer.lr))


class ModelCheckpoint(Callback):
    """Saves the network, or its weights, after every epoch or after those that are the best so far.

    `filepath` may name the epoch (counted from 1, as in Keras) and what is measured: `"{epoch:02d}-{loss:.2f}.keras"`.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        **options: Any,
    ):
        refuse("ModelCheckpoint", options, {"save_freq": "epoch", "initial_value_threshold": None})
        self.filepath = str(filepath)
        self.save_weights_only = save_weights_only
        watched = {"name": "best_weights", "monitor": monitor, "mode": mode}
        self.best = resolve("callbacks", watched).monitor if save_best_only else None

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Save, if this epoch is to be saved."""
        if self.best is None or self.best.improved(logs, run.epoch):
            run.weights()  # brings those of the network up to date
            path = self.path(run.epoch, logs)
            path.parent.mkdir(parents=True, exist_ok=True)
            (run.net.save_weights if self.save_weights_only else run.net.save)(path)

    def path(self, epoch: int, logs: dict[str, Any]) -> Path:
        """The file for an epoch. Raises `OptionError` if its name says what isn't measured."""
        try:
            return Path(self.filepath.format(epoch=epoch + 1, **logs))
        except KeyError as error:
            known = ", ".join(["epoch", *logs])
            raise OptionError(f"{self.filepath} names {error}, and this run knows {known}") from None


def EarlyStopping(  # noqa: N802 - Keras' name
    monitor: str = "val_loss",
    min_delta: float = 0.0,
    patience: int = 0,
    verbose: int = 0,
    mode: str = "auto",
    baseline: Any = None,
    restore_best_weights: bool = False,
) -> Any:
    """The callback `early_stopping`; a patience of 0 counts as 1."""
    refuse("EarlyStopping", {"baseline": baseline}, {"baseline": None})
    options = {"monitor": monitor, "min_delta": min_delta, "mode": mode, "restore_best": restore_best_weights}
    return resolve("callbacks", {"name": "early_stopping", "patience": max(patience, 1), **options})


def ReduceLROnPlateau(  # noqa: N802
    monitor: str = "val_loss",
    factor: float = 0.1,
    patience: int = 10,
    verbose: int = 0,
    mode: str = "auto",
    min_delta: float = 1e-4,
    cooldown: int = 0,
) -> Any:
    """The callback `reduce_on_plateau`."""
    options = {"monitor": monitor, "factor": factor, "mode": mode, "min_delta": min_delta, "cooldown": cooldown}
    return resolve("callbacks", {"name": "reduce_on_plateau", "patience": patience, **options})


def CSVLogger(filename: Any) -> Any:  # noqa: N802
    """The callback `csv_log`."""
    return resolve("callbacks", {"name": "csv_log", "path": filename})


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
