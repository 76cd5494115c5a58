"""How the steps of a program are run on a card: many in one launch, as replays of a graph, or launch by launch."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from nbdl.codegen.cuda.together import Together, choose
from nbdl.codegen.plan import Plan
from nbdl.kernels.cuda import graphs
from nbdl.kernels.cuda.memory import multiprocessors, to_card
from nbdl.kernels.cuda.recording import RecordingCard
from nbdl.kernels.cuda.tasks import BLOCK

TOGETHER = graphs.WANTED and os.environ.get("NBDL_CUDA_TOGETHER", "1") != "0"
"""Whether steps of small networks are done many in one launch (not with NBDL_CUDA_TOGETHER=0)."""


class Stepper:
    """Runs steps.

    Args:
        plan: that of the program.
        card: where they run.
        launch: `launch(card, rows)` launches the kernels of a step on so many rows.
        batch: the rows of most steps.
    """

    def __init__(self, plan: Plan, card: Any, launch: Callable[[Any, int], None], batch: int):
        self.plan, self.card, self.launch, self.batch = plan, card, launch, batch
        self._ways: dict[int, Callable[[int], None]] = {}

    def run(self, rows: int, count: int) -> None:
        """Do `count` steps, each on so many rows; how is decided before the first."""
        if rows not in self._ways:
            self._ways[rows] = self._way(rows)
        self._ways[rows](count)

    def _way(self, rows: int) -> Callable[[int], None]:
        found = self._choose(rows) if TOGETHER else None
        if found is not None:
            return self._together(found)
        step = partial(self.launch, self.card, rows)
        return _Replayed(self.card.stream, step).run if graphs.WANTED else _repeated(step)

    def _choose(self, rows: int) -> Together | None:
        if rows != self.batch and self._choose(self.batch) is None:
            return None  # a kernel of its own for the last rows of an epoch would take long to compile
        recorded = RecordingCard(self.card.scratch_bytes, self.card.precision, self.card.scratch)
        self.launch(recorded, rows)
        return choose(self.plan, recorded.launches, rows, multiprocessors())

    def _together(self, found: Together) -> Callable[[int], None]:
        table, reals = found.table()
        tasks, width = table.shape
        kernel = found.kernel()[(found.blocks,), (BLOCK,), self.card.stream, found.shared_bytes]
        given = (self.card.memory, to_card(table.ravel()), to_card(reals.ravel()), tasks, width)
        return lambda count: kernel(*given, count)


class _Replayed:
    """A step that is launched the first time, which compiles and loads its kernels, as nothing may be loaded while a
    graph is captured; then captured, and replayed.
    """

    def __init__(self, stream: Any, step: Callable[[], None]):
        self.stream, self.step = stream, step
        self.loaded = False
        self.graph: graphs.Graph | None = None

    def run(self, count: int) -> None:
        """Do so many steps."""
        if not self.loaded and count:
            self.step()
            self.loaded, count = True, count - 1
        if self.graph is None and count:
            self.graph = graphs.Graph(self.stream, self.step)
        for _ in range(count):
            assert self.graph is not None  # made before the first
            self.graph.replay()


def _repeated(step: Callable[[], None]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            step()

    return run
