"""The one way in which nbdl asks Numba to compile a CPU function.

`error_model="numpy"` keeps zero-division branches out of the loops (they stop vectorisation). The fast-math flags
are the ones that do not assume finite values: with `nnan` or `ninf`, `isnan` would be folded to false.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
from numba import njit
from numba.core.compiler import Compiler
from numba.extending import is_jitted
from numba.np import linalg

from nbdl.kernels.version import kernel_version
from nbdl.paths import cache_dir

config: Any = numba.config  # its fields are made at run time, where type checkers don't see them


def _spare_the_search_for_blas() -> None:
    """Import `numba.np.arraymath` without its search for BLAS, which imports `scipy.linalg`: 0.2 s at every start.

    Nothing here calls BLAS. A function of a user's that does (`np.dot`) still finds it: Numba looks again when it
    compiles one.
    """
    search, linalg.ensure_blas = linalg.ensure_blas, lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = search


_spare_the_search_for_blas()

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": FASTMATH, "nogil": True}

_compiled = njit(**OPTIONS)


def plugin_kernel(module: str, name: str) -> Any:
    """The function of a plugin's operation, for a generated program: compiled as it is decorated, or as nbdl's own
    are.
    """
    function = getattr(importlib.import_module(module), name)
    function = getattr(function, "kernel", function)  # what `nbdl.op` returned may have the name of what it was given
    return function if is_jitted(function) else _compiled(function)


@contextmanager
def kernel_cache() -> Iterator[None]:
    """Functions decorated inside keep their machine code in nbdl's cache folder, in one that belongs to these kernels.

    The folder beside the source, Numba's first choice, may hold code that was compiled from older versions of what a
    function calls.
    """
    before = config.CACHE_DIR
    if not before:  # NUMBA_CACHE_DIR wins
        config.CACHE_DIR = str(cache_dir() / "kernels" / kernel_version())
    try:
        yield
    finally:
        config.CACHE_DIR = before


def cached(decorate: Callable[..., Any], **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that compiles with Numba's `decorate` and keeps the machine code on disk."""

    def decorator(function: Callable[..., Any]) -> Any:
        with kernel_cache():
            return decorate(**options, cache=True)(function)

    return decorator


kernel = cached(njit, **OPTIONS)
"""Compile a function that lives in a file, and keep the machine code on disk."""


class _Apart(Compiler):
    """Numba's compiler, told that no array which a function is given overlaps one that it writes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.state.flags.noalias = True


loop = cached(njit, **OPTIONS, pipeline_class=_Apart)
"""Compile a generated loop. Its arrays lie apart: LLVM gives up on vectorising a loop that writes several arrays if it
must first compare where each begins and ends.
"""

inlined = njit(inline="always")
"""For a function with a single caller: it becomes part of the caller, and is not compiled a second time by itself."""
