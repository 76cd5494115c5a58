"""Many steps in one launch, for small networks: a kernel that does the work of all launches of a step, printed from
what a step launches.

Kernels of small networks have done their work before the next is launched, even by a graph. Here the threads stay, and
meet between two tasks: those of one block, if the tasks are so small that it suffices, else those of as many as the
largest task has work for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from nbdl.codegen.cache import cuda_program_dir, load_source
from nbdl.codegen.plan import Plan
from nbdl.ir.cost import operations
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, product
from nbdl.kernels.cuda.device import device
from nbdl.kernels.cuda.launch import WARP
from nbdl.kernels.cuda.recording import Launch
from nbdl.kernels.cuda.tasks import ARGUMENTS, BLOCK, BLOCK_BYTES

LARGEST = 4e6
"""Operations (or numbers that are only moved) of a task, on the average, up to which steps are done together: a card
needs about as long for them as for the launch of a kernel, by its data sheet; it hasn't been measured.
"""
TURNS = 4
"""Turns that one block takes for a task, on the average, up to which it does everything by itself: a meeting of several
blocks goes by the card's memory, and takes longer than a few turns. It hasn't been measured, either.
"""
MOST_TASKS = 100_000
"""Longer tables aren't made."""

_TITLE = [
    '"""Many steps in one launch.',
    "",
    "Made by nbdl, compiled by Numba for cards. `work` does a block of a task: which kernel's, and what that gets,",
    "is written in the row of a table that begins at `at`.",
    '"""',
    "",
    "from nbdl.kernels.cuda.device import device",
    "from nbdl.kernels.cuda.tasks import many_steps",
    "",
]


@dataclass(frozen=True)
class Together:
    """Many steps in one launch.

    Args:
        launches: those of a step, in order.
        blocks: of the kernel that does the work of all.
    """

    launches: Sequence[Launch]
    blocks: int

    @property
    def shared_bytes(self) -> int:
        """What a block shares."""
        return max(map(_shared_bytes, self.launches))

    @cached_property
    def kinds(self) -> dict[tuple[Any, tuple[Any, ...]], int]:
        """The kernels, each with the types of its arguments, and their numbers."""
        kinds = dict.fromkeys((each.kernel, each.types) for each in self.launches)
        return {kind: number for number, kind in enumerate(kinds)}

    def source(self) -> str:
        """The text of the function that does a block of any task."""
        names = [f"{kernel.py_func.__name__}_{number}" for (kernel, _), number in self.kinds.items()]
        lines = [
            *_TITLE,
            "",
            f"def made(alone, {', '.join(names)}):",
            '    """The kernel that does the work of these."""',
        ]
        lines += ["", "    @device", "    def work(card, table, reals, at):", "        kind = table[at]"]
        for name, ((_, types), number) in zip(names, self.kinds.items(), strict=True):
            lines += [f"        {'el' * (number > 0)}if kind == {number}:", f"            {name}({_given(types)})"]
        return "\n".join([*lines, "", "    return many_steps(work, alone)", ""])

    def kernel(self) -> Any:
        """The kernel that does many steps."""
        return _made(self.source(), self.blocks == 1, tuple(kernel for kernel, _ in self.kinds))

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """The tasks, a row for each, as whole numbers; and their arguments as float64."""
        rows: list[list[Any]] = [
            [self.kinds[each.kernel, each.types], *each.grid, *each.block, each.shared, *_flat(each.arguments)]
            for each in self.launches
        ]
        width = max(map(len, rows))
        reals = np.array([row + [0] * (width - len(row)) for row in rows], np.float64)
        whole = [[number if isinstance(number, int) else 0 for number in row] for row in rows]
        return np.array([row + [0] * (width - len(row)) for row in whole], np.int64), reals


@cache
def _made(source: str, alone: bool, kernels: tuple[Any, ...]) -> Any:
    """The kernel that does the work of others: once for all programs of this process that launch the same."""
    made = load_source(source, cuda_program_dir()).made
    return made(alone, *[device(kernel.py_func) for kernel in kernels])


def _flat(arguments: tuple[Any, ...]) -> list[Any]:
    flat: list[Any] = []
    for each in arguments:
        flat += each if isinstance(each, tuple) else [each]
    return flat


def _given(types: tuple[Any, ...]) -> str:
    """What a kernel gets, as it lies in a row."""
    texts, at = ["card"], ARGUMENTS
    for each in types:
        if hasattr(each, "count"):
            texts.append("(" + "".join(f"table[at + {place}], " for place in range(at, at + each.count)).rstrip() + ")")
            at += each.count
        else:
            texts.append(f"{'reals' if str(each) == 'float64' else 'table'}[at + {at}]")
            at += 1
    return ", ".join(texts)


def _work(node: Node, rows: int) -> int:
    """What a node asks for: operations, or as many as it has elements, if it only moves them."""
    size = product(node.shape)
    return max(operations(node, rows), size.multiple * rows if isinstance(size, Batch) else size)


def _shared_bytes(launch: Launch) -> int:
    return BLOCK // launch.threads * launch.shared


def _fits(launch: Launch) -> bool:
    """Whether blocks of a task make up one of this kernel, and those that meet are whole warps."""
    meets = launch.shared > 0
    return not (BLOCK % launch.threads or (meets and launch.threads % WARP)) and _shared_bytes(launch) <= BLOCK_BYTES


def _turns(launch: Launch) -> int:
    """How often a block of this kernel must go on to others of a task."""
    return -(-launch.blocks // (BLOCK // launch.threads))


def choose(plan: Plan, launches: Sequence[Launch], rows: int, multiprocessors: int) -> Together | None:
    """How to do many steps in one launch, or none, if a step has too much to do for that, or operations of plugins,
    which ask the hardware which thread they are.
    """
    if not 0 < len(launches) <= MOST_TASKS or plan.fusion.custom:
        return None
    if not all(map(_fits, launches)):
        return None
    if sum(_work(node, rows) for node in plan.fusion.order) > LARGEST * len(launches):
        return None
    turns = list(map(_turns, launches))
    return Together(launches, 1 if sum(turns) <= TURNS * len(turns) else min(multiprocessors, max(turns)))
