"""What the CUDA driver refuses, said in nbdl's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nbdl.errors import NbdlError

DRIVERS = ("numba.cuda.cudadrv.", "cuda.")
"""Where the errors of numba-cuda's driver and of NVIDIA's own packages are defined."""


@contextmanager
def told() -> Iterator[None]:
    """Turn an error of the driver into an `NbdlError` with its words: too little memory after all, a kernel that failed
    (which a later call is told, too).
    """
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(DRIVERS):
            raise
        words = " ".join(str(error).split())
        raise NbdlError(
            f"the CUDA driver says {words!r}; other programs may hold the card's memory (nvidia-smi tells), and with "
            "NBDL_CUDA_GRAPHS=0 in the environment kernels are launched one by one, to find one that fails"
        ) from error
