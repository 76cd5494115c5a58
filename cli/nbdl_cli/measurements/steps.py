"""Training steps beside the peers', and their share of the machine's limit."""

from functools import cache
from typing import Any

from nbdl.benchmarking import CHECKED, OURS, Benchmark, Comparison, compare, ratios
from nbdl.machine import cores
from nbdl_cli.measurements.measurement import (
    DIFFERENCE,
    Figures,
    Measurement,
    Results,
    Settings,
    Table,
    best_of,
    number,
    ratios_of,
    rounded,
    spread,
    spread_text,
    spreads,
)

EAGER = "torch"
GROUPS = {"pytorch": "PyTorch eager", "others": "all others"}


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Microseconds a step of everybody, ratios to nbdl's, and the least that the machine could need."""
    comparison = compare(benchmark, settings.peers, settings.rounds, settings.tell)
    figures = {
        **compared(comparison),
        "batch": benchmark.batch,
        "operations": benchmark.operations,
        "bytes": benchmark.bytes,
        "device": benchmark.device,
        "best": _best(comparison),
    }
    if benchmark.device == "cpu":
        floor = least_microseconds(benchmark)
        share = rounded(floor / comparison.microseconds(OURS))
        figures |= {"floor_microseconds": rounded(floor), "share_of_floor": share}
    return figures


def compared(comparison: Comparison) -> Figures:
    """The figures of a comparison of trainers."""
    different = comparison.benchmark.compare_losses and comparison.largest_difference > DIFFERENCE
    return {
        "microseconds": spreads(comparison.times),
        "ratio": ratios_of(comparison.times),
        "loss": comparison.losses,
        "agrees": not different,
        "left_out": comparison.left_out,
    }


def least_microseconds(benchmark: Benchmark) -> float:
    """The least that a step can take on all cores: for its operations, or for its bytes, read by each core."""
    from nbdl.kernels.cpu.ceilings import bandwidth

    return max(benchmark.operations / peak(), benchmark.bytes / bandwidth(benchmark.bytes)) / cores() * 1e6


@cache
def peak() -> float:
    """Operations a second of one core, measured once."""
    from nbdl.kernels.cpu.ceilings import peak_flops

    return peak_flops()


def _best(comparison: Comparison) -> Figures:
    """The ratio to the fastest of a group in each round: PyTorch's eager loop, and everybody else."""
    groups = {
        "pytorch": [name for name, peer in comparison.peers.items() if peer == EAGER],
        "others": [name for name, peer in comparison.peers.items() if peer not in (EAGER, OURS)],
    }
    times = spreads(comparison.times)
    return {
        group: spread(ratios(comparison.times, names)) | {"trainer": best_of(times, names)}
        for group, names in groups.items()
        if names
    }


def table(results: Results) -> Table:
    """A line for each trainer of each benchmark."""
    rows = []
    for name, figures in results.items():
        for trainer, time in figures["microseconds"].items():
            ours = trainer == OURS
            rows.append(
                (
                    name if ours else "",
                    trainer,
                    number(time["median"]),
                    f"{figures['share_of_floor']:.0%}" if ours and "share_of_floor" in figures else "",
                    "" if ours else spread_text(figures["ratio"][trainer]),
                    f"{figures['loss'][trainer]:.6g}",
                    figures["title"] if ours else "",
                )
            )
    columns = ("", "trainer", "µs a step", "of the limit", "times nbdl's (lowest to highest)", f"loss at {CHECKED}", "")
    return Table(columns, rows)


def summary(results: Results) -> Table:
    """A line for each benchmark: nbdl's time, and the best of PyTorch and of all others."""
    rows = []
    groups = [group for group in GROUPS if any(group in figures["best"] for figures in results.values())]
    for name, figures in results.items():
        best = [figures["best"].get(group) for group in groups]
        rows.append(
            (
                name,
                figures["title"],
                number(figures["microseconds"][OURS]["median"]),
                f"{figures['share_of_floor']:.0%}" if "share_of_floor" in figures else "",
                *[f"{spread_text(each)}, {each['trainer']}" if each else "" for each in best],
            )
        )
    columns = ("", "workload", "nbdl, µs a step", "of the limit", *[f"best of {GROUPS[each]}" for each in groups])
    return Table(columns, rows)


def draw(axes: Any, results: Results) -> None:
    """How many times nbdl's time the others take."""
    draw_ratios(axes, {name: figures["ratio"] for name, figures in results.items()})
    axes.set_ylabel("time of a training step, in times nbdl's")


def draw_ratios(axes: Any, results: Results) -> None:
    """A group of bars for each benchmark, on a logarithmic axis; by benchmark and name, a ratio with its spread."""
    from matplotlib.ticker import LogFormatter

    from nbdl_cli.figures import COLORS, GRAY

    names = list(dict.fromkeys(name for result in results.values() for name in result))
    width = 0.8 / max(len(names), 1)
    for count, name in enumerate(names):
        bars = [
            (place + (count - (len(names) - 1) / 2) * width, result[name])
            for place, result in enumerate(results.values())
            if name in result
        ]
        places, heights = [place for place, _ in bars], [ratio["median"] for _, ratio in bars]
        ranges = [[r["median"] - r["low"] for _, r in bars], [r["high"] - r["median"] for _, r in bars]]
        axes.bar(places, heights, width, label=name, color=COLORS[count % len(COLORS)])
        axes.errorbar(places, heights, ranges, fmt="none", ecolor=GRAY)
    axes.set_xticks(range(len(results)), list(results), rotation=30 if len(results) > 10 else 0)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(LogFormatter())  # plain numbers: the style draws no formulas
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.5)))
    axes.axhline(1, color="black", linewidth=1)
    axes.grid(axis="y")
    if names:
        axes.legend()


MEASUREMENT = Measurement("steps", "training steps", "peers", measure, (table, summary), summary, draw)
