"""Compile kernels without a card: to PTX, and from there to machine code; and say what that takes of a card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from numba.cuda import compile_ptx, dispatcher, types
from numba.cuda.cudadrv.libs import get_cudalib

from nbdl.kernels.cuda.recording import MEMORY

Capability = tuple[int, int]


@dataclass(frozen=True)
class Usage:
    """What a kernel takes: registers of a thread, bytes of a thread's stack, bytes that don't fit into its registers,
    bytes of a block's shared memory.
    """

    registers: int
    stack: int
    spilled: int
    shared: int


@contextmanager
def _as_if(capability: Capability) -> Iterator[None]:
    """Let Numba compile what kernels call as if there were a card: it asks the driver for one, else."""
    card = SimpleNamespace(compute_capability=capability)
    with patch.object(dispatcher, "get_current_device", lambda: card):
        yield


def kernel_ptx(kernel: Any, arguments: tuple[Any, ...], capability: Capability) -> str:
    """Compile a kernel for arguments of these types (the memory comes first, by itself) to PTX."""
    with _as_if(capability):
        text, _ = compile_ptx(kernel.py_func, types.void(MEMORY, *arguments), cc=capability)
    return str(text)


def usage(ptx: str, capability: Capability) -> Usage:
    """Assemble PTX, and say what the machine code takes. Raises what the linker raises if it doesn't assemble."""
    log = _assemble(ptx, "sm_{}{}".format(*capability))

    def number(pattern: str) -> int:
        found = re.search(pattern, log)
        return int(found[1]) if found else 0

    return Usage(
        number(r"Used (\d+) registers"),
        number(r"(\d+) bytes stack frame"),
        number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
        number(r"(\d+) bytes smem"),
    )


def _assemble(ptx: str, architecture: str) -> str:
    """The assembler's report."""
    from cuda.bindings import nvjitlink

    handle = nvjitlink.create(2, [f"-arch={architecture}", "-verbose"])
    try:
        data = ptx.encode()
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, data, len(data), "kernel")
        if "cudaCG" in ptx:  # blocks that meet need NVIDIA's functions for it
            nvjitlink.add_file(handle, nvjitlink.InputType.LIBRARY, get_cudalib("cudadevrt", static=True))
        nvjitlink.complete(handle)
        report = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, report)
    finally:
        nvjitlink.destroy(handle)
    return report.decode()
