"""Threads that wait in compiled code, and the interpreter's end, which waits for them.

At that end their machine code goes, and they would run on in it: daemons are cut off only where they ask for the
interpreter's lock.
"""

from __future__ import annotations

import atexit
import os
import time

PAUSE = 1e-4
"""Seconds between two calls that follow one another at once: threads wait for the next one."""

LONGEST = 1.0
"""Seconds that the interpreter's end waits, for threads that are done within a thousandth unless they have no core."""

NAP = 1e-4
"""Seconds between its looks at them."""

IN_COMPILED_CODE: list[str] = []
"""The names of threads that wait there, or are about to."""


@atexit.register
def leave_compiled_code() -> None:
    """Wait until no thread waits in compiled code."""
    end = time.perf_counter() + LONGEST
    while IN_COMPILED_CODE and time.perf_counter() < end:
        time.sleep(NAP)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=IN_COMPILED_CODE.clear)
