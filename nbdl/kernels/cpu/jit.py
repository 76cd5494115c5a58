"""The one way in which nbdl asks Numba to compile a CPU function.

`error_model="numpy"` keeps zero-division branches out of the loops (they stop vectorisation). The fast-math flags
are the ones that do not assume finite values: with `nnan` or `ninf`, `isnan` would be folded to false.
"""

from typing import Any

from numba import njit

FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": FASTMATH, "nogil": True}

kernel = njit(**OPTIONS, cache=True)
"""Compile a function that lives in a file, and keep the machine code on disk beside it."""
