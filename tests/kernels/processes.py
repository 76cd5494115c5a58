"""Scripts in new processes."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def run_python(script: str, **environment: str) -> str:
    """Run a script in a new process and return what it printed."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr}"
    return done.stdout


def outputs_of_two(script: str, cache: Path) -> list[list[str]]:
    """The words that a script prints in a process that begins with an empty cache, and in the next one."""
    return [run_python(script, NUMBA_CACHE_DIR=str(cache)).split() for _ in range(2)]
