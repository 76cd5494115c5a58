"""How long each kernel of a training step takes."""

from __future__ import annotations

import numpy as np

from nbdl.codegen.profiling import ProfiledProgram
from nbdl.train.device import choose_workers
from nbdl.train.tracing import Traced


def time_kernels(traced: Traced, *, rows: int, batch: int, steps: int) -> dict[str, float]:
    """Train so many steps, and return the microseconds a step of each kernel, by its layer and function.

    The mean of the workers; `"step"` is what the whole takes, with single numbers and waiting for each other.

    Args:
        traced: a training step with its arrays, which it trains on.
        rows: of the data; they are taken in random order.
        batch: rows of a step.
        steps: how many.

    Raises:
        NbdlError: the processor's clock can't be read.
    """
    program = ProfiledProgram(traced.program)
    bound = program.bind(traced.arrays, batch=batch, workers=choose_workers(program.plan, batch))
    rng = np.random.default_rng(2)
    order = np.concatenate([rng.permutation(rows) for _ in range(-(-steps * batch // rows))])
    return program.measure(bound, order, steps)
