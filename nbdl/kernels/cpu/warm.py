"""Compile nbdl's own kernels for the types that programs call them with.

`python -m nbdl.kernels.cpu.warm VERSION SCALARS KERNELS` is the helper that `nbdl.kernels.helper` starts; the last two
are lists with commas.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Any

from nbdl.file_lock import lock_within
from nbdl.kernels import helper
from nbdl.kernels.version import kernel_version

SCALARS = ("float32", "float64")


def library(scalar: str) -> list[tuple[str, tuple[Any, ...]]]:
    """The kernels that most programs call, with the types of their arguments.

    The order is the reverse of that in which a program comes to them: a helper that goes down the list and a program
    that goes up meet once.
    """
    from numba import types

    number, index = getattr(types, scalar), types.int64

    def array(item: Any, dimensions: int) -> Any:
        return types.Array(item, dimensions, "C")

    vector, matrix, indices, labels = array(number, 1), array(number, 2), array(index, 1), array(index, 2)
    images, table = array(number, 4), types.Array(index, 2, "C", readonly=True)
    convolution = (images, images, images, vector, table)
    winograd = (images, images, images, index, index, index, vector)
    product = (matrix, matrix, matrix, vector)
    workers = (index, index, array(types.uint8, 1), index, index, index, types.NumberClass(number))
    return [
        ("standby.stand_by", (index, index)),
        ("copies.fill", (array(types.float64, 1), types.float64)),
        ("copies.fill", (vector, index)),
        ("copies.span", (index, index, index)),
        ("copies.add_parts", workers),
        ("barrier.barrier", (indices, index, index)),
        ("copies.copy", (vector, vector)),
        ("copies.put_rows", (matrix, indices, matrix)),
        ("copies.argmax", (array(number, 3), labels)),
        ("elementary.log", (number,)),
        ("elementary.exp", (number,)),
        ("elementary.tanh", (number,)),
        ("elementary.sigmoid", (number,)),
        ("matmul.matmul_tn", product),
        ("matmul.matmul_nt", product),
        ("matmul.matmul_nn", product),
        ("elementary.expm1", (number,)),
        ("pool.max_pool", (images, images, table)),
        ("pool.max_pool_back", (images, images, images, table)),
        ("conv.convolve", convolution),
        ("conv.convolve_weights", convolution),
        ("conv.convolve_back", convolution),
        *[(f"winograd.{name}", winograd) for name in ("winograd", "winograd_back", "winograd_weights_add")],
        ("copies.take_rows", (labels, indices, labels)),
        ("copies.take_rows", (matrix, indices, matrix)),
    ]


def compile_library(
    scalars: Collection[str] = SCALARS,
    kernels: Collection[str] | None = None,
    *,
    wait: bool = True,
    report: Callable[[str], None] = lambda name: None,
) -> None:
    """Compile kernels, or find them on disk; what they share comes last.

    Args:
        scalars: the types of numbers.
        kernels: which ones; all by default.
        wait: for what other processes compile at the same time.
        report: called with the name of each before it is compiled.
    """
    from nbdl.kernels.cpu.jit import collector_paused
    from nbdl.kernels.cpu.shared import load_last

    with collector_paused(), load_last(wait=wait):
        for scalar in scalars:
            for name, signature in library(scalar):
                if kernels is None or name in kernels:
                    report(f"{name} {scalar}")
                    module, function = name.split(".")
                    getattr(import_module(f"nbdl.kernels.cpu.{module}"), function).compile(signature)


def main(arguments: Sequence[str]) -> None:
    """Be a helper, unless there is one already, or these kernels are others than those that it was started for."""
    version, scalars, kernels = arguments
    timer = threading.Timer(helper.LIMIT, os._exit, [1])  # in case that something hangs
    timer.daemon = True
    timer.start()
    with helper.lock_path().open("a") as file:
        # Who only looks whether the lock is free holds it for a moment.
        if lock_within(file, 0.1) and version == kernel_version():
            compile_library(scalars.split(","), kernels.split(","), wait=False)


if __name__ == "__main__":
    gc.disable()
    main(sys.argv[1:])
