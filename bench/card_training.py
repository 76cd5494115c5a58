"""Training steps of the workloads on a card, beside the peers': those of small ones first, then large batches."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from nbdl_benchmarks.offers import on_card
from nbdl_benchmarks.workloads import WORKLOADS, Workload, named, with_batch

from nbdl.benchmarking import OURS, compare

PEERS = ("torch", "torch_compile", "jax", "cupy")
LARGE_BATCH = 1024
ROUNDS = 3
FIRST = ("w3", "w1", "w2", "w4", "w7", "w11")
LARGE = ("w5", "w6", "w10")
"""Those whose large batches say most."""


def order() -> list[Workload]:
    """All workloads, each with its own batch and a large one; what says most comes first, as time may not suffice."""
    small = [named(name) for name in FIRST]
    large = [with_batch(named(name), LARGE_BATCH) for name in LARGE]
    others = [each for each in WORKLOADS if each.name not in FIRST]
    return [*small, *large, *others, *[with_batch(each, LARGE_BATCH) for each in WORKLOADS if each.name not in LARGE]]


def steps() -> Iterator[tuple[str, Any]]:
    """Microseconds of a training step, and how many times that the others take."""
    for workload in order():
        comparison = compare(on_card(workload), PEERS, ROUNDS, lambda text: None)
        yield (
            workload.name,
            {
                "µs": {name: round(comparison.microseconds(name), 1) for name in comparison.times},
                "times nbdl's": {
                    name: round(statistics.median(comparison.ratios(name)), 2)
                    for name in comparison.times
                    if name != OURS
                },
                "largest difference of a loss": comparison.largest_difference,
                "left out": comparison.left_out,
            },
        )
