"""The tests on a simulated card, in a process of their own: the simulator takes the place of cards if it is asked for
before Numba is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda isn't installed: pip install 'nbdl[cuda]'")
FOLDER = Path(__file__).parent / "simulated"
PARTS = {
    "programs": ["test_programs.py", "test_training.py", "test_memory.py", "test_together.py"],
    "kernels": ["test_scans.py", "test_images.py", "test_walk.py", "test_commands.py", "test_tensor_cores.py"],
}


@pytest.mark.skipif(os.environ.get("NUMBA_ENABLE_CUDASIM") == "1", reason="these tests run by themselves")
@pytest.mark.parametrize("part", PARTS)
def test_on_a_simulated_card(part: str) -> None:
    files = [str(FOLDER / each) for each in PARTS[part]]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *files]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(command, env=environment, cwd=FOLDER.parent.parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]


def test_every_file_is_run() -> None:
    assert sorted(each.name for each in FOLDER.glob("test_*.py")) == sorted(
        each for part in PARTS.values() for each in part
    )
