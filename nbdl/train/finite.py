"""Numbers that stop being finite: found soon, undone, and explained.

The compiled loop doesn't look at its numbers: that would cost time at every step. Instead the totals (the loss among
them) are looked at after every stretch; parameters and optimizer every now and then, when they are copied as well, and
before anything is saved. When something isn't finite, the steps since the copy are repeated one by one (the same bits
come out), the run goes back to where it was before the first bad one, and the interpreter says which operation it was.
"""

from __future__ import annotations

import math
import time
import zlib
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from nbdl.errors import NumericsError
from nbdl.ir.interpret import interpret

if TYPE_CHECKING:
    from nbdl.train.run import Run

SNAPSHOT = 0.1  # seconds between copies of the state; an epoch that takes longer begins with one
SHARE = 200  # copying may take this part of the time: it brings all of the state into one core's cache

Arrays = dict[str, np.ndarray]


class Watch:
    """Looks at a run's numbers, and keeps a copy of its state to go back to.

    Attributes:
        error: what was raised, if something was.
    """

    def __init__(self, run: Run):
        self.run = run
        changing = [each.name for each in run.traced.program.variables if each.role == "state"]
        self.changing = {name: run.traced.arrays[name] for name in changing}
        self.copies = {name: np.empty_like(array) for name, array in self.changing.items()}
        self.error: NumericsError | None = None
        self.cost = math.inf
        self._due = True
        self.keep()

    def begin_epoch(self) -> None:
        """Copy the state if that is due: not earlier, as callbacks may have changed it after the last epoch."""
        if self._due:
            self.keep()
            self._due = False

    def keep(self) -> None:
        """Copy the state: from now on, steps are repeated from here."""
        begin = time.perf_counter()
        self.run.bound.pull()
        self.step = self.run.step
        for name, array in self.changing.items():
            np.copyto(self.copies[name], array)
        self.time = time.perf_counter()
        self.cost = min(self.cost, self.time - begin)  # one that was held up says nothing

    def check(self, totals: np.ndarray | None = None, *, everything: bool = False) -> None:
        """Raise `NumericsError` if a total (or, with `everything`, any number) isn't finite.

        `totals` are those of all epochs since the last look, if they are several. The state is then that before the
        bad step, and the history ends there.
        """
        if self.run.step == self.step:
            return
        everything = everything or time.perf_counter() - self.time > max(SNAPSHOT, SHARE * self.cost)
        finite = _finite(self.run.traced.sums if totals is None else totals)
        if not finite or (everything and not self._all_finite()):
            self._explain()
        if everything and self.run.epoch_step < self.run.steps_per_epoch:
            self.keep()
        elif everything:
            self._due = True

    def _all_finite(self) -> bool:
        self.run.bound.pull()
        return all(np.isfinite(array).all() for array in self.changing.values() if array.dtype.kind == "f")

    def _explain(self) -> NoReturn:
        end, found = self.run.step, self._fingerprint()
        bad, before = self._first_bad_step(end)
        if bad is not None and self._fingerprint() == found:
            self._go_back(bad, before)
            message = self._message()
        else:
            self._go_back(self.step, self.copies)
            message = (
                f"training stopped at {self._place(end - 1)}: the loss or a parameter is no longer finite. Repeating "
                "the steps gives other numbers, so something else has written into the network's arrays, a callback "
                f"perhaps. The parameters are those before {self._place(self.step)}."
            )
        self.error = NumericsError(message)
        raise self.error

    def _fingerprint(self) -> list[int]:
        """Tells whether repeated steps give the same bits: not if somebody has changed the state meanwhile."""
        self.run.bound.pull()
        return [zlib.crc32(array.data) for array in self.changing.values()]

    def _first_bad_step(self, end: int) -> tuple[int | None, Arrays]:
        """Repeat the steps from the copy up to step `end`; return the first bad one and the state before it."""
        run, bad, before = self.run, None, self.copies
        self._write(self.copies)
        order = run.order(self.step // run.steps_per_epoch)
        for number in range(self.step, end):
            epoch, step = divmod(number, run.steps_per_epoch)
            if step == 0:
                order = run.order(epoch)
                run.traced.sums[:] = 0
            if bad is None:
                before = {name: array.copy() for name, array in self.changing.items()}
            run.bound.run(order, step, 1, offset=epoch * run.steps_per_epoch)
            if bad is None and not self._all_finite():
                bad = number
        return bad, before

    def _go_back(self, step: int, state: Arrays) -> None:
        self._write(state)
        self.run.go_back(step)

    def _write(self, state: Arrays) -> None:
        self.run.bound.pull()
        for name, array in self.changing.items():
            array[...] = state[name]
        self.run.bound.push()

    def _place(self, step: int) -> str:
        epoch, within = divmod(step, self.run.steps_per_epoch)
        return f"step {within + 1} of epoch {epoch + 1}"

    def _message(self) -> str:
        where = f"training stopped at {self._place(self.run.step)}: "
        advice = (
            "a smaller learning rate, clip_norm=1.0 in the optimizer, or scaled inputs often help. "
            "The parameters are those before this step."
        )
        try:
            self._interpret()
        except NumericsError as error:
            return f"{where}{error}; {advice}"
        return f"{where}the loss or a parameter is no longer finite; {advice}"

    def _interpret(self) -> None:
        """Repeat one step with NumPy, every operation checked."""
        run = self.run
        rows = run.order(run.epoch)[run.epoch_step * run.batch_size : (run.epoch_step + 1) * run.batch_size]
        values = {}
        for variable in run.traced.program.variables:
            if variable.leaf is None:
                continue
            if variable.role == "key":
                values[variable.leaf] = np.array([run.seed, run.step])
            else:
                array = run.traced.arrays[variable.name]
                values[variable.leaf] = array[rows] if variable.role == "rows" else array
        results = [each.result for each in run.traced.program.variables if each.result is not None]
        interpret(results, values, rows=len(rows), check=True)


def _finite(totals: np.ndarray) -> bool:
    # The sum of squares takes the fewest instructions, which no cache holds after many steps; it may overflow.
    return math.isfinite(np.vdot(totals, totals)) or bool(np.isfinite(totals).all())
