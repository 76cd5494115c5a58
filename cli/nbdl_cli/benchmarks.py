"""What `nbdl bench` measures: the benchmarks, peers and measurements asked for."""

import re
import sys
from collections.abc import Sequence
from typing import Any

import typer

from nbdl import plugins
from nbdl.benchmarking import OURS, Benchmark
from nbdl.errors import OptionError, suggest
from nbdl_cli.measurements import MEASUREMENTS
from nbdl_cli.measurements.measurement import LeftOut, Measurement, Settings

ALL = "all"


def chosen(names: list[str], device: str = "cpu", batch: int = 0) -> list[Benchmark]:
    """Make the benchmarks of these names, or all that can be measured so: on a card, with another batch.

    Raises `UnknownNameError`, or `OptionError` for one that can't.
    """
    found = [plugins.lookup("benchmarks", name) for name in names or sorted(plugins.names("benchmarks"), key=_in_order)]
    options: dict[str, Any] = {"device": device} if device != "cpu" else {}
    options |= {"batch": batch} if batch else {}
    able = [each for each in found if {*options} <= {option.name for option in each.options}]
    refused = [each.name for each in found if each not in able]
    if names and refused:
        what = "on a card" if "device" in options else "with another batch"
        raise OptionError(f"{', '.join(refused)} can't be measured {what}")
    return [each.make(**options) for each in able]


def _in_order(name: str) -> list[tuple[int, str]]:
    """Names with numbers by these: w2 before w10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def peers_of(text: str, benchmarks: list[Benchmark]) -> list[str]:
    """Read a list of frameworks. Raises `OptionError` for one that no benchmark knows."""
    offers = [(each.peers, each.predictors, each.programs, each.eager, each.whole) for each in benchmarks]
    names = [peer.partition(",")[0] for each in offers for offered in each for peer in offered]
    return _listed(text, [each for each in dict.fromkeys(names) if each != OURS], "--against", "peer")


def measurements(text: str) -> list[Measurement]:
    """Read a list of measurements. Raises `OptionError` for one that doesn't exist."""
    return [MEASUREMENTS[each] for each in _listed(text, list(MEASUREMENTS), "--measure", "measurement")]


def check_drawn(wanted: Sequence[Measurement]) -> None:
    """Raise `OptionError` if there is no picture of any of these."""
    if not any(each.draw for each in wanted):
        names = ", ".join(each.name for each in MEASUREMENTS.values() if each.draw)
        raise OptionError(f"--plot: there is no picture of {', '.join(each.name for each in wanted)}, but of {names}")


def _listed(text: str, known: list[str], option: str, kind: str) -> list[str]:
    wanted = [each.strip() for each in text.split(",") if each.strip()]
    for each in wanted:
        if each not in (*known, ALL):
            raise OptionError(f"{option} {each}: there is no such {kind}; {suggest(each, known)}")
    return known if ALL in wanted else list(dict.fromkeys(wanted))


def measured(
    benchmarks: Sequence[Benchmark], wanted: Sequence[Measurement], peers: Sequence[str], rounds: int, *, told: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure; return figures, and reasons for what was left out, by measurement and benchmark.

    With `told`, the reasons are shown, too: someone asked for just these benchmarks.
    """
    settings = Settings(peers, rounds, _tell)
    results: dict[str, dict[str, Any]] = {each.name: {} for each in wanted}
    left_out: dict[str, dict[str, str]] = {each.name: {} for each in wanted}
    for measurement in wanted:
        for benchmark in benchmarks:
            try:
                measurement.check(benchmark)
                figures = measurement.measure(benchmark, settings)
                results[measurement.name][benchmark.name] = {"title": benchmark.title, "agrees": True, **figures}
            except LeftOut as reason:
                left_out[measurement.name][benchmark.name] = str(reason)
            _tell("")
        for name, why in left_out[measurement.name].items() if told else ():
            typer.echo(f"{measurement.name}: {name} is left out: {why}", err=True)
    return results, left_out


def _tell(text: str) -> None:
    """Show a line in place of the one before, where somebody looks on."""
    if sys.stderr is not None and sys.stderr.isatty():
        typer.echo(f"\r\x1b[2K{text}", err=True, nl=False)
