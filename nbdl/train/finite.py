"""Numbers that stop being finite: found soon, undone, and explained.

The compiled loop doesn't look at its numbers: that would cost time at every step. Instead the totals (the loss among
them) are looked at after every stretch; parameters and optimizer about once a second, when they are copied as well, at
the end of an epoch, and before anything is saved. When something isn't finite, the run goes back to the copy, finds the
first bad step by repeating them one by one (the same bits come out), and lets the interpreter say which
operation it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from nbdl.errors import NumericsError
from nbdl.ir.interpret import interpret

if TYPE_CHECKING:
    from nbdl.train.run import Run

SNAPSHOT = 1.0  # seconds between copies of the state


class Watch:
    """Looks at a run's numbers, and keeps a copy of them to go back to."""

    def __init__(self, run: Run):
        self.run = run
        changing = [each.name for each in run.traced.program.variables if each.role == "state"]
        self.changing = {name: run.traced.arrays[name] for name in changing}
        self.copies = {name: np.empty_like(array) for name, array in self.changing.items()}
        self.begin_epoch(np.empty(0, np.int64))

    def begin_epoch(self, order: np.ndarray) -> None:
        """Copy the state: what callbacks have made of it since the last epoch is where this one begins."""
        self.order = order
        self.keep()

    def keep(self) -> None:
        """Copy the state: from now on, steps are repeated from here."""
        self.run.bound.pull()
        self.step = self.run.epoch_step
        for name, array in self.changing.items():
            np.copyto(self.copies[name], array)
        self.time = time.perf_counter()

    def check(self, *, everything: bool) -> None:
        """Raise `NumericsError` if a total (or, with `everything`, any number) isn't finite.

        The state is then that before the bad step.
        """
        old = time.perf_counter() - self.time > SNAPSHOT
        if not self._finite(everything=everything or old):
            self._explain()
        if old and self.run.epoch_step < self.run.steps_per_epoch:
            self.keep()

    def _finite(self, *, everything: bool) -> bool:
        if not everything and "totals" in self.changing:
            return bool(np.isfinite(self.changing["totals"]).all())
        self.run.bound.pull()
        return all(np.isfinite(array).all() for array in self.changing.values() if array.dtype.kind == "f")

    def _explain(self) -> NoReturn:
        run, end = self.run, self.run.epoch_step
        offset = run.epoch * run.steps_per_epoch
        for name, array in self.changing.items():
            array[...] = self.copies[name]
        run.bound.push()
        for step in range(self.step, end):
            before = {name: array.copy() for name, array in self.changing.items()}
            run.bound.run(self.order, step, 1, offset=offset)
            if not self._finite(everything=True):
                for name, array in self.changing.items():
                    array[...] = before[name]
                run.bound.push()
                run.epoch_step = step
                raise NumericsError(self._message(step, offset))
        raise NumericsError(
            f"training stopped after step {end} of epoch {run.epoch + 1}: the loss or a parameter is no longer finite, "
            "and no step made it so: a callback has written into the network's arrays. They are as without it."
        )

    def _message(self, step: int, offset: int) -> str:
        where = f"training stopped at step {step + 1} of epoch {self.run.epoch + 1}: "
        advice = (
            "a smaller learning rate, clip_norm=1.0 in the optimizer, or scaled inputs often help. "
            "The parameters are those before this step."
        )
        try:
            self._interpret(step, offset)
        except NumericsError as error:
            return f"{where}{error}; {advice}"
        return f"{where}the loss or a parameter is no longer finite; {advice}"

    def _interpret(self, step: int, offset: int) -> None:
        """Repeat one step with NumPy, every operation checked."""
        run = self.run
        rows = self.order[step * run.batch_size : (step + 1) * run.batch_size]
        values = {}
        for variable in run.traced.program.variables:
            if variable.leaf is None:
                continue
            if variable.role == "key":
                values[variable.leaf] = np.array([run.seed, offset + step])
            else:
                array = run.traced.arrays[variable.name]
                values[variable.leaf] = array[rows] if variable.role == "rows" else array
        results = [each.result for each in run.traced.program.variables if each.result is not None]
        interpret(results, values, rows=len(rows), check=True)
