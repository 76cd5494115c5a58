"""What more workers bring: the same steps on one worker and on all cores."""

from functools import partial

from nbdl.benchmarking import OURS, Benchmark, Trainer, compare
from nbdl.machine import cores
from nbdl_cli.measurements.measurement import (
    Figures,
    LeftOut,
    Measurement,
    Results,
    Settings,
    Table,
    number,
    spread_text,
)
from nbdl_cli.measurements.steps import compared


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Microseconds a step with 1, 2, 4, ... workers in turns, and how many times faster than one worker that is.

    `nbdl` is the one with most workers, so that a ratio says how much slower fewer are.
    """
    make = benchmark.workers
    assert make is not None  # the measurement needs it
    most = cores()
    if most < 2:
        raise LeftOut("this process has a single core")
    counts = [2**power for power in range(most.bit_length()) if 2**power < most]

    def trainer(name: str, workers: int) -> dict[str, Trainer]:
        return {name: make(workers)}

    offered = {OURS: partial(trainer, OURS, most)}
    offered |= {named(count): partial(trainer, named(count), count) for count in counts}
    comparison = compare(benchmark, [named(count) for count in counts], settings.rounds, settings.tell, offered)
    return {**compared(comparison), "workers": most}


def named(workers: int) -> str:
    """What so many workers are called in the results."""
    return f"{workers} worker{'s' * (workers > 1)}"


def table(results: Results) -> Table:
    """A line for each number of workers below all: how much faster all are."""
    rows = []
    for name, figures in results.items():
        all_of_them = number(figures["microseconds"][OURS]["median"])
        for fewer, ratio in figures["ratio"].items():
            time = number(figures["microseconds"][fewer]["median"])
            more = f"{all_of_them} with {named(figures['workers'])}"
            rows.append((name, f"{time} with {fewer}", more, spread_text(ratio), figures["title"]))
    return Table(("", "µs a step", "", "times faster (lowest to highest)", ""), rows)


MEASUREMENT = Measurement("scaling", "more workers", "workers", measure, (table,), table)
