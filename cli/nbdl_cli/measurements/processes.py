"""Programs in new processes: how long they take, and how much memory."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbdl.benchmarking import OURS
from nbdl_cli.measurements.measurement import LeftOut

MEMORY = """
def peak():
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource, sys
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""
"""The most memory that a process has had resident. What the kernel counts for a child (`ru_maxrss`) begins with what
its parent had, so on Linux the process looks itself up.
"""


@dataclass(frozen=True)
class Ran:
    """What came of a process: what it printed, and its seconds, on the clock and of all processors."""

    printed: str
    began: float
    seconds: float
    processor_seconds: float

    @property
    def number(self) -> float:
        """The last line, which is a number."""
        return float(self.printed.strip().splitlines()[-1])


def run(program: str, environment: Mapping[str, str] | None = None) -> Ran:
    """Run Python source in a new process.

    Raises:
        ImportError: a module that it needs is missing, or it says so itself.
        RuntimeError: it fails.
    """
    before, began = os.times(), time.time()
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=os.environ | dict(environment or {}), capture_output=True, text=True)
    ended, after = time.time(), os.times()
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        kind, _, text = reason.partition(": ")
        raise (ImportError if kind in ("ImportError", "ModuleNotFoundError") else RuntimeError)(text or reason)
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Ran(done.stdout, began, ended - began, used)


def chosen(programs: Mapping[str, str], peers: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The programs of nbdl and of some peers, and why other peers are left out: a program is called as its peer is,
    or so and more behind a comma. Raises `LeftOut` if nbdl has none.
    """
    wanted = (OURS, *peers)
    found = {name: text for name, text in programs.items() if name.partition(",")[0] in wanted}
    have = {name.partition(",")[0] for name in found}
    if OURS not in found:
        raise LeftOut("it has no program for nbdl")
    return found, {peer: "this benchmark has no program for it" for peer in wanted if peer not in have}


def tried(programs: dict[str, str], end: str, left_out: dict[str, str]) -> dict[str, Ran]:
    """Run each program once, which fills caches; one that lacks a package is taken out, with its reason.

    Raises `LeftOut` if that happens to nbdl's.
    """
    first = {}
    for name in list(programs):
        try:
            first[name] = run(programs[name] + end)
        except ImportError as error:
            if name == OURS:
                raise LeftOut(str(error)) from None
            left_out[name] = str(error)
            del programs[name]
    return first
