"""Functions that are made anew for each type of number that they are called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.cuda.extending import overload

KINDS = {"float32": np.float32, "float64": np.float64, "int32": np.int32, "int64": np.int64}


def by_type(make: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    """A function of the card and one number that kernels call: `make(kind)` for the type of the number."""

    def function(card, value):
        raise NotImplementedError("only inside of kernels")

    def choose(card, value):
        return make(KINDS[str(value)]) if str(value) in KINDS else None

    overload(function)(choose)
    return function
