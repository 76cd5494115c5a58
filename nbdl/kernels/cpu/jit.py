"""The one way in which nbdl asks Numba to compile a CPU function.

`error_model="numpy"` keeps zero-division branches out of the loops (they stop vectorisation). The fast-math flags
are the ones that do not assume finite values: with `nnan` or `ninf`, `isnan` would be folded to false.
"""

import importlib
from typing import Any

from numba import njit
from numba.extending import is_jitted

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": FASTMATH, "nogil": True}

_compiled = njit(**OPTIONS)


def plugin_kernel(module: str, name: str) -> Any:
    """The function of a plugin's operation, for a generated program: compiled as it is decorated, or as nbdl's own are."""
    function = getattr(importlib.import_module(module), name)
    return function if is_jitted(function) else _compiled(function)


kernel = njit(**OPTIONS, cache=True)
"""Compile a function that lives in a file, and keep the machine code on disk beside it."""

inlined = njit(inline="always")
"""For a function with a single caller: it becomes part of the caller, and is not compiled a second time by itself."""
