"""Compile a program before its first call, with a second process for the kernels that all programs share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from nbdl.kernels import helper

SHARED = {
    "matmul": ["matmul._product"],
    "conv": ["conv._run"],
    "winograd": ["winograd_products._multiply", "winograd._run"],
    "pool": ["pool._pool"],
}
"""The functions that the kernels of a module share. They take so long to compile that a second process pays."""

_SCALARS = {"f32": "float32", "f64": "float64"}


def begin_kernels(text: str) -> None:
    """Let a second process compile the kernels that generated source calls, if what they share is new here."""
    lines = re.findall(r"^from nbdl\.kernels\.cpu\.(\w+) import (.+)$", text, re.MULTILINE)
    kernels = [f"{module}.{name.split(' ')[0]}" for module, names in lines for name in names.split(", ")]
    scalars = [scalar for short, scalar in _SCALARS.items() if f"scratch_{short}" in text]
    shared = [f"nbdl.kernels.cpu.{name}" for module, _ in lines for name in SHARED.get(module, ())]
    helper.start(kernels, scalars, [f"{function}.{scalar}" for function in shared for scalar in scalars])


def compile_for(function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Compile a program's function for the types of these arguments, or find it on disk."""
    from nbdl.kernels.cpu.jit import ProgramFunction, collector_paused
    from nbdl.kernels.cpu.shared import load_last

    if isinstance(function, ProgramFunction):  # it is plain Python where NUMBA_DISABLE_JIT is set
        with collector_paused(), load_last():
            function.compile(tuple(function.typeof_pyval(each) for each in arguments))
