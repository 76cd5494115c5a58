"""Numbers that stop being finite: found soon, undone, and explained.

The compiled loop doesn't look at its numbers: that would cost time at every step. Instead the totals (the loss among
them) are looked at after every stretch; parameters and optimizer about once a second, when they are copied as well, at
the end of an epoch, and before anything is saved. When something isn't finite, the run goes back to the copy, finds the
first bad step by repeating them one by one (the same bits come out), and lets the interpreter say which
operation it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from nbdl.errors import NumericsError
from nbdl.ir.interpret import interpret

if TYPE_CHECKING:
    from nbdl.train.run import Run

SNAPSHOT = 1.0  # seconds between copies of the state


class Watch:
    """Looks at a run's numbers during one epoch."""

    def __init__(self, run: Run, order: np.ndarray):
        self.run = run
        self.order = order
        changing = [each.name for each in run.traced.program.variables if each.role == "state"]
        self.changing = {name: run.traced.arrays[name] for name in changing}
        self._keep()

    def _keep(self) -> None:
        self.run.bound.pull()
        self.step = self.run.epoch_step
        self.copies = {name: array.copy() for name, array in self.changing.items()}
        self.time = time.perf_counter()

    def check(self, *, everything: bool) -> None:
        """Raise `NumericsError` if a total (or, with `everything`, any number) isn't finite.

        The state is then that before the bad step.
        """
        old = time.perf_counter() - self.time > SNAPSHOT
        if not self._finite(everything=everything or old):
            self._explain()
        if old and self.run.epoch_step < self.run.steps_per_epoch:
            self._keep()

    def _finite(self, *, everything: bool) -> bool:
        totals = self.changing.get("totals")
        if totals is not None and not everything:
            return bool(np.isfinite(totals).all())
        self.run.bound.pull()
        # The sum tells without an array of flags as large as the state; it may overflow, and then the flags decide.
        floats = [array for array in self.changing.values() if array.dtype.kind == "f"]
        with np.errstate(over="ignore", invalid="ignore"):
            return all(np.isfinite(array.sum()) or np.isfinite(array).all() for array in floats)

    def _explain(self) -> None:
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
