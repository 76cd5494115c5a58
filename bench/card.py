"""Everything about an NVIDIA card in one go, in less than nine minutes: its tests, and how fast nbdl is on it.

    python bench/card.py --out bench/results/card.json

It runs `pytest -m gpu` (and a few programs under compute-sanitizer, where that is installed), measures copies, the
optimizer, matrix products and convolutions as shares of what cuBLAS, cuDNN and the card's own copy reach, and training
steps of the twelve workloads beside PyTorch (eager, CUDA graphs, torch.compile), JAX and CuPy; each also with batches
of 1024. Every part has a process and a time of its own; what a part can't do, or hasn't done in its time, is said. All
figures go into a JSON file with card, driver, versions and date, and tables into a Markdown file beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbdl.atomic import atomic_write
from nbdl.cards import examine_cuda
from nbdl.machine import versions

ROOT = Path(__file__).parent.parent
LIMIT = 520.0
"""Seconds for everything."""
SANITIZED = "(test_case or many_steps) and (matrix_products or statistics or gradients_of_maxima)"
SECONDS = {"tests": 190, "sanitizers": 60, "copies": 30, "products": 80, "convolutions": 30, "training": 520}
"""The most that each part may take; the last has what is left."""
Figures = Iterator[tuple[str, Any]]


def main() -> None:
    """Do everything, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "card.json")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds")
    parser.add_argument("--part", choices=SECONDS, help="do one part here, and print its figures")
    options = parser.parse_args()
    found = examine_cuda()
    if not found["usable"]:
        sys.exit(f"there is nothing to measure: {found['verdict']}")
    if options.part:
        for name, figures in parts()[options.part]():
            print(json.dumps([name, figures]), flush=True)
        return
    end = time.monotonic() + options.limit
    data: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "cuda": found, "versions": versions(),
    }  # fmt: skip
    for part, most in SECONDS.items():
        command = [sys.executable, __file__, "--part", part]
        data[part] = in_process(command, min(most, end - time.monotonic()))
        write(options.out, data)  # whatever comes later, this is kept
        print(table(part, data[part]), flush=True)


def in_process(command: list[str], seconds: float) -> dict[str, Any]:
    """What a process prints, a name and figures in each line, and how it ended; it is stopped after some seconds."""
    if seconds <= 0:
        return {"end": "left out for want of time"}
    result: dict[str, Any] = {}
    stopped = threading.Event()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        ) as child,
    ):

        def stop() -> None:
            stopped.set()
            os.killpg(child.pid, signal.SIGKILL)  # with the processes that it has started

        clock = threading.Timer(seconds, stop)
        clock.start()
        for line in child.stdout or ():
            if line.startswith('["'):  # others print, too
                name, figures = json.loads(line)
                result[name] = figures
        status = child.wait()
        clock.cancel()
        errors.seek(0)
        words = errors.read().strip().splitlines()[-1:] if status else []
    result["end"] = f"stopped after {seconds:.0f} s" if stopped.is_set() else " ".join([f"status {status}", *words])
    return result


def parts() -> dict[str, Callable[[], Figures]]:
    """What there is to do: functions that yield names and figures."""
    import card_kernels
    import card_training

    return {
        "tests": tests, "sanitizers": sanitizers, "copies": card_kernels.copies, "products": card_kernels.products,
        "convolutions": card_kernels.convolutions, "training": card_training.steps,
    }  # fmt: skip


def tests() -> Figures:
    """The tests on the card."""
    yield "pytest -m gpu", _run([sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-n", "8", "tests/gpu"])


def sanitizers() -> Figures:
    """A few programs with every access to memory watched."""
    if shutil.which("compute-sanitizer") is None:
        yield "left out", "compute-sanitizer isn't installed"
        return
    tests = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-n", "0", "-k", SANITIZED, "tests/gpu/test_card.py"]
    for tool in ("memcheck", "racecheck"):
        yield tool, _run(["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *tests])


def _run(command: list[str]) -> dict[str, Any]:
    begin = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    return {"status": done.returncode, "seconds": round(time.monotonic() - begin, 1), "last lines": lines[-12:]}


# --- files ------------------------------------------------------------------------------------------------------------


def write(path: Path, data: dict[str, Any]) -> None:
    """Write the figures as JSON, and tables of them beside it."""
    with atomic_write(path) as file:
        file.write(json.dumps(data, indent=2).encode())
    cards = ", ".join(f"{each['name']} ({each['capability']})" for each in data["cuda"]["cards"])
    about = f"# {cards}\n\nDriver for CUDA {data['cuda']['driver']}, {data['date']}.\n"
    with atomic_write(path.with_suffix(".md")) as file:
        file.write("\n".join([about, *(table(part, data[part]) for part in SECONDS if part in data)]).encode())


def table(part: str, figures: dict[str, Any]) -> str:
    """A part's figures as a Markdown table, a line for each name."""
    flat = {name: _flat(each) for name, each in figures.items() if isinstance(each, dict)}
    columns = list(dict.fromkeys(column for each in flat.values() for column in each))
    lines = [f"## {part}", ""]
    if flat:
        lines += [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            f"| {name} | {' | '.join(each.get(column, '') for column in columns)} |" for name, each in flat.items()
        ]
    said = [f"{name}: {each}" for name, each in figures.items() if not isinstance(each, dict)]
    return "\n".join([*lines, "", *said, ""])


def _flat(figures: dict[str, Any], before: str = "") -> dict[str, str]:
    """The figures of nested tables by name, as text."""
    flat: dict[str, str] = {}
    for name, each in figures.items():
        if isinstance(each, dict):
            flat |= _flat(each, f"{before}{name}: ")
        else:
            text = f"{each:.3g}" if isinstance(each, float) else str(each[-1:] if isinstance(each, list) else each)
            flat[before + name] = text.replace("|", "/")
    return flat


if __name__ == "__main__":
    main()
