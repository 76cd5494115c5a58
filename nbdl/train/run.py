"""A training run: steps in stretches of native code, and between them the clock, callbacks, signals and checkpoints."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from nbdl import plugins
from nbdl.codegen.program import Bound, Program
from nbdl.errors import InterruptedTraining
from nbdl.nn.module import Module
from nbdl.train import tracing
from nbdl.train.callbacks import Callback, can_wait
from nbdl.train.checkpoint import Saver, single_numbers
from nbdl.train.debugging import DebugProgram
from nbdl.train.device import bind
from nbdl.train.finite import Watch
from nbdl.train.history import History
from nbdl.train.measuring import Evaluation
from nbdl.train.runfolder import RunFolder
from nbdl.train.tracing import Traced

STRETCH = 0.05  # seconds of steps between two looks at the clock: quick enough for a progress bar and for Ctrl-C
MOST_NUMBERS = 2**20  # of which orders are drawn, and in totals, for epochs that run in one stretch


class Run:
    """One call of `fit`: what callbacks are given.

    Attributes:
        net: the network.
        epoch, epochs: number of the present epoch (from 0), and of all.
        step, epoch_step: steps done in all epochs, and in the present one.
        steps_per_epoch: steps of an epoch.
        rows: of an epoch: all, or as many as are drawn anew for each.
        batch_size, workers, seed: as given to `fit`.
        device: where it runs, `cpu` or `cuda`.
        logs: loss and metrics of the epoch so far.
        epoch_seconds: how long the last finished epoch took; each of several in a stretch gets its share.
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
        drawn_from: int,
        batch_size: int,
        epochs: int,
        initial_epoch: int,
        workers: int,
        seed: int,
        shuffle: bool,
        evaluation: Evaluation | None,
        callbacks: Sequence[Callback],
        folder: RunFolder | None = None,
        device: str = "cpu",
        precision: str = "float32",
    ):
        self.net, self.traced, self.evaluation = net, traced, evaluation
        self.rows, self.batch_size, self.workers, self.seed, self.shuffle = rows, batch_size, workers, seed, shuffle
        self._drawn_from = drawn_from
        self.epoch, self.epochs, self.epoch_step = initial_epoch, epochs, 0
        self.steps_per_epoch = -(-rows // batch_size)
        self.callbacks = list(callbacks)
        self.folder = folder
        self.history = History()
        self.error: BaseException | None = None
        self.device = device
        self.bound: Bound | DebugProgram = bind(
            traced.program, traced.arrays, device, batch=batch_size, workers=workers, seed=seed, precision=precision
        )
        self._saver = Saver(self)
        self._watch = Watch(self)
        self._shuffler = np.random.Generator(np.random.Philox(key=[seed, 0]))
        self._shuffler_start = self._shuffler.bit_generator.state
        self._interrupted = False
        self.epoch_seconds = 0.0
        self._epoch_ended = time.perf_counter()
        self._stretch = 0  # nothing is known about the speed yet
        self._seconds, self._rows_done = 0.0, 0

    # --- for callbacks ------------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """Steps done, over all epochs."""
        return self.epoch * self.steps_per_epoch + self.epoch_step

    @property
    def program(self) -> Program:
        """What runs: the program for the device."""
        return self.traced.program if isinstance(self.bound, DebugProgram) else self.bound.program

    @property
    def logs(self) -> dict[str, Any]:
        """Loss and metrics of the epoch so far."""
        return self.traced.results(self._rows_before(self.epoch_step))

    @property
    def samples_per_second(self) -> float:
        """Rows trained on in a second; the first stretch, which includes the compilation, doesn't count."""
        return self._rows_done / self._seconds if self._seconds else 0.0

    @property
    def optimizers(self) -> dict[str, Any]:
        """The network's optimizers by the names of their attributes."""
        return dict(tracing.optimizers_of(self.net))

    def stop(self, reason: str = "a callback stopped it") -> None:
        """End training after this epoch (or after this stretch of steps, if called from `progress`)."""
        self.history.stopped = reason

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate of all optimizers from now on."""
        with self._changing():
            for name, array in self.traced.arrays.items():
                if name.endswith("lr_scale"):
                    array *= factor

    def weights(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and state, by name."""
        self.bound.pull()
        return self.net.state_dict()

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Take over what `weights` returned."""
        with self._changing():
            for name, parameter in self.net.named_parameters():
                value = parameter.node.value
                assert value is not None  # training has begun, so it has one
                value[...] = weights[name]

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Inside, the program's arrays are written to: steps are repeated from what they are then."""
        self._watch.check(everything=True)
        self.bound.pull()
        yield
        self.bound.push()
        self._watch.keep()

    def go_back(self, step: int) -> None:
        """Be where the run was before a step, counted over all epochs; epochs that weren't over then are forgotten."""
        self.epoch, self.epoch_step = divmod(step, self.steps_per_epoch)
        self.history.truncate(self.epoch)
        if self.folder is not None:
            self.folder.metrics.truncate(self.epoch)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def train(self) -> History:
        """Train until the last epoch, `stop`, an error or Ctrl-C."""
        with self._signals():
            try:
                self._reset_callbacks()
                self._saver.begin()
                self._tell("run_start")
                plugins.call("nbdl_run_start", run=self)
                self._adopt_assigned()
                self._epoch_ended = time.perf_counter()
                while self.epoch < self.epochs and not self.history.stopped:
                    self._train_epoch()
                self._watch.check(everything=True)
                self.bound.pull()
                self._saver.remember()
            except BaseException as error:
                self.error = error
                raise
            finally:
                self._tell("run_end")
                plugins.call("nbdl_run_end", run=self, error=self.error)
            self._saver.finish()
        return self.history

    def _train_epoch(self) -> None:
        """Train an epoch, or several short ones."""
        order = self.order(self.epoch)
        if self.epoch_step == 0:
            self.traced.sums[:] = 0
        self._watch.begin_epoch()
        while self.epoch_step < self.steps_per_epoch:
            if self._interrupted:
                self._end_by_interrupt()
            if (epochs := self._epochs_at_once()) > 1:
                self._run_epochs(order, epochs)
            else:
                self._run_stretch(order)
                self._watch.check()
            self._tell("progress")
            self._adopt_assigned()
            if self.history.stopped:
                return
            if self._saver.is_due(epoch_end=False):
                self._watch.check(everything=True)
                self._saver.save()
        self._finish_epoch()

    def _run_stretch(self, order: np.ndarray) -> None:
        """Run as many steps as take about `STRETCH` seconds."""
        steps = min(max(self._stretch, 1), self.steps_per_epoch - self.epoch_step)
        begin = time.perf_counter()
        self.bound.run(order, self.epoch_step, steps, offset=self.epoch * self.steps_per_epoch)
        seconds = time.perf_counter() - begin
        before, self.epoch_step = self.epoch_step, self.epoch_step + steps
        self._note_speed(steps, self._rows_before(self.epoch_step) - self._rows_before(before), seconds)

    def _epochs_at_once(self) -> int:
        """How many whole epochs fit into a stretch, if nobody needs to look at the run in between."""
        epochs = min(
            self.epochs - self.epoch,
            self._stretch // self.steps_per_epoch,
            MOST_NUMBERS // (self._drawn_from + self.traced.sums.size),
        )
        return epochs if epochs > 1 and self.epoch_step == 0 and self._may_hurry else 1

    @cached_property
    def _may_hurry(self) -> bool:
        return (
            isinstance(self.bound, Bound)
            and self.bound.runs_epochs
            and self.evaluation is None
            and all(map(can_wait, self.callbacks))
            and not plugins.is_implemented("nbdl_epoch_end")
        )

    def _run_epochs(self, order: np.ndarray, count: int) -> None:
        """Run whole epochs, and tell of all but the last one, whose end is that of the stretch."""
        first, begin = self.epoch, time.perf_counter()
        orders = np.broadcast_to(order, (count, self.rows))
        if self.shuffle:
            orders = np.stack([order, *map(self.order, range(first + 1, first + count))])
        assert isinstance(self.bound, Bound)  # NumPy is never in a hurry
        totals = self.bound.run_epochs(orders, offset=self.step)
        self._note_speed(count * self.steps_per_epoch, count * self.rows, time.perf_counter() - begin)
        self.epoch, self.epoch_step = first + count - 1, self.steps_per_epoch
        self.traced.sums[:] = totals[-1]
        try:
            self._watch.check(totals)
        finally:  # if it isn't finite, the present epoch is an earlier one now
            self._tell_of_epochs(first, totals)

    def _tell_of_epochs(self, first: int, totals: np.ndarray) -> None:
        """Tell of the epochs from `first` to the one before the present."""
        present, ended = self.epoch, np.linspace(self._epoch_ended, time.perf_counter(), len(totals) + 1)
        for self.epoch in range(first, present):
            logs = self.traced.results(self.rows, totals[self.epoch - first])
            self._note_epoch(logs, float(ended[self.epoch - first + 1]))
        self.epoch = present

    def _note_speed(self, steps: int, rows: int, seconds: float) -> None:
        if self._stretch:
            self._seconds += seconds
            self._rows_done += rows
        pace = steps * STRETCH / max(seconds, 1e-6)
        self._stretch = max(1, int(min(pace, 4 * max(self._stretch, 1))))

    def _rows_before(self, step: int) -> int:
        """Rows of an epoch that come before one of its steps."""
        return min(step * self.batch_size, self.rows)

    def _finish_epoch(self) -> None:
        logs = self.logs
        if self.evaluation is not None:
            logs |= {f"val_{name}": value for name, value in self.evaluation.measure().items()}
            if not np.isfinite(self.evaluation.traced.sums).all():
                self._watch.check(everything=True)
        self._note_epoch(logs, time.perf_counter())
        self.epoch += 1
        self.epoch_step = 0
        if self._saver.is_due(epoch_end=True):
            self._watch.check(everything=True)
            self._saver.save()

    def _note_epoch(self, logs: dict[str, Any], ended: float) -> None:
        self.epoch_seconds, self._epoch_ended = ended - self._epoch_ended, ended
        self.history.add(self.epoch, logs)
        for callback in self.callbacks:
            callback.epoch_end(self, logs)
        failed = self._watch.error is not None  # these epochs were before
        plugins.call("nbdl_epoch_end", run=self, epoch=self.epoch, logs=logs)
        self._adopt_assigned()
        if self._watch.error is not None and not failed:
            raise self._watch.error  # other errors of a hook stay with its plugin
        if self.folder is not None:
            self.folder.metrics.append({"epoch": self.epoch, **single_numbers(logs)})

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch in their order; they depend on the seed and the epoch only."""
        if not self.shuffle:
            return self._in_order
        # A generator made for each epoch would ask the system for random numbers first, and then take the key.
        self._shuffler_start["state"]["key"][1] = epoch
        self._shuffler.bit_generator.state = self._shuffler_start
        return self._shuffler.permutation(self._drawn_from)[: self.rows]

    @cached_property
    def _in_order(self) -> np.ndarray:
        return np.arange(self.rows)

    def _reset_callbacks(self) -> None:
        for callback in self.callbacks:
            callback.reset()

    def _tell(self, moment: str) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(self)

    def _adopt_assigned(self) -> None:
        """Go on from values that callbacks gave parameters: the program works on arrays of its own."""
        if self.traced.is_assigned:
            with self._changing():
                self.traced.adopt_assigned()

    # --- Ctrl-C -------------------------------------------------------------------------------------------------------

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
        self._watch.check(everything=True)
        where = f"in epoch {self.epoch + 1} of {self.epochs}, after {self.epoch_step} of {self.steps_per_epoch} steps"
        if self.folder is None:
            raise InterruptedTraining(f"stopped {where}; the network keeps what it has learned so far")
        self._saver.save()
        raise InterruptedTraining(f"stopped {where}; everything is saved in {self.folder.path}")
