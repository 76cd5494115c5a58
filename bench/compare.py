"""nbdl beside its peers: time per training step, everybody in turn in one process, medians of paired ratios.

    python bench/compare.py [W1 W2 ...] [--rounds 9] [--json FILE]

All peers train the same network from the same starting values on the same data. Each round gives every peer a turn of
about the same time, so that a busy machine slows all of them; a ratio is taken within a round. The losses after the
same number of steps are compared, so that nobody is fast by doing less.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbdl.machine import processor, versions

sys.path.insert(0, str(Path(__file__).parent))

from peers import Trainer
from workloads import STRETCH, WORKLOADS, Workload

PEERS = ("torch", "jax")
TURN = 0.15  # seconds of a turn
CHECKED_STEPS = 3 * STRETCH


def trainers_of(workload: Workload) -> dict[str, Trainer]:
    """All trainers whose framework is installed, nbdl first."""
    found: dict[str, Trainer] = {}
    for name in ("nbdl", *PEERS):
        try:
            module = importlib.import_module(f"peers.with_{name}")
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        found |= module.prepare(workload)
    return found


def measure(workload: Workload, rounds: int) -> dict[str, Any]:
    """Microseconds a step of each trainer, and how many times longer than nbdl each takes."""
    trainers = trainers_of(workload)
    losses = {}
    for name, trainer in trainers.items():
        trainer.run(CHECKED_STEPS)  # compiles, and warms up
        losses[name] = trainer.loss()
    steps = {name: _steps_in(trainer, TURN) for name, trainer in trainers.items()}
    times: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(rounds):
        for name, trainer in trainers.items():
            times[name].append(_time(trainer, steps[name]) / steps[name] * 1e6)
    ratios = {
        name: [theirs / ours for theirs, ours in zip(times[name], times["nbdl"], strict=True)] for name in trainers
    }
    return {
        "title": workload.title,
        "batch": workload.batch,
        "operations": workload.operations,
        "microseconds": {name: statistics.median(values) for name, values in times.items()},
        "ratio": {name: statistics.median(values) for name, values in ratios.items()},
        "spread": {name: [min(values), max(values)] for name, values in ratios.items()},
        "loss": losses,
    }


def _steps_in(trainer: Trainer, seconds: float) -> int:
    steps = STRETCH
    while True:
        taken = _time(trainer, steps)
        if taken > seconds / 4:
            return STRETCH * max(1, round(steps / STRETCH * seconds / taken))
        steps *= 2


def _time(trainer: Trainer, steps: int) -> float:
    begin = time.perf_counter()
    trainer.run(steps)
    return time.perf_counter() - begin


def table(results: dict[str, Any]) -> str:
    """The results as text."""
    names = list(dict.fromkeys(name for result in results.values() for name in result["microseconds"]))
    lines = ["microseconds a step (times nbdl's, lowest to highest of the rounds)"]
    for key, result in results.items():
        speed = result["operations"] / result["microseconds"]["nbdl"] / 1e3
        lines.append(f"{key:4} {result['title']}, batch {result['batch']}: {speed:.0f} GFLOP/s")
        for name in names:
            if name in result["microseconds"]:
                low, high = result["spread"][name]
                ratio = "" if name == "nbdl" else f"  {result['ratio'][name]:6.2f}x  ({low:.2f}-{high:.2f})"
                lines.append(
                    f"       {name:18} {result['microseconds'][name]:10.1f}{ratio}   loss {result['loss'][name]:.5f}"
                )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS), help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {name: measure(WORKLOADS[name], arguments.rounds) for name in arguments.workloads}
    print(table(results))
    if arguments.json:
        about = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "processor": processor(),
            "python": platform.python_version(),
            "versions": versions() | {name: _version(name) for name in PEERS},
        }
        arguments.json.write_text(json.dumps({**about, "results": results}, indent=2) + "\n")


def _version(name: str) -> str:
    try:
        return str(importlib.import_module(name).__version__)
    except ImportError:
        return "not installed"


if __name__ == "__main__":
    main()
