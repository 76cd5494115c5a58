"""The machine and the software that nbdl runs on, found out without importing any of it."""

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    *("nbdl", "numpy", "numba", "llvmlite", "scikit-learn", "safetensors"),
    *("pluggy", "typer", "matplotlib", "pillow"),
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that nbdl depends on; `""` for one that isn't installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


def processor() -> str:
    """Return the processor's name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use, which is fewer than there are in a container or under `taskset`."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
