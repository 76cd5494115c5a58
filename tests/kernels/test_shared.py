"""Shared functions: compiled once, called through a slot, also by programs that were read from disk."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
import numpy as np
from nbdl.kernels.cpu.jit import kernel
from nbdl.kernels.cpu.matmul import SCRATCH, _product, matmul_nn

@kernel
def program(a, b, c, scratch):
    matmul_nn(a, b, c, scratch)
"""

RUN = """
import numpy as np
import program
from numba import float32

slot = program._product.slots[float32]
a, b, c = np.eye(3, dtype=np.float32), np.arange(9, dtype=np.float32).reshape(3, 3), np.zeros((3, 3), np.float32)
program.program(a, b, c, np.zeros(program.SCRATCH, np.float32))
assert (c == b).all(), c
print(sum(program.program.stats.cache_hits.values()), slot.compiled.cache_hits)
"""


def run(folder: Path, script: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache")}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program that was compiled in an earlier process."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "program.py").write_text(PROGRAM)
    assert run(folder, RUN).stdout.split() == ["0", "0"]
    return folder


def test_a_program_from_disk_finds_the_function_on_disk(folder: Path) -> None:
    assert run(folder, RUN).stdout.split() == ["1", "1"]


def test_a_program_does_not_contain_the_function(folder: Path) -> None:
    sizes = {path.name.split("-")[0]: path.stat().st_size for path in (folder / "cache").rglob("*.nbc")}
    program = next(size for name, size in sizes.items() if name.startswith("program."))
    function = next(size for name, size in sizes.items() if name.startswith("matmul._product"))
    assert program < function / 2


def test_an_interrupt_of_the_first_call_is_kept_until_the_call_is_done(folder: Path) -> None:
    script = """
        from nbdl.kernels.cpu.shared import Slot
        original = Slot.load
        tries = []

        def interrupted(self):
            tries.append(1)
            if len(tries) == 1:
                raise KeyboardInterrupt
            original(self)

        Slot.load = interrupted
        import time
        import numpy as np
        import program

        a, b, c = np.eye(3, dtype=np.float32), np.ones((3, 3), np.float32), np.zeros((3, 3), np.float32)
        try:
            program.program(a, b, c, np.zeros(program.SCRATCH, np.float32))
            time.sleep(5)
        except KeyboardInterrupt:
            print("interrupted", len(tries), (c == b).all())
    """
    assert run(folder, script).stdout.split() == ["interrupted", "2", "True"]


def test_a_failure_in_the_first_call_ends_the_process(folder: Path) -> None:
    script = """
        from nbdl.kernels.cpu.shared import Slot

        def broken(self):
            raise RuntimeError("no compiler today")

        Slot.load = broken
    """
    done = run(folder, textwrap.dedent(script) + RUN, check=False)
    assert done.returncode != 0
    assert "no compiler today" in done.stderr
