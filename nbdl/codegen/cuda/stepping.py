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
    """

    def __init__(self, plan: Plan, card: Any, launch: Callable[[Any, int], None]):
        self.plan, self.card, self.launch = plan, card, launch
        self._ways: dict[int, Callable[[int], None]] = {}

    def run(self, rows: int, count: int) -> None:
        """Do `count` steps, each on so many rows; how is decided before the first."""
        if rows not in self._ways:
            self._ways[rows] = self._way(rows)
        self._ways[rows](count)

    def _way(self, rows: int) -> Callable[[int], None]:
        if not graphs.WANTED and not TOGETHER:
            return _repeated(partial(self.launch, self.card, rows))
        recorded = RecordingCard(self.card.scratch_bytes, self.card.precision, self.card.scratch)
        self.launch(recorded, rows)
        found = choose(self.plan, recorded.launches, rows, multiprocessors()) if TOGETHER else None
        if found is not None:
            return self._together(found)
        recorded.compile()  # while a graph is captured, nothing may be loaded
        return _repeated(graphs.Graph(self.card.stream, partial(self.launch, self.card, rows)).replay)

    def _together(self, found: Together) -> Callable[[int], None]:
        table, reals = found.table()
        tasks, width = table.shape
        kernel = found.kernel()[(found.blocks,), (BLOCK,), self.card.stream, found.shared_bytes]
        given = (self.card.memory, to_card(table.ravel()), to_card(reals.ravel()), tasks, width)
        return lambda count: kernel(*given, count)


def _repeated(step: Callable[[], None]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            step()

    return run
