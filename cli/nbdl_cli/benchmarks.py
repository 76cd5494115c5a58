"""What `nbdl bench` measures: the benchmarks asked for, and the machine's own limits."""

import sys
from dataclasses import dataclass

import typer

from nbdl import plugins
from nbdl.benchmarking import OURS, Benchmark, Comparison, compare
from nbdl.errors import OptionError, suggest
from nbdl.machine import cores


@dataclass(frozen=True)
class Limits:
    """What the machine can do: operations a second of one core, and by benchmark the bytes a second that one core
    reads of as many bytes as a step moves.
    """

    flops: float
    cores: int
    bandwidth: dict[str, float]

    def floor(self, benchmark: Benchmark) -> float:
        """The least microseconds that a step can take on all cores: its operations, or its bytes."""
        seconds = max(benchmark.operations / self.flops, benchmark.bytes / self.bandwidth[benchmark.name])
        return seconds / self.cores * 1e6


def chosen(names: list[str]) -> list[Benchmark]:
    """Make the benchmarks of these names, or all. Raises `UnknownNameError`."""
    wanted = names or [each.name for each in plugins.all("benchmarks")]
    return [plugins.lookup("benchmarks", name).make() for name in wanted]


def peers_of(text: str, benchmarks: list[Benchmark]) -> list[str]:
    """Read a list of frameworks. Raises `OptionError` for one that no benchmark knows."""
    known = list(dict.fromkeys(peer for each in benchmarks for peer in each.peers if peer != OURS))
    wanted = [each.strip() for each in text.split(",") if each.strip()]
    for each in wanted:
        if each not in known:
            raise OptionError(f"--against {each}: there is no such peer; {suggest(each, known)}")
    return wanted


def machine(benchmarks: list[Benchmark]) -> Limits:
    """Measure what the machine can do."""
    from nbdl.kernels.cpu.ceilings import bandwidth, peak_flops

    _tell("measuring the machine")
    return Limits(peak_flops(), cores(), {each.name: bandwidth(each.bytes) for each in benchmarks})


def measure(benchmark: Benchmark, peers: list[str], rounds: int) -> Comparison:
    """Run one benchmark, telling what is going on."""
    comparison = compare(benchmark, peers, rounds, report=_tell)
    _tell("")
    return comparison


def _tell(text: str) -> None:
    """Show a line in place of the one before, where somebody looks on."""
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[2K{text}", err=True, nl=False)
