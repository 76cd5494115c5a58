"""Generated source on disk: found again by another process, never after the kernels have changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbdl.codegen import cache
from nbdl.errors import NbdlError
from nbdl.kernels import version
from nbdl.kernels.version import kernel_version

PROGRAM = """
import sys
import numpy as np
from nbdl.codegen.program import Program
from nbdl.codegen.plan import Variable
from nbdl.ir import ops

x = ops.leaf((3,), np.float32, name="x")
program = Program([Variable("x", "state", x, x + 1)], "adds one")
arrays = {"x": np.zeros(3, np.float32)}
program.bind(arrays).run(np.zeros(4, np.int64), 0, 4)
assert (arrays["x"] == 4).all(), arrays
print(sum(program.run.stats.cache_hits.values()), "numba.np.arraymath" in sys.modules)
"""


@pytest.fixture(autouse=True)
def forgotten_folder() -> Iterator[None]:
    """The folder is looked up once a process: forget it before and after each test."""
    cache.program_dir.cache_clear()
    yield
    cache.program_dir.cache_clear()


def test_another_process_finds_the_machine_code(tmp_path: Path) -> None:
    """And needs nothing of what Numba compiles with, such as its modules for arrays."""
    environment = os.environ | {"NBDL_CACHE_DIR": str(tmp_path)}
    printed = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.split())
    assert printed == [["0", "True"], ["1", "False"]]


def test_the_same_text_is_the_same_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path))
    text = '"""A program."""\nanswer = 42\n'
    module = cache.load_source(text)
    assert module.answer == 42
    assert cache.load_source(text) is module
    assert Path(module.__file__ or "").read_text() == text


def test_a_damaged_file_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path))
    text = '"""Another program."""\nanswer = 43\n'
    path = Path(cache.load_source(text).__file__ or "")
    path.write_text("answer = ")
    monkeypatch.delitem(sys.modules, path.stem)
    assert cache.load_source(text).answer == 43


def test_a_module_that_fails_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.load_source("1 / 0\n")


def test_the_folder_belongs_to_the_version_of_the_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path))
    assert cache.program_dir() == tmp_path / "programs" / kernel_version()


def test_changed_kernels_have_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "KERNELS", tmp_path)
    found = [kernel_version()]
    for text in ("one", "two"):
        (tmp_path / "kernel.py").write_text(text)
        found.append(kernel_version.__wrapped__())
    assert len(set(found)) == 3


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(NbdlError, match=r"can't be written .* set NBDL_CACHE_DIR"):
        cache._write(tmp_path / "missing" / "program.py", "text")
