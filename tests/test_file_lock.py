"""Locks on files: held by one at a time, let go at the end of a process however it comes."""

import subprocess
import sys
import threading
from pathlib import Path

from nbdl.file_lock import is_locked, locked

HOLD = """
import sys, time
from pathlib import Path
from nbdl.file_lock import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_only_one_holds_it(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", []

    def second() -> None:
        with locked(path):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_it_is_seen_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    assert not path.exists(), "to look makes no file"
    with locked(path):
        assert is_locked(path)
    assert not is_locked(path)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert is_locked(path)
        process.kill()
        process.wait(10)
        assert not is_locked(path)
