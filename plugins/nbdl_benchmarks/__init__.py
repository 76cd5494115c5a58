"""The built-in benchmarks: twelve workloads, neighbours of odd sizes and two whole programs, for nbdl and its peers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from nbdl.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from nbdl.benchmarking import Benchmark
    from nbdl_benchmarks.workloads import Workload


@hookimpl
def nbdl_benchmarks(register: Register) -> None:
    """Offer the benchmarks."""
    from nbdl_benchmarks.whole import WHOLE
    from nbdl_benchmarks.workloads import NEIGHBOURS, WORKLOADS

    for workload in (*WORKLOADS, *NEIGHBOURS):
        register(workload.name, _factory(workload))
    for program in WHOLE:
        register(program.__name__, program)


def _factory(workload: "Workload") -> "Callable[..., Benchmark]":
    def make(device: Literal["cpu", "cuda"] = "cpu", batch: int = 0) -> "Benchmark":
        from nbdl_benchmarks.offers import benchmark, on_card
        from nbdl_benchmarks.workloads import with_batch

        chosen = with_batch(workload, batch) if batch else workload
        return on_card(chosen) if device == "cuda" else benchmark(chosen)

    make.__doc__ = f"""{workload.title}, batch {workload.batch}, trained with Adam.

    Args:
        device: where it runs.
        batch: rows of a step; as many as it says, if 0.
    """
    return make
