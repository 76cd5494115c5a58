"""What nbdl asks Numba for: functions for compiled callers alone, and machine code that processes add to in turns."""

import errno
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import literal_unroll, njit, types
from numba.core.errors import NumbaError

from nbdl.file_lock import locked
from nbdl.kernels.cpu.jit import OPTIONS, collector_paused, kernel, program


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path))
    return tmp_path


def make(decorator: Callable[..., Any]) -> Any:
    @decorator
    def scaled(x, factor):
        for i in range(len(x)):
            x[i] *= factor

    return scaled


def test_numbers_that_a_caller_spells_out_make_no_versions(own_cache: Path) -> None:
    scaled = make(kernel)

    @njit(**OPTIONS)
    def caller(x):
        scaled(x, 3)
        scaled(x, 4)

    x = np.ones(2)
    caller(x)
    assert x.tolist() == [12, 12]
    assert len(scaled.signatures) == 1


def test_kernels_can_be_called_from_python(own_cache: Path) -> None:
    scaled, x = make(kernel), np.ones(2)
    scaled(x, 3)
    assert x.tolist() == [3, 3]


def test_programs_are_called_from_python_without_a_detour(own_cache: Path) -> None:
    scaled, x = make(program), np.ones(2)
    scaled(x, 3)
    assert x.tolist() == [3, 3]
    assert scaled.overloads[tuple(scaled.signatures[0])].entry_point is not None


def test_what_a_program_calls_is_its_own_copy(own_cache: Path) -> None:
    """Of copies with one name a process takes the first, so a program would depend on what was there before it."""

    @kernel
    def long(x):  # too long to become part of its caller
        for i in range(len(x)):
            for power in literal_unroll((1, 2, 3, 4, 5, 6, 7, 8)):
                if x[i] > power:
                    x[i] = x[i] / power - x[len(x) - 1 - i] ** power

    @program
    def caller(x, y):
        long(x)
        long(y)

    caller(np.ones(2), np.ones(2))
    code = caller.overloads[caller.signatures[0]].library.get_llvm_str()
    assert "define internal" in code
    assert "define linkonce_odr" not in code


def test_a_kernel_that_allocates_is_refused(own_cache: Path) -> None:
    @kernel
    def wasteful(n):
        return np.zeros(n)[0]

    with pytest.raises(NumbaError, match="Only accept returning of array passed into the function"):
        wasteful.compile((types.int64,))


def test_machine_code_is_saved_by_one_at_a_time(own_cache: Path) -> None:
    scaled = make(kernel)
    folder = Path(scaled._cache.cache_path)
    with locked(folder / ".lock"):
        thread = threading.Thread(target=scaled.compile, args=((types.float64[::1], types.int64),))
        thread.start()
        thread.join(2)
        assert not list(folder.glob("*.nbc"))
    thread.join(60)
    assert list(folder.glob("*.nbc"))


def test_code_that_cannot_be_saved_still_runs(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    scaled, x = make(kernel), np.ones(2)
    monkeypatch.setattr(scaled._cache._cache_file, "_save_data", full)
    scaled(x, 3)
    assert x.tolist() == [3, 3]


def test_the_collector_is_paused_and_left_as_it_was() -> None:
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
