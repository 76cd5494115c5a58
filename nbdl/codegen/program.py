"""A compiled program: many steps in one native call, on one or several workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from nbdl.aligned import aligned_zeros
from nbdl.codegen.ahead import begin_kernels, compile_for
from nbdl.codegen.cpu import ModulePrinter
from nbdl.codegen.plan import Plan, Variable
from nbdl.codegen.schedule import make_plan
from nbdl.codegen.shards import mixes_rows
from nbdl.codegen.threads import Threads
from nbdl.errors import NbdlError, PluginError, ShapeError
from nbdl.ir.shapes import has_batch
from nbdl.passes import Pass, cpu_passes, run_passes


class Program:
    """What a graph compiles to.

    Args:
        variables: the arrays that it is called with, and what becomes of them.
        title: what the generated source says it is.
        batch: how many rows a batch is expected to have, if that is known. It may have others, too.
    """

    def __init__(self, variables: Sequence[Variable], title: str, batch: int | None = None):
        self.variables = _optimized(variables)
        self.title, self.batch = title, batch
        self.plan: Plan = self._plan()
        self._compiling = threading.Lock()
        self._compiled = False

    def _plan(self) -> Plan:
        return make_plan(_optimized(self.variables, cpu_passes(self.batch)), batch=self.batch)

    @cached_property
    def source(self) -> str:
        """The generated Python source."""
        return ModulePrinter(self.plan, self.title).print()

    @cached_property
    def run(self) -> Callable[..., bool]:
        """The compiled function (compiled before its first call, or read from the cache)."""
        from nbdl.codegen.cache import load_source

        function: Callable[..., bool] = load_source(self.source).run
        return function

    def call(self, *arguments: Any) -> bool:
        """Call the compiled function.

        Raises `PluginError` if an operation of a plugin is one that Numba can't compile.
        """
        try:
            self._compile(arguments)
            return self.run(*arguments)
        except Exception as error:
            operations = [repr(each.name) for each in self.plan.fusion.custom]
            if not operations or not type(error).__module__.startswith("numba."):
                raise
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise PluginError(
                f"Numba can't compile this program, which uses the operation {' and '.join(operations)} of a plugin: "
                f"{reason} Keep to the Python that Numba knows, or train with debug=True, where NumPy runs it"
            ) from error

    def _compile(self, arguments: Sequence[Any]) -> None:
        if not self._compiled:
            with self._compiling:  # the other workers wait
                if not self._compiled:
                    compile_for(self.run, arguments)
                    self._compiled = True

    @property
    def needs_scratch(self) -> bool:
        """Whether the program has products or convolutions, which need memory to work in."""
        return "SCRATCH" in self.source

    def bind(self, arrays: Mapping[str, np.ndarray], *, batch: int = 1, workers: int = 1, seed: int = 0) -> Bound:
        """Make the program ready to run on arrays."""
        begin_kernels(self.source)
        return Bound(self, arrays, batch=batch, workers=workers, seed=seed)


def _optimized(variables: Sequence[Variable], passes: Sequence[Pass] | None = None) -> list[Variable]:
    results = [each.result for each in variables if each.result is not None]
    better = iter(run_passes(results, passes))
    return [each if each.result is None else replace(each, result=next(better)) for each in variables]


class Bound:
    """A program with its arrays and working memory.

    Args:
        arrays: one for each variable (but keys), by name; those that the program changes are changed in place, so they
            must be contiguous. `rows` variables have the data set's rows first.
        batch: rows of a batch.
        workers: threads that share each batch; a program that needs to see all rows at once runs on one.
        seed: what random numbers depend on.

    Raises:
        ShapeError: an array doesn't fit its variable.
    """

    runs_epochs = True
    """Whether it has `run_epochs`."""

    def __init__(self, program: Program, arrays: Mapping[str, np.ndarray], *, batch: int, workers: int, seed: int):
        self.program = program
        plan = program.plan
        workers = 1 if mixes_rows(plan.fusion.order) else workers
        self.workers = workers
        self._handed_in = [each for each in program.variables if each.role != "key"]
        self.flat = [_flat(each, arrays[each.name]) for each in self._handed_in]
        self.batch = batch
        capacity = plan.capacity(batch, workers)
        self.control = np.array([0, 1, batch, 0, capacity, workers, seed, 0, 0], np.int64)
        scratch = _scratch_bytes(program) if program.needs_scratch else 0
        size = plan.row_bytes * capacity + plan.local_bytes + scratch
        self.arenas = [aligned_zeros(max(size, 1), np.uint8) for _ in range(workers)]
        self.shared = aligned_zeros(max(plan.shared_size(batch, workers), 1), np.uint8)
        self.sync = _barrier_state(workers)
        self.order = np.zeros(1, np.int64)
        self._threads = Threads(workers - 1, self.sync) if workers > 1 else None
        self._busy = threading.Lock()

    def run(self, order: np.ndarray, first: int, steps: int, offset: int = 0) -> None:
        """Run `steps` steps from step `first` on: step s takes the rows `order[s * batch : (s + 1) * batch]`.

        `offset` is added to the step's number where random numbers depend on it. Raises whatever a worker raised.
        """
        self.order = np.ascontiguousarray(order, np.int64)
        with self._busy:
            self._count(first, steps, len(order), offset, apart=0)
            self._work_together(self.flat)

    def run_epochs(self, orders: np.ndarray, offset: int) -> np.ndarray:
        """Run whole epochs in one call, each on its row of `orders`; `offset` is added to the number of the step.

        Returns what the state that begins anew with each epoch was when that was over: a row for each.
        """
        epochs, examples = orders.shape
        apart = orders.strides[0] // orders.itemsize
        self.order = orders[0] if apart == 0 else np.ascontiguousarray(orders).reshape(-1)
        flat = list(self.flat)
        place = next(place for place, each in enumerate(self._handed_in) if each.anew)
        states = np.zeros((epochs, flat[place].size), flat[place].dtype)
        flat[place] = states.reshape(-1)
        with self._busy:
            self._count(0, epochs * -(-examples // self.batch), examples, offset, apart)
            self._work_together(flat)
        return states

    def _count(self, first: int, steps: int, examples: int, offset: int, apart: int) -> None:
        self.control[:2] = first, steps
        self.control[3] = examples
        self.control[7:] = offset, apart

    def again(self, flat: Sequence[np.ndarray]) -> None:
        """Run the steps of the last `run` once more, on arrays of the same shapes and dtypes as those in `flat`.

        Nothing is checked: for a small network's row that takes longer than the row.
        """
        with self._busy:
            if self._threads is None:
                self.program.run(0, self.control, self.sync, self.arenas[0], self.shared, self.order, *flat)
            else:
                self._work_together(flat)

    def _work_together(self, flat: Sequence[np.ndarray]) -> None:
        if self._threads is None:
            self._work(0, flat)
        else:
            self._threads.run(lambda worker: self._work(worker, flat))

    def _work(self, worker: int, flat: Sequence[np.ndarray]) -> None:
        self.program.call(worker, self.control, self.sync, self.arenas[worker], self.shared, self.order, *flat)

    @property
    def working_bytes(self) -> int:
        """Bytes of memory besides the arrays."""
        return sum(each.nbytes for each in (*self.arenas, self.shared))

    def pull(self) -> None:
        """Bring the caller's arrays up to date; a program on a CPU works on them."""

    def push(self, *, rows: bool = False) -> None:
        """Say that the caller's arrays (and `rows` of data) have changed."""

    def run_once(self, arrays: Sequence[np.ndarray]) -> None:
        """Run a program without batches once, on other arrays than those it was bound to (in the order of the
        variables).
        """
        with self._busy:
            flat = [np.ascontiguousarray(array.reshape(-1)) for array in arrays]
            self.program.call(0, self.control, self.sync, self.arenas[0], self.shared, self.order, *flat)


