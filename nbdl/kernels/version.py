"""What compiled code depends on besides its own source."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nbdl.paths import cache_dir

KERNELS = Path(__file__).parent


def kernel_folder() -> Path:
    """The folder of the kernels' machine code."""
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    return Path(wanted) if wanted else cache_dir() / "kernels" / kernel_version()


@cache
def kernel_version() -> str:
    """A hash of the kernels' sources, the versions and the processor: code compiled under another one must not be used.

    Numba itself looks only at the file that a function stands in, not at what the function calls. Numba isn't imported
    here: what is known before that takes its third of a second can be begun before.
    """
    import llvmlite.binding as llvm

    digest = _digest(path for path in KERNELS.rglob("*.py") if "cuda" not in path.relative_to(KERNELS).parts)
    versions = [sys.version, *[version(package) for package in ("numba", "llvmlite", "numpy")]]
    processor = [llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    digest.update("\n".join([*versions, *processor]).encode())
    return digest.hexdigest()[:16]


@cache
def cuda_version() -> str:
    """The same for the kernels of cards."""
    digest = _digest((KERNELS / "cuda").glob("*.py"))
    digest.update("\n".join([kernel_version(), version("numba-cuda")]).encode())
    return digest.hexdigest()[:16]


def _digest(paths: Iterable[Path]) -> Any:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest
