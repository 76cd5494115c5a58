"""Numbers that stop being finite: found soon, undone, and explained.

The compiled loop doesn't look at its numbers: that would cost time at every step. Instead the state is copied about once a second, and
totals and parameters are looked at after every stretch. When they aren't finite, the run goes back to the copy, finds the first bad
step by repeating them one by one (the same bits come out), and lets the interpreter say which operation it was.
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
        self.changing = {each.name: run.traced.arrays[each.name] for each in run.traced.program.variables if each.role == "state"}
        self._keep()

    def _keep(self) -> None:
        self.step = self.run.step
        self.copies = {name: array.copy() for name, array in self.changing.items()}
        self.time = time.perf_counter()

    def check(self, *, last: bool) -> None:
        """Raise `NumericsError` if a total or a parameter isn't finite; the state is then that before the bad step."""
        if not self._finite():
            self._explain()
        if not last and time.perf_counter() - self.time > SNAPSHOT:
            self._keep()

    def _finite(self) -> bool:
        return all(np.isfinite(array.sum()) for array in self.changing.values() if array.dtype.kind == "f")

    def _explain(self) -> None:
        run, end = self.run, self.run.step
        offset = run.epoch * run.steps_per_epoch
        for name, array in self.changing.items():
            array[...] = self.copies[name]
        for step in range(self.step, end):
            before = {name: array.copy() for name, array in self.changing.items()}
            run.bound.run(self.order, step, 1, offset=offset)
            if not self._finite():
                for name, array in self.changing.items():
                    array[...] = before[name]
                run.step = step
                raise NumericsError(self._message(step, offset))

    def _message(self, step: int, offset: int) -> str:
        where = f"training stopped at step {step + 1} of epoch {self.run.epoch + 1}: "
        advice = "a smaller learning rate, clip_norm=1.0 in the optimizer, or scaled inputs often help. The parameters are those before this step."
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
