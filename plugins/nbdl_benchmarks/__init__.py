"""The built-in benchmarks: twelve workloads, neighbours of odd sizes and two whole programs, for nbdl and its peers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

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


def _factory(workload: "Workload") -> "Callable[[], Benchmark]":
    def make() -> "Benchmark":
        from nbdl_benchmarks.offers import benchmark

        return benchmark(workload)

    make.__doc__ = f"{workload.title}, batch {workload.batch}, trained with Adam."
    return make
