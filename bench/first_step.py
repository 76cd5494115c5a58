"""How long until the first step: from the start of Python to the end of a first training step, in new processes.

    python bench/first_step.py [--rounds 5] [--json FILE] [--without-helper]

*Cold* begins with an empty compile cache, as on a new machine; *warm* with what the cold run left there. The processor
time is that of all processes, the helper's (`nbdl.kernels.helper`) included. Cold runs of all networks take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from nbdl.machine import cores, processor, versions

BEGIN = """
import numpy as np
from nbdl import nn

rng = np.random.default_rng(0)
x = rng.random((32, 784), dtype=np.float32)
"""
END = """
net.fit(x, y, epochs=1, batch_size=32, verbose=False, seed=0)
import time
print(time.time())
"""
NETWORKS = {
    "classifier 784-64-64-10, ReLU": """
y = rng.integers(0, 10, 32)
net = nn.Sequential(nn.Dense(64, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10))
net.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
""",
    "regression 784-64-64-1, tanh": """
y = rng.random((32, 1), dtype=np.float32)
net = nn.Sequential(nn.Dense(64, activation="tanh"), nn.Dense(64, activation="tanh"), nn.Dense(1))
net.compile(optimizer="adam", loss="mse")
""",
}
WARM = 3
"""Warm runs after each cold one."""

Seconds = tuple[float, float]


def first_step(network: str, environment: dict[str, str]) -> Seconds:
    """Seconds on the clock until the end of the first step, and processor seconds of a whole process."""
    before, begin = os.times(), time.time()
    command = [sys.executable, "-c", BEGIN + NETWORKS[network] + END]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return float(done.stdout) - begin, used


def measure(rounds: int, environment: dict[str, str]) -> dict[str, dict[str, list[Seconds]]]:
    """Cold and warm seconds of each network."""
    results: dict[str, dict[str, list[Seconds]]] = {name: {"cold": [], "warm": []} for name in NETWORKS}
    for _ in range(rounds):
        for name, seconds in results.items():
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                here = environment | {"NBDL_CACHE_DIR": folder}
                seconds["cold"].append(first_step(name, here))
                seconds["warm"] += [first_step(name, here) for _ in range(WARM)]
    return results


def table(results: dict[str, dict[str, list[Seconds]]]) -> str:
    """The results as text."""
    lines = ["seconds to the end of the first step: median (lowest to highest); processor seconds: median"]
    for name, kinds in results.items():
        for kind, seconds in kinds.items():
            clock, used = zip(*seconds, strict=True)
            spread = f"({min(clock):.2f} to {max(clock):.2f})"
            lines.append(
                f"{name:32} {kind}  {statistics.median(clock):5.2f}  {spread:16}  {statistics.median(used):5.2f}"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--without-helper", action="store_true", help="compile everything in one process")
    arguments = parser.parse_args()
    results = measure(arguments.rounds, {"NBDL_COMPILE_HELPER": "0"} if arguments.without_helper else {})
    print(table(results))
    if arguments.json:
        about = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "processor": processor(),
            "cores": cores(),
            "helper": not arguments.without_helper,
            "versions": versions(),
        }
        arguments.json.write_text(json.dumps({**about, "seconds": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