def _flat(variable: Variable, array: np.ndarray) -> np.ndarray:
    node = variable.node
    if array.dtype != node.dtype:
        raise ShapeError(f"{variable.name} must have the dtype {node.dtype}, not {array.dtype}")
    if variable.role in ("rows", "row_result"):
        if array.shape[1:] != node.shape[1:]:
            raise ShapeError(f"{variable.name} must have rows of shape {node.shape[1:]}, not {array.shape[1:]}")
        if variable.role == "rows" and (variable.in_order or not _has_whole_rows(array)):
            array = np.ascontiguousarray(array)
        return array.reshape(len(array), int(np.prod(array.shape[1:])))
    if has_batch(node.shape) or array.shape != node.shape:
        raise ShapeError(f"{variable.name} must have the shape {node.shape}, not {array.shape}")
    if variable.role == "value":
        return np.ascontiguousarray(array.reshape(-1))
    if not array.flags.c_contiguous:
        raise NbdlError(f"{variable.name} is changed in place, so it must be contiguous")
    return array.reshape(-1)


def _has_whole_rows(array: np.ndarray) -> bool:
    """Whether each row is contiguous; where the next one begins is free, so windows over a text may overlap."""
    return array[:1].flags.c_contiguous and array.strides[0] % array.itemsize == 0


def _scratch_bytes(program: Program) -> int:
    """Memory that is never touched costs nothing, unless there is so much of it that it comes in huge pages."""
    from nbdl.kernels.cpu.matmul import SCRATCH

    return max(SCRATCH, program.plan.scratch) * (8 if "scratch_f64" in program.source else 4)


def _barrier_state(workers: int) -> np.ndarray:
    from nbdl.kernels.cpu.barrier import barrier_state

    state: np.ndarray[Any, Any] = barrier_state(workers)
    return state
