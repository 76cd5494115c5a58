"""How time and working memory grow with batch, width, depth and the length of sequences."""

from typing import Any

from nbdl.benchmarking import OURS, Benchmark, Trainer, compare
from nbdl_cli.measurements.measurement import (
    Figures,
    Measurement,
    Results,
    Settings,
    Table,
    number,
    spread,
    spread_text,
)

FACTORS = (1, 2, 4, 8)


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """By what grows: for each factor the operations of a step, microseconds, those of a million operations, bytes."""
    return {"grows": {axis: [_sized(make(factor), factor, settings) for factor in FACTORS]
                      for axis, make in benchmark.sizes.items()}}  # fmt: skip


def _sized(benchmark: Benchmark, factor: int, settings: Settings) -> Figures:
    made: list[Trainer] = []

    def ours() -> dict[str, Trainer]:
        made.append(benchmark.peers[OURS]()[OURS])
        return {OURS: made[0]}

    comparison = compare(benchmark, (), settings.rounds, settings.tell, {OURS: ours})
    times = comparison.times[OURS]
    memory = made[0].memory
    return {
        "factor": factor,
        "operations": benchmark.operations,
        "microseconds": spread(times),
        "microseconds_a_million": spread([1e6 * each / benchmark.operations for each in times]),
        "bytes": memory() if memory else None,
    }


def table(results: Results) -> Table:
    """A line for each size."""
    rows = []
    for name, figures in results.items():
        for axis, sizes in figures["grows"].items():
            first = sizes[0]
            for each in sizes:
                size = each["bytes"]
                rows.append(
                    (
                        name if each is first else "",
                        f"{axis} × {each['factor']}",
                        f"{each['operations'] / first['operations']:.2f}",
                        number(each["microseconds"]["median"]),
                        spread_text(each["microseconds_a_million"], ""),
                        f"{size / 2**20:,.2f}" if size else "",
                        f"{size / first['bytes']:.2f}" if size else "",
                    )
                )
    columns = ("", "size", "times the operations", "µs a step", "µs a million operations", "MiB", "times the memory")
    return Table(columns, rows)


def draw(axes: Any, results: Results) -> None:
    """Time of an operation by size, 1 for the smallest: a level or falling line is what one hopes for."""
    from nbdl_cli.figures import COLORS, MARKS

    lines = [(name, axis, sizes) for name, each in results.items() for axis, sizes in each["grows"].items()]
    for count, (name, axis, sizes) in enumerate(lines):
        costs = [each["microseconds_a_million"]["median"] for each in sizes]
        style = {"color": COLORS[count % len(COLORS)], "marker": MARKS[count % len(MARKS)]}
        axes.plot(
            [each["factor"] for each in sizes], [each / costs[0] for each in costs], label=f"{name}, {axis}", **style
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(FACTORS, FACTORS)
    axes.set_xlabel("size, in times the smallest")
    axes.set_ylabel("time of an operation, 1 for the smallest")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.legend()


MEASUREMENT = Measurement("growth", "growth of time and memory", "sizes", measure, (table,), table, draw)
