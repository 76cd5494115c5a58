"""Functions that plugins bring for cards."""

from __future__ import annotations

import importlib
from typing import Any

from nbdl.ir.primitives import TABLE
from nbdl.kernels.cuda.device import device


def plugin_function(module: str, name: str, operation: str) -> Any:
    """The function of a plugin's operation, compiled for kernels; `module` and `name` say where the one for CPUs is."""
    importlib.import_module(module)  # which registers the operation
    kernel = TABLE[operation].kernel
    assert kernel is not None  # the program was made from it
    function: Any = kernel.cuda
    return device(getattr(function, "py_func", function))
