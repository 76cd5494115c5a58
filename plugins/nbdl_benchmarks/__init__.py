"""The built-in benchmarks: twelve workloads, and neighbours of odd sizes, for nbdl and its peers."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from nbdl.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from nbdl.benchmarking import Benchmark, Trainers
    from nbdl_benchmarks.workloads import Workload

PEERS = ("nbdl", "torch", "jax", "keras", "sklearn")


@hookimpl
def nbdl_benchmarks(register: Register) -> None:
    """Offer the benchmarks."""
    from nbdl_benchmarks.workloads import NEIGHBOURS, WORKLOADS

    for workload in (*WORKLOADS, *NEIGHBOURS):
        register(workload.name, _factory(workload))


def _factory(workload: "Workload") -> "Callable[[], Benchmark]":
    def make() -> "Benchmark":
        from nbdl.benchmarking import Benchmark

        return Benchmark(
            name=workload.name,
            title=workload.title,
            batch=workload.batch,
            rows=workload.rows,
            operations=workload.operations,
            bytes=workload.bytes,
            peers={peer: partial(_trainers, peer, workload) for peer in PEERS},
        )

    make.__doc__ = f"{workload.title}, batch {workload.batch}, trained with Adam."
    return make


def _trainers(peer: str, workload: "Workload") -> "Trainers":
    trainers: Trainers = import_module(f"nbdl_benchmarks.with_{peer}").trainers(workload)
    return trainers
