"""A program that runs on a card: many steps without waiting for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from nbdl.codegen.cache import cuda_program_dir, load_source
from nbdl.codegen.cuda.places import Layout
from nbdl.codegen.cuda.printer import CudaPrinter, layout_of
from nbdl.codegen.memory import align
from nbdl.codegen.plan import Plan, Variable
from nbdl.codegen.program import Bound, Program, _flat
from nbdl.codegen.schedule import make_plan
from nbdl.errors import NbdlError, OptionError, PluginError
from nbdl.kernels.cuda.refusals import told
from nbdl.kernels.cuda.sizes import BATCH, CONTROL, NUMBER, OFFSET, SEED

SMALL = 4096
"""Bytes: state up to this size is brought back after every run, as it is read and changed often (sums, the learning
rate's scale).
"""


class CudaProgram(Program):
    """What a graph compiles to for a card."""

    @classmethod
    def of(cls, program: Program) -> CudaProgram:
        """The program for a card that does what one for a CPU does.

        Raises `PluginError` if an operation of a plugin has no function for cards.
        """
        made = cls.__new__(cls)
        made.variables, made.title = program.variables, program.title
        made.plan = made._plan()
        return made

    def _plan(self) -> Plan:
        plan = make_plan(self.variables, rows_apart=True)
        for each in plan.fusion.custom:
            if each.kernel is not None and each.kernel.cuda is None:
                raise PluginError(
                    f"the operation {each.name!r} of a plugin runs on CPUs only: nbdl.op got no cuda= function for it; "
                    "train with device='cpu'"
                )
        return plan

    @cached_property
    def source(self) -> str:
        """The generated Python source."""
        return CudaPrinter(self.plan, self.title).print()

    @cached_property
    def module(self) -> Any:
        """The generated module."""
        return load_source(self.source, cuda_program_dir())

    def bind(
        self,
        arrays: Mapping[str, np.ndarray],
        *,
        batch: int = 1,
        workers: int = 1,
        seed: int = 0,
        precision: str = "float32",
    ) -> CudaBound:
        """Make the program ready to run on arrays; a card is one worker."""
        return CudaBound(self, arrays, batch=batch, seed=seed, precision=precision)


class CudaBound(Bound):
    """A program with its arrays and memory on a card.

    The card has copies of the arrays. `pull` brings those of the caller up to date, `push` says that the caller has
    changed them.

    Args:
        arrays: one for each variable (but keys), by name, as for a program on a CPU.
        batch: rows of a batch.
        seed: what random numbers depend on.
        precision: of products of float32: `float32`, or by tensor cores in `tf32` or `bf16`.

    Raises:
        OptionError: the card has no tensor cores that know this precision.
        ShapeError: an array doesn't fit its variable.
        NbdlError: the card's memory is too small.
    """

    program: CudaProgram
    workers = 1
    runs_epochs = False

    def __init__(
        self,
        program: CudaProgram,
        arrays: Mapping[str, np.ndarray],
        *,
        batch: int,
        seed: int,
        precision: str = "float32",
    ):
        self.program, self.batch, self.seed = program, batch, seed
        self.variables = [each for each in program.variables if each.role != "key"]
        self.host = {each: _flat(each, arrays[each.name]) for each in self.variables}
        self.layout: Layout = layout_of(program.plan)
        self.capacity = align(batch, 16)
        self._lay_out()
        self.memory = _allocate(self.end, self._parts())
        self.card = _card(self.memory, self.layout, precision)
        self._changed = set(self.variables)
        self._steps = _stepper(program.plan, self.card, self._launch, batch)

    def _lay_out(self) -> None:
        """Give the order of the rows and every array a place behind the working memory."""
        examples = [len(self.host[each]) for each in self.variables if each.role == "rows"]
        self.room = max([self.batch, *examples])
        self.order_at = self.layout.end(self.capacity)
        self.end = align(self.order_at + 8 * self.room)
        self.at: dict[Variable, int] = {}
        for variable in self.variables:
            self.at[variable] = self.end
            self.end = align(self.end + _bytes_of(variable, self.host[variable]))

    def _parts(self) -> dict[str, int]:
        """What the memory is for, in bytes."""
        rows = {each for each in self.variables if each.role in ("rows", "row_result")}
        data = sum(_bytes_of(each, self.host[each]) for each in rows)
        working = self.layout.end(self.capacity)
        return {
            "data": data,
            f"working memory for batches of {self.batch} rows": working,
            "parameters and optimizer": self.end - data - working,
        }

    @property
    def working_bytes(self) -> int:
        """Bytes on the card besides data and parameters."""
        return self.layout.end(self.capacity)

    # --- arrays ---

    def push(self, *, rows: bool = False) -> None:
        """Say that the caller's arrays (and `rows` of data) have changed."""
        self._changed |= {each for each in self.variables if rows or each.role != "rows"}

    @told()
    def pull(self) -> None:
        """Bring the caller's arrays up to date; it may write into them, until the next run."""
        self._download(each for each in self.variables if each.role in ("state", "result", "row_result"))
        self.push()

    def _upload(self, variables: Any) -> None:
        for variable in variables:
            data = _bytes(variable, self.host[variable])
            if data.size:
                self.memory[self.at[variable] : self.at[variable] + data.size].copy_to_device(data)

    def _download(self, variables: Any) -> None:
        for variable in variables:
            array = self.host[variable]
            if variable not in self._changed and array.size:
                place = self.at[variable]
                self.memory[place : place + array.nbytes].copy_to_host(array.reshape(-1).view(np.uint8))
                self._changed.add(variable)  # the caller may write into it from now on

    # --- running ---

    @told()
    def run(self, order: np.ndarray, first: int, steps: int, offset: int = 0) -> None:
        """Run `steps` steps from step `first` on: step s takes the rows `order[s * batch : (s + 1) * batch]`.

        `offset` is added to the step's number where random numbers depend on it.
        """
        self._upload(each for each in self._changed if each.role != "row_result")
        self._changed = set()
        order = np.ascontiguousarray(order, np.int64)
        at_once = max(1, self.room // self.batch)
        for begin in range(first, first + steps, at_once):
            self._run_stretch(order, begin, min(at_once, first + steps - begin), offset)
        self._download(each for each in self.variables if self._is_read_often(each))

    def _is_read_often(self, variable: Variable) -> bool:
        small = variable.role == "state" and self.host[variable].nbytes <= SMALL
        return small or variable.name == "totals" or variable.role in ("result", "row_result")

    def _run_stretch(self, order: np.ndarray, first: int, steps: int, offset: int) -> None:
        picked = order[first * self.batch : (first + steps) * self.batch]
        if len(picked):
            self.memory[self.order_at : self.order_at + picked.nbytes].copy_to_device(picked.view(np.uint8))
        control = np.zeros(CONTROL // 8, np.int64)
        control[[NUMBER, BATCH, SEED, OFFSET]] = -1, self.batch, self.seed, offset + first
        self.memory[:CONTROL].copy_to_device(control.view(np.uint8))
        rows = [min(self.batch, max(len(picked) - step * self.batch, 0)) for step in range(steps)]
        for size, alike in groupby(rows):
            self.do_steps(size, len(list(alike)))

    @told()
    def do_steps(self, rows: int, count: int) -> None:
        """Do so many steps, on as many rows each, with what lies on the card."""
        self._steps.run(rows, count)

    def _launch(self, card: Any, rows: int) -> None:
        places = [self._place(each) for each in self.variables]
        self.program.module.step(card, rows, 0, self.capacity, self.order_at, *places)

    def _place(self, variable: Variable) -> Any:
        """Where an array lies; of a data set also how far its rows are apart, and how many there are but one."""
        if variable.role not in ("rows", "row_result"):
            return self.at[variable]
        array = self.host[variable]
        return self.at[variable], _apart(array), len(array) - 1

    def run_once(self, arrays: Sequence[np.ndarray]) -> None:
        """Run a program without batches once, on other arrays than those it was bound to."""
        for variable, array in zip(self.variables, arrays, strict=True):
            self.host[variable] = _flat(variable, array)
        self.push()
        self.run(np.zeros(1, np.int64), 0, 1)
        self.pull()


def _bytes_of(variable: Variable, array: np.ndarray) -> int:
    """Bytes of an array on the card; rows that overlap, as windows over a text do, overlap there, too."""
    if variable.role == "rows":
        return ((len(array) - 1) * _apart(array) + array.shape[1]) * array.itemsize if len(array) else 0
    return int(array.nbytes)


def _apart(array: np.ndarray) -> int:
    """How many elements rows are apart on the card: fewer than they have, if they overlap; no gaps are sent there."""
    apart = array.strides[0] // array.itemsize
    return apart if 0 <= apart < array.shape[1] else array.shape[1]


def _bytes(variable: Variable, array: np.ndarray) -> np.ndarray:
    """The bytes that are sent to the card."""
    if variable.role == "rows" and array.size and _apart(array) < array.shape[1]:
        count = _bytes_of(variable, array) // array.itemsize
        return np.lib.stride_tricks.as_strided(array, (count,), (array.itemsize,)).view(np.uint8)
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _allocate(size: int, parts: Mapping[str, int]) -> Any:
    """Zeroed memory on the card. Raises `NbdlError` if there isn't enough, saying what it would be for."""
    from nbdl.kernels.cuda.memory import allocate, free_bytes

    free = free_bytes()
    if size > free:
        needed = ", ".join(f"{count / 2**30:.2f} GiB for {name}" for name, count in parts.items())
        raise NbdlError(
            f"this needs {size / 2**30:.2f} GiB on the card, which has {free / 2**30:.2f} GiB free: {needed}; a "
            "smaller batch, or less data, needs less, and device='cpu' takes the computer's own memory"
        )
    with told():
        return allocate(size)


def _stepper(plan: Plan, card: Any, launch: Any, batch: int) -> Any:
    from nbdl.codegen.cuda.stepping import Stepper

    return Stepper(plan, card, launch, batch)


def _card(memory: Any, layout: Layout, precision: str) -> Any:
    from nbdl.kernels.cuda.launch import Card
    from nbdl.kernels.cuda.memory import new_stream
    from nbdl.kernels.cuda.tensor_cores import capable

    if precision != "float32" and not capable():
        raise OptionError(f"this card's tensor cores don't know {precision}: it takes compute capability 8.0")
    return Card(memory, layout.scratch, layout.scratch_bytes, new_stream(), precision)
