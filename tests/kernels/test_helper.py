"""The second process that compiles kernels: when it starts, what it leaves, and that nothing depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from nbdl.file_lock import is_locked
from nbdl.kernels import helper
from nbdl.kernels.version import kernel_version
from nbdl.machine import cores

PRODUCT = "nbdl.kernels.cpu.matmul._product.float32"

HOLD = """
import sys, time
from pathlib import Path
from nbdl.file_lock import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NBDL_COMPILE_HELPER", raising=False)
    monkeypatch.setattr(helper, "cores", lambda: 2)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of helpers, which do nothing."""
    commands = []

    def start(command: list[str], **options: object) -> object:
        commands.append(command)
        return subprocess.Popen([sys.executable, "-c", ""], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(helper, "subprocess", SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL))
    return commands


def start() -> bool:
    return helper.start(["copies.fill", "matmul.matmul_nn"], ["float32"], [PRODUCT])


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def run_helper(version: str = "") -> None:
    command = [sys.executable, "-m", helper.MODULE, version or kernel_version(), "float32", "copies.fill"]
    subprocess.run(command, timeout=60, check=True)


def compiled(symbol: str) -> None:
    """Pretend that a shared function was compiled."""
    with helper.turn(symbol, wait=False) as mine:
        assert mine


def test_it_is_told_what_to_compile(started: list[list[str]]) -> None:
    assert start()
    assert started[0][1:] == ["-m", helper.MODULE, kernel_version(), "float32", "copies.fill,matmul.matmul_nn"]


def test_none_starts_when_all_that_takes_long_is_there(started: list[list[str]]) -> None:
    compiled(PRODUCT)
    assert not start()
    assert not helper.start(["copies.fill"], ["float32"], [])
    assert not started


@pytest.mark.parametrize("reason", ["one core", "unwanted", "no compiler", "frozen", "another program", "none at all"])
def test_none_starts_where_it_cannot_help(
    reason: str, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    {
        "one core": lambda: monkeypatch.setattr(helper, "cores", lambda: 1),
        "unwanted": lambda: monkeypatch.setenv("NBDL_COMPILE_HELPER", "0"),
        "no compiler": lambda: monkeypatch.setenv("NUMBA_DISABLE_JIT", "1"),
        "frozen": lambda: monkeypatch.setattr(sys, "frozen", True, raising=False),
        "another program": lambda: monkeypatch.setattr(sys, "executable", "/usr/bin/editor"),
        "none at all": lambda: monkeypatch.setattr(sys, "executable", None),
    }[reason]()
    assert not start()
    assert not started


def test_a_helper_that_cannot_start_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python-that-is-gone"))
    assert not start()


def test_no_second_one_starts(started: list[list[str]]) -> None:
    with held(helper.lock_path()):
        assert not start()
    assert not started
    assert start(), "this check can't fail"


def test_a_second_one_ends_at_once(folder: Path) -> None:
    with held(helper.lock_path()):
        run_helper()
    assert not list(folder.rglob("*.nbc"))
    run_helper()
    assert list(folder.rglob("*.nbc")), "this check can't fail"


def test_one_for_other_kernels_ends_at_once(folder: Path) -> None:
    run_helper("another version")
    assert not list(folder.rglob("*.nbc"))


def test_one_that_hangs_ends_itself() -> None:
    script = f"""
import time
from nbdl.kernels import helper
from nbdl.kernels.cpu import warm

helper.LIMIT = 0.1
warm.compile_library = lambda *arguments, **options: time.sleep(60)
warm.main([{kernel_version()!r}, "float32", ""])
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == 1


def test_only_one_process_compiles_a_shared_function() -> None:
    with held(helper._mark(PRODUCT)), helper.turn(PRODUCT, wait=False) as mine:
        assert not mine
    with helper.turn(PRODUCT, wait=False) as mine:
        assert mine


