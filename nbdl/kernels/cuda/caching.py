"""Machine code of kernels on disk, found again by another process.

Many kernels are made by functions, for a type of numbers or a tile, and call other functions made for them. Numba would
know such a kernel by what it encloses, pickled, in which each compiled function has a name drawn at random; here it is
known by what these functions are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.cuda.core import config
from numba.cuda.dispatcher import CUDACache

from nbdl.kernels.version import cuda_version
from nbdl.paths import cache_dir


def described(thing: Any) -> str:
    """What a kernel encloses, as text that is the same in every process.

    >>> described(3), described((1, "a"))
    ('3', "(1, 'a')")
    """
    function = getattr(thing, "py_func", thing)
    code = getattr(function, "__code__", None)
    if code is None:
        return repr(thing)
    enclosed = [described(cell.cell_contents) for cell in function.__closure__ or ()]
    text = hashlib.sha256(code.co_code).hexdigest()[:16]
    return f"{function.__module__}.{function.__qualname__} {text} ({', '.join(enclosed)})"


class KernelCache(CUDACache):  # type: ignore[misc, unused-ignore]
    """Keeps machine code in a folder that belongs to these versions of the kernels: Numba looks only at the file that a
    function stands in, not at what it calls.
    """

    def __init__(self, function: Callable[..., Any]):
        before, config.CACHE_DIR = config.CACHE_DIR, config.CACHE_DIR or str(kernel_folder())
        try:
            super().__init__(function)
        finally:
            config.CACHE_DIR = before
        self._described = described(function)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        launch = getattr(self, "_launch_config_key", None)  # which older versions of numba-cuda don't have
        return (sig, codegen.magic_tuple(), self._described, launch)


def kernel_folder() -> Path:
    """The folder of the kernels' machine code."""
    return cache_dir() / "kernels" / cuda_version()
