"""Programs on a card, in the shape in which tests of the CPU's programs run theirs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nbdl.codegen.cuda.program import CudaProgram
from tests.codegen.maker import EXAMPLES, Maker
from tests.codegen.oracle import compare, run_oracle

RUNS = (9, 1)
"""Rows of a batch."""


class CardRun:
    """The twin of `PlainRun`."""

    def __init__(
        self, program: CudaProgram, arrays: dict[str, np.ndarray], *, batch: int, workers: int = 1, seed: int = 0
    ):
        self.bound = program.bind(arrays, batch=batch, seed=seed)

    def run(self, order: np.ndarray, steps: int = 1) -> None:
        """Run steps from the first on."""
        self.bound.run(np.asarray(order), 0, steps)
        self.bound.pull()


def check(
    case: Callable[[Maker], None], dtype: str = "float64", tolerance: float = 1e-9, runs: tuple[int, ...] = RUNS
) -> None:
    """Run a case for several batch sizes and compare with the interpreter."""
    make = Maker(dtype=np.dtype(dtype))
    case(make)
    program = CudaProgram(make.variables, "a case")
    order = np.random.default_rng(0).permutation(EXAMPLES)
    for batch in runs:
        rows = order[: 2 * batch - (batch > 2)]
        wanted = run_oracle(make.variables, make.arrays, rows, batch=batch, steps=2, seed=5)
        got = {name: array.copy() for name, array in make.arrays.items()}
        CardRun(program, got, batch=batch, seed=5).run(rows, 2)
        compare(got, wanted, tolerance, f"with batches of {batch}")