def test_a_failure_is_no_success() -> None:
    with pytest.raises(ZeroDivisionError), helper.turn(PRODUCT, wait=False):
        raise ZeroDivisionError
    assert not helper._is_compiled(PRODUCT)
    compiled(PRODUCT)
    assert helper._is_compiled(PRODUCT)


@pytest.mark.parametrize("end", ["killed", "overdue"])
def test_who_waits_goes_on(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if end == "overdue":
        monkeypatch.setattr(helper, "LIMIT", 0.5)
    turns: list[bool] = []

    def wait() -> None:
        with helper.turn(PRODUCT, wait=True) as mine:
            turns.append(mine)

    with held(helper._mark(PRODUCT)) as process:
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.2)
        assert not turns, "it doesn't wait"
        if end == "killed":
            process.kill()
        thread.join(10)
        assert turns == [True]


def test_a_folder_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "folder"))
    assert not start()
    with helper.turn(PRODUCT, wait=True) as mine:
        assert mine


TRAIN = """
import sys
import numpy as np
from nbdl import nn

rng = np.random.default_rng(0)
layers = []
if "images" in sys.argv:
    layers = [nn.Conv2D(2, 3), nn.MaxPool2D(2), nn.Conv2D(2, 3, activation="relu"), nn.Flatten()]
net = nn.Sequential(*layers, nn.Dense(8, activation="relu"), nn.Dense(3))
net.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
x = rng.random((32, 12, 12, 1) if layers else (32, 5))
losses = net.fit(x, rng.integers(0, 3, 32), epochs=2, verbose=False, seed=0)["loss"]

from numba import float32
from nbdl.kernels.cpu import barrier, conv, copies, elementary, matmul, pool
own = [copies.take_rows, copies.span, copies.add_parts, copies.fill, barrier.barrier, elementary.exp, elementary.log]
own += [matmul.matmul_nn, matmul.matmul_nt, matmul.matmul_tn, pool.max_pool, pool.max_pool_back]
own += [conv.convolve, conv.convolve_weights, conv.convolve_back]
misses = sum(sum(each.stats.cache_misses.values()) for each in own)
shared = [each.slots[float32].compiled for each in (matmul._product, conv._run, pool._pool)]
print(losses[-1], misses, sum(1 - each.cache_hits for each in shared if each is not None))
"""


def train(*arguments: str, **changed: str) -> tuple[float, int, int]:
    """The loss, and how many of nbdl's kernels and shared functions were compiled in the process itself."""
    command = [sys.executable, "-c", TRAIN, *arguments]
    done = subprocess.run(command, env=os.environ | changed, capture_output=True, text=True, timeout=120, check=True)
    loss, kernels, shared = done.stdout.split()
    return float(loss), int(kernels), int(shared)


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether something comes true within a minute."""
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_program_finds_what_the_helper_has_compiled(folder: Path) -> None:
    assert start()
    assert eventually(lambda: helper._is_compiled(PRODUCT)), "it compiled nothing"
    loss, kernels, shared = train(NBDL_CACHE_DIR=str(folder))
    assert shared == 0
    expected, more, shared = train(NUMBA_CACHE_DIR=str(folder / "alone"), NBDL_COMPILE_HELPER="0")
    assert (more > kernels, shared) == (True, 1), "this check can't fail"
    assert loss == expected, "the same machine code makes the same bits"


@pytest.mark.skipif(cores() < 2, reason="a helper needs a second core")
def test_a_first_training_starts_a_helper(folder: Path) -> None:
    train(NBDL_CACHE_DIR=str(folder))
    assert eventually(helper.lock_path().exists)
    assert eventually(lambda: not is_locked(helper.lock_path())), "it doesn't end"


def test_programs_find_what_the_helper_compiles(folder: Path) -> None:
    script = "from nbdl.kernels.cpu.warm import compile_library; compile_library(['float32'])"
    subprocess.run([sys.executable, "-c", script], timeout=120, check=True)
    assert train("images", NBDL_CACHE_DIR=str(folder))[1:] == (0, 0)
    assert not helper.lock_path().exists(), "a helper was started for nothing"
