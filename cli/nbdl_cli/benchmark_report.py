"""The report of `nbdl bench`: figures as data, a table, a picture."""

import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from nbdl.atomic import atomic_write
from nbdl.benchmarking import CHECKED, OURS, Comparison
from nbdl.machine import processor, versions
from nbdl.tensor_files import writing
from nbdl_cli.benchmarks import Limits
from nbdl_cli.output import print_table

PEER_PACKAGES = ("torch", "jax", "keras", "scikit-learn")
Figures = dict[str, Any]


def as_data(comparisons: Sequence[Comparison], limits: Limits, rounds: int) -> Figures:
    """Everything that was measured, where and with what."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": limits.cores,
        "gflops_a_core": round(limits.flops / 1e9, 1),
        "versions": versions() | {name: _version(name) for name in PEER_PACKAGES},
        "rounds": rounds,
        "results": {each.benchmark.name: _figures(each, limits) for each in comparisons},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _figures(comparison: Comparison, limits: Limits) -> Figures:
    benchmark = comparison.benchmark
    ours, floor = comparison.microseconds(OURS), limits.floor(benchmark)
    return {
        "title": benchmark.title,
        "batch": benchmark.batch,
        "operations": benchmark.operations,
        "bytes": benchmark.bytes,
        "floor_microseconds": round(floor, 2),
        "share_of_floor": round(floor / ours, 3),
        "microseconds": {name: round(comparison.microseconds(name), 2) for name in comparison.times},
        "ratio": {name: _ratio(comparison.ratios(name)) for name in comparison.times if name != OURS},
        "loss": comparison.losses,
        "left_out": comparison.left_out,
    }


def _ratio(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "low": round(min(values), 3), "high": round(max(values), 3)}


def print_report(data: Figures) -> None:
    """Print the figures for people: a line for each trainer of each benchmark."""
    rows = []
    for name, result in data["results"].items():
        for trainer, time in result["microseconds"].items():
            ours = trainer == OURS
            rows.append(
                (
                    name if ours else "",
                    trainer,
                    f"{time:,.1f}",
                    f"{result['share_of_floor']:.0%}" if ours else "",
                    "" if ours else _spread_text(result["ratio"][trainer]),
                    f"{result['loss'][trainer]:.6g}",
                    f"{result['title']}, batch {result['batch']}" if ours else "",
                )
            )
    columns = ("", "trainer", "µs a step", "of the limit", "times nbdl's (lowest to highest)", f"loss at {CHECKED}", "")
    print_table(columns, rows)
    for result in data["results"].values():
        for peer, reason in result["left_out"].items():
            typer.echo(f"{peer} is left out: {reason}", err=True)
            return


def _spread_text(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def write(path: Path, data: Figures) -> None:
    """Write the figures to a file."""
    with writing(path), atomic_write(path) as file:
        file.write((json.dumps(data, indent=2) + "\n").encode())


def draw(path: Path, data: Figures) -> None:
    """Draw how many times nbdl's time the others take: a group of bars for each benchmark, on a logarithmic axis."""
    from nbdl_cli.figures import drawing, new_figure, save_figure

    with drawing():
        figure = new_figure(min(2 + 0.8 * len(data["results"]), 9), 4.5)
        axes = figure.add_subplot()
        _draw_bars(axes, data["results"])
        axes.axhline(1, color="black", linewidth=1)
        axes.set_yscale("log")
        axes.set_xlabel("benchmark")
        axes.set_ylabel("time of a training step, in times nbdl's")
        axes.set_title(f"{data['processor']}, {data['cores']} cores, {data['date'][:10]}")
        axes.grid(axis="y")
        save_figure(figure, path)


def _draw_bars(axes: Any, results: Figures) -> None:
    from nbdl_cli.figures import COLORS, GRAY

    trainers = list(dict.fromkeys(name for result in results.values() for name in result["ratio"]))
    width = 0.8 / max(len(trainers), 1)
    for number, trainer in enumerate(trainers):
        bars = [
            (place + (number - (len(trainers) - 1) / 2) * width, result["ratio"][trainer])
            for place, result in enumerate(results.values())
            if trainer in result["ratio"]
        ]
        spread = [[r["median"] - r["low"] for _, r in bars], [r["high"] - r["median"] for _, r in bars]]
        color = COLORS[number % len(COLORS)]
        axes.bar(*zip(*[(place, r["median"]) for place, r in bars], strict=True), width, label=trainer, color=color)
        axes.errorbar(*zip(*[(place, r["median"]) for place, r in bars], strict=True), spread, fmt="none", ecolor=GRAY)
    axes.set_xticks(range(len(results)), results)
    if trainers:
        axes.legend()
