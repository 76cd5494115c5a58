"""What compiled code depends on besides its own source."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

KERNELS = Path(__file__).parent


@cache
def kernel_version() -> str:
    """A hash of the kernels' sources, the versions and the processor: code compiled under another one must not be used.

    Numba itself looks only at the file that a function stands in, not at what the function calls.
    """
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy

    digest = hashlib.sha256()
    for path in sorted(KERNELS.rglob("*.py")):
        digest.update(path.read_bytes())
    versions = [sys.version, numba.__version__, llvmlite.__version__, numpy.__version__]
    processor = [llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    digest.update("\n".join([*versions, *processor]).encode())
    return digest.hexdigest()[:16]
