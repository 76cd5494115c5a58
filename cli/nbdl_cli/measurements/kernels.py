"""Where a step's time goes: nbdl's kernels one by one."""

import statistics

from nbdl.benchmarking import Benchmark
from nbdl.errors import NbdlError
from nbdl_cli.measurements.measurement import (
    Figures,
    LeftOut,
    Measurement,
    Results,
    Settings,
    Table,
    number,
    rounded,
)

SECONDS = 0.3
"""How long the steps of a round take."""

SHOWN = 8
"""Kernels of a benchmark in the table; the others make a line."""


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Microseconds a step of each kernel, the median of the rounds; what is left are numbers and meetings."""
    run = benchmark.kernels
    assert run is not None  # the measurement needs it
    try:
        steps = max(1, round(SECONDS * 1e6 / run(8)["step"]))
        rounds = []
        for count in range(settings.rounds):
            settings.tell(f"{benchmark.name}: round {count + 1} of {settings.rounds}")
            rounds.append(run(steps))
    except NbdlError as error:
        raise LeftOut(str(error)) from error
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    return {"microseconds": {name: rounded(median) for name, median in medians.items()}}


def table(results: Results) -> Table:
    """The kernels that take longest, and their share of the step."""
    rows = []
    for name, figures in results.items():
        times = dict(figures["microseconds"])
        step = times.pop("step")
        longest = sorted(times, key=lambda kernel: -times[kernel])[:SHOWN]
        others = sum(times.values()) - sum(times[kernel] for kernel in longest)
        lines = [(kernel, times[kernel]) for kernel in longest]
        lines += [("other kernels", others), ("single numbers, and waiting", max(0.0, step - sum(times.values())))]
        for line, (kernel, time) in enumerate(lines):
            title = (name, figures["title"]) if line == 0 else ("", "")
            rows.append((*title, kernel, number(time), f"{time / step:.0%}"))
    return Table(("", "", "kernel", "µs a step", "of the step"), rows)


MEASUREMENT = Measurement("kernels", "where a step's time goes", "kernels", measure, (table,), table)
