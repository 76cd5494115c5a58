"""What a measurement of `nbdl bench` is: one function from a benchmark to figures, and the tables that show them."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nbdl.benchmarking import OURS, Benchmark, Report, ratios

Figures = dict[str, Any]
Results = Mapping[str, Figures]
"""Figures by the names of benchmarks."""

DIFFERENCE = 1e-2
"""Relative difference of losses, or of outputs, that rounding doesn't explain: float32 has 6e-8, grown by some hundred
operations in other orders, and in losses by 64 steps.
"""


class Table(NamedTuple):
    """A table of texts."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Settings:
    """How to measure: against whom, in how many rounds; `tell` is told what is going on."""

    peers: Sequence[str]
    rounds: int
    tell: Report


class LeftOut(Exception):  # noqa: N818 - no error: there is nothing to measure, and the message says why
    """A benchmark can't be measured here."""


@dataclass(frozen=True)
class Measurement:
    """One kind of measurement.

    Args:
        name: what it is called after `--measure`, and in the results.
        title: what it says, in a few words.
        needs: the attribute of a benchmark that offers it; one in which it is empty is left out.
        measure: measures one benchmark; raises `LeftOut`.
        tables: the figures for people, on the screen.
        summary: the figures for a page; the first of the tables if there is no other.
        draw: draws the figures into axes of matplotlib, if a picture helps.
    """

    name: str
    title: str
    needs: str
    measure: Callable[[Benchmark, Settings], Figures]
    tables: Sequence[Callable[[Results], Table]]
    summary: Callable[[Results], Table]
    draw: Callable[[Any, Results], None] | None = None

    def check(self, benchmark: Benchmark) -> None:
        """Raise `LeftOut` if a benchmark doesn't offer this."""
        if not getattr(benchmark, self.needs):
            raise LeftOut(f"it offers no {self.needs}")


# --- figures ----------------------------------------------------------------------------------------------------------


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest, to four digits."""
    names = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: rounded(value) for name, value in names.items()}


def rounded(value: float) -> float:
    """A figure to four digits: more would be noise."""
    return float(f"{value:.4g}")


def spreads(times: Mapping[str, Sequence[float]], scale: float = 1.0) -> dict[str, dict[str, float]]:
    """Median and range of what was measured in each round, by name."""
    return {name: spread([scale * each for each in values]) for name, values in times.items()}


def ratios_of(times: Mapping[str, list[float]]) -> dict[str, dict[str, float]]:
    """How many times nbdl's each of the others takes: median of the rounds, and range."""
    return {name: spread(ratios(times, [name])) for name in times if name != OURS}


# --- text -------------------------------------------------------------------------------------------------------------


def spread_text(figures: Mapping[str, float], unit: str = "×") -> str:
    """A median with its range."""
    return f"{figures['median']:.2f}{unit} ({figures['low']:.2f} to {figures['high']:.2f})"


def number(value: float) -> str:
    """A number with about three digits that count.

    >>> [number(each) for each in (0.1234, 12.34, 1234.5, 250.0)]
    ['0.12', '12.3', '1,234', '250']
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def best_of(figures: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> str:
    """The name with the lowest median; empty if there is none."""
    return min(names, key=lambda name: figures[name]["median"], default="")
