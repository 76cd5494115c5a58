"""A training run: steps in stretches of native code, and between them the clock, callbacks, signals and checkpoints."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nbdl import plugins
from nbdl.errors import InterruptedTraining
from nbdl.nn.module import Module
from nbdl.train import tracing
from nbdl.train.callbacks import Callback
from nbdl.train.checkpoint import restore_run, save_run
from nbdl.train.finite import Watch
from nbdl.train.history import History
from nbdl.train.measuring import Evaluation
from nbdl.train.runfolder import RunFolder
from nbdl.train.tracing import Traced

STRETCH = 0.05  # seconds of steps between two looks at the clock: quick enough for a progress bar and for Ctrl-C


class Run:
    """One call of `fit`: what callbacks are given.

    Attributes:
        net: the network.
        epoch, epochs: number of the present epoch (from 0), and of all.
        step: steps done in the present epoch.
        steps_per_epoch: steps of an epoch.
        rows, batch_size, workers, seed: as given to `fit`.
        logs: loss and metrics of the epoch so far.
        history: a `History` of finished epochs.
        folder: the `RunFolder`, or None.
        error: what ended the run, or None.
    """

    def __init__(
        self,
        *,
        net: Module,
        traced: Traced,
        rows: int,
        batch_size: int,
        epochs: int,
        initial_epoch: int,
        workers: int,
        seed: int,
        shuffle: bool,
        evaluation: Evaluation | None,
        callbacks: Sequence[Callback],
        folder: RunFolder | None,
    ):
        self.net, self.traced, self.evaluation = net, traced, evaluation
        self.rows, self.batch_size, self.workers, self.seed, self.shuffle = rows, batch_size, workers, seed, shuffle
        self.epoch, self.epochs, self.step = initial_epoch, epochs, 0
        self.steps_per_epoch = -(-rows // batch_size)
        self.callbacks = list(callbacks)
        self.folder = folder
        self.history = History()
        self.error: BaseException | None = None
        self.bound = traced.program.bind(traced.arrays, batch=batch_size, workers=workers, seed=seed)
        self._interrupted = False
        self._stretch = 1

    # --- for callbacks -------------------------------------------------------------------------------------------------

    @property
    def logs(self) -> dict[str, Any]:
        """Loss and metrics of the epoch so far."""
        return self.traced.results(min(self.step * self.batch_size, self.rows))

    @property
    def optimizers(self) -> dict[str, Any]:
        """The network's optimizers by the names of their attributes."""
        return dict(tracing.optimizers_of(self.net))

    def stop(self, reason: str = "a callback stopped it") -> None:
        """End training after this epoch (or after this stretch of steps, if called from `progress`)."""
        self.history.stopped = reason

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate of all optimizers from now on."""
        for name, array in self.traced.arrays.items():
            if name.endswith("lr_scale"):
                array *= factor

    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and state, by name."""
        return self.net.state_dict()

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Take over what `weights` returned."""
        for name, parameter in self.net.named_parameters():
            value = parameter.node.value
            assert value is not None  # training has begun, so it has one
            value[...] = weights[name]

    # --- the loop --------------------------------------------------------------------------------------------------------

    def train(self) -> History:
        """Train until the last epoch, `stop`, an error or Ctrl-C."""
        with self._signals():
            try:
                if self.folder is not None:
                    self.folder.write_source(self.traced.program.source)
                    restore_run(self, self.folder)
                self._tell("run_start")
                plugins.call("nbdl_run_start", run=self)
                while self.epoch < self.epochs and not self.history.stopped:
                    self._train_epoch()
            except BaseException as error:
                self.error = error
                raise
            finally:
                self._tell("run_end")
                plugins.call("nbdl_run_end", run=self, error=self.error)
        return self.history

    def _train_epoch(self) -> None:
        order = self.order(self.epoch)
        if self.step == 0:
            self.traced.sums[:] = 0
        watch = Watch(self, order)
        while self.step < self.steps_per_epoch:
            steps = min(self._stretch, self.steps_per_epoch - self.step)
            begin = time.perf_counter()
            self.bound.run(order, self.step, steps, offset=self.epoch * self.steps_per_epoch)
            self.step += steps
            watch.check(last=self.step == self.steps_per_epoch)
            self._adapt(time.perf_counter() - begin, steps)
            self._tell("progress")
            if self._interrupted:
                self._end_by_interrupt()
        self._finish_epoch()

    def _finish_epoch(self) -> None:
        logs = self.logs
        if self.evaluation is not None:
            logs |= {f"val_{name}": value for name, value in self.evaluation.measure().items()}
        self.history.add(self.epoch, logs)
        for callback in self.callbacks:
            callback.epoch_end(self, logs)
        plugins.call("nbdl_epoch_end", run=self, epoch=self.epoch, logs=logs)
        if self.folder is not None:
            self.folder.metrics.append({"epoch": self.epoch, **{name: value for name, value in logs.items() if np.ndim(value) == 0}})
        self.epoch += 1
        self.step = 0
        if self.folder is not None:
            save_run(self, self.folder)

    def order(self, epoch: int) -> np.ndarray:
        """The order of the rows in an epoch; it depends on the seed and the epoch only."""
        if not self.shuffle:
            return np.arange(self.rows)
        return np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(self.rows)

    def _adapt(self, seconds: float, steps: int) -> None:
        """Choose the next stretch so that it takes about `STRETCH` seconds."""
        pace = steps * STRETCH / max(seconds, 1e-6)
        self._stretch = max(1, int(min(pace, 4 * self._stretch)))

    def _tell(self, moment: str) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(self)

    # --- Ctrl-C ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl-C ends training cleanly, the second at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)

        def interrupt(number: int, frame: Any) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _end_by_interrupt(self) -> None:
        where = f"in epoch {self.epoch + 1} of {self.epochs}, after {self.step} of {self.steps_per_epoch} steps"
        if self.folder is not None:
            save_run(self, self.folder)
            raise InterruptedTraining(f"stopped {where}; everything is saved in {self.folder.path}")
        raise InterruptedTraining(f"stopped {where}; the network keeps what it has learned so far")
