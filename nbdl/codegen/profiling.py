"""Where a step's time goes: the same program, with a look at the clock before and after each kernel."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from nbdl.codegen.cpu import ModulePrinter
from nbdl.codegen.names import heading
from nbdl.codegen.plan import Plan
from nbdl.codegen.program import Bound, Program
from nbdl.codegen.work import Kernel, scope_of

APART = 8  # numbers between the ticks of two workers, who write to cache lines of their own


class ProfilePrinter(ModulePrinter):
    """Prints a program that adds up the ticks of each kernel, in `ticks[kernel, APART * worker]`.

    Attributes:
        kernels: what each kernel is called: its layer, and its function.
    """

    def __init__(self, plan: Plan, title: str):
        super().__init__(plan, title)
        self.handed_in.append("ticks")
        self.kernels: list[str] = []

    def lines_of(self, kernel: Kernel) -> list[str]:
        """The lines of a kernel, between two looks at the clock."""
        return self._timed(super().lines_of(kernel), heading(scope_of(kernel)))

    def _taken_rows(self) -> list[str]:
        return self._timed(super()._taken_rows(), "rows of the data")

    def _timed(self, lines: list[str], what: str) -> list[str]:
        first = next((place for place, line in enumerate(lines) if line and not line.startswith("#")), None)
        if first is None:
            return lines  # nothing to do: the result lies in its place
        place = len(self.kernels)
        function = lines[-1].strip().partition("(")[0]
        self.kernels.append(f"{what}: {function}")
        add = f"ticks[{place}, {APART} * worker] += clock() - began"
        return [*lines[:first], "began = clock()", *lines[first:], add]


class ProfiledProgram(Program):
    """A program with clocks, made of one without."""

    def __init__(self, program: Program):
        self.variables, self.plan, self.title = program.variables, program.plan, program.title
        self._compiling, self._compiled = threading.Lock(), False

    @cached_property
    def _printer(self) -> ProfilePrinter:
        return ProfilePrinter(self.plan, f"{self.title}, timed")

    @cached_property
    def source(self) -> str:
        """The generated Python source."""
        return self._printer.print()

    def bind(self, arrays: Mapping[str, np.ndarray], *, batch: int = 1, workers: int = 1, seed: int = 0) -> Bound:
        """Make the program ready to run on arrays, the last of which is that of the ticks."""
        bound = super().bind(arrays, batch=batch, workers=workers, seed=seed)
        bound.flat.append(np.zeros((len(self._printer.kernels), APART * bound.workers), np.int64))
        return bound

    def measure(self, bound: Bound, order: np.ndarray, steps: int) -> dict[str, float]:
        """Run steps; return the microseconds a step of each kernel (the mean of the workers), and of all (`"step"`).

        Args:
            bound: what `bind` of this program returned.
            order: the rows of the steps, one after another.
        """
        from nbdl.kernels.cpu.clock import ticks_a_second  # needs Numba

        ticks: np.ndarray[Any, Any] = bound.flat[-1]
        bound.run(order, 0, 1)  # compiles
        rate = ticks_a_second()
        ticks[:] = 0
        begin = time.perf_counter()
        bound.run(order, 0, steps)
        seconds = time.perf_counter() - begin
        found = {"step": 1e6 * seconds / steps}
        for name, each in zip(self._printer.kernels, ticks[:, ::APART].mean(1), strict=True):
            found[name] = found.get(name, 0.0) + 1e6 * float(each) / rate / steps
        return found
