"""The explicit loop, without `jit`: forward, `loss.backward()`, `optimizer.step()`."""

from typing import Any

from nbdl.benchmarking import OURS, Benchmark, compare
from nbdl_cli.measurements.measurement import Figures, Measurement, Results, Settings, Table, number, spread_text
from nbdl_cli.measurements.steps import compared, draw_ratios, table


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Microseconds a step of everybody in turns; the losses must be the same."""
    return compared(compare(benchmark, settings.peers, settings.rounds, settings.tell, benchmark.eager))


def summary(results: Results) -> Table:
    """A line for each benchmark: nbdl's time, and ratios to it."""
    names = list(dict.fromkeys(name for figures in results.values() for name in figures["ratio"]))
    rows = []
    for name, figures in results.items():
        ratios = [figures["ratio"].get(peer) for peer in names]
        time = number(figures["microseconds"][OURS]["median"])
        rows.append((name, figures["title"], time, *[spread_text(each) if each else "" for each in ratios]))
    return Table(("", "workload", "nbdl, µs a step", *names), rows)


def draw(axes: Any, results: Results) -> None:
    """How many times nbdl's time the others take."""
    draw_ratios(axes, {name: figures["ratio"] for name, figures in results.items()})
    axes.set_ylabel("time of a step of the explicit loop, in times nbdl's")


MEASUREMENT = Measurement("eager", "the explicit loop, without jit", "eager", measure, (table,), summary, draw)
