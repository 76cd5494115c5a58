"""A second process that compiles nbdl's own kernels while this one compiles what was generated for a network.

The very first program on a machine needs about as much time for the kernels, which all later ones find on disk, as for
itself, and a compiler in Python uses one core. So a helper (`python -m nbdl.kernels.cpu.warm`) begins with the kernels
before Numba is even imported here. Nothing depends on it: what it hasn't compiled, or can't, is compiled here. What
takes long, a shared function, is compiled by one process at a time, and others find it on disk: they hold its lock,
which the operating system lets go when the process ends, however it ends.

There is one helper for each cache folder at a time; `NBDL_COMPILE_HELPER=0` and machines with one core do without.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from nbdl.file_lock import is_locked, lock_within
from nbdl.kernels.version import kernel_folder, kernel_version
from nbdl.machine import cores

LIMIT = 60.0
"""Seconds after which a helper ends itself, and after which others go on without: it needs three or four."""

MODULE = "nbdl.kernels.cpu.warm"
PACKAGE = Path(__file__).parent.parent


def start(kernels: Collection[str], scalars: Collection[str], shared: Collection[str]) -> bool:
    """Start a helper if a shared function was never compiled; return whether one was started.

    Args:
        kernels: what a program calls, like "copies.take_rows".
        scalars: the names of the types of numbers that it multiplies, like "float32".
        shared: the symbols of the shared functions behind them.
    """
    if all(_is_compiled(symbol) for symbol in shared) or not _is_possible() or is_locked(lock_path()):
        return False
    folder = kernel_folder().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, kernel_version(), ",".join(scalars), ",".join(kernels)],
            env=_environment(folder),
            cwd=folder,  # Python looks for modules first where it is started: let it be a folder of nbdl's own
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the program that is being trained
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        return False
    threading.Thread(target=process.wait, name="nbdl-helper", daemon=True).start()  # leave no zombie
    return True


@contextmanager
def turn(symbol: str, *, wait: bool) -> Iterator[bool]:
    """Take one's turn at a shared function; the value is whether it is one's turn to compile it, or find it on disk.

    Without `wait` it isn't while another process is at it. With `wait` it always is, in the end.
    """
    file = None if _is_compiled(symbol) else _open(symbol)
    if file is None:
        yield True
        return
    with file:
        mine = lock_within(file, LIMIT if wait else 0.0)
        yield mine or wait
        if mine:
            with suppress(OSError):
                file.write("compiled")
                file.flush()


def _environment(folder: Path) -> dict[str, str]:
    """What a helper needs to know: where machine code goes, and where these kernels are if they aren't installed."""
    changed = {"NUMBA_CACHE_DIR": str(folder)}
    if PACKAGE.parent.name not in ("site-packages", "dist-packages"):
        paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        changed["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return os.environ | changed


def lock_path() -> Path:
    """The file that a helper locks."""
    return kernel_folder() / "helper.lock"


def _mark(symbol: str) -> Path:
    """The file that is locked by who compiles a shared function, and that holds a word when it is compiled."""
    return kernel_folder() / f"{symbol}-{kernel_version()}.lock"


def _open(symbol: str) -> IO[str] | None:
    with suppress(OSError):
        kernel_folder().mkdir(parents=True, exist_ok=True)
        return _mark(symbol).open("a", encoding="utf-8")
    return None


def _is_compiled(symbol: str) -> bool:
    with suppress(OSError):
        return _mark(symbol).stat().st_size > 0
    return False


def _is_possible() -> bool:
    """Whether a second core and a Python to start are there."""
    wanted = os.environ.get("NBDL_COMPILE_HELPER", "1") != "0"
    compiles = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
    # Programs that have Python built in may name themselves here: they would be started a second time.
    python = not hasattr(sys, "frozen") and Path(sys.executable or "").name.lower().startswith(("python", "pypy"))
    return wanted and compiles and python and cores() > 1
