"""Steps that are launched once and replayed: a CUDA graph holds all launches of a step with their arguments.

Launching a kernel from Python takes some ten microseconds, replaying a graph of thirty kernels about as long as that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from nbdl.errors import NbdlError
from nbdl.kernels.cuda.device import SIMULATED, cuda

WANTED = not SIMULATED and os.environ.get("NBDL_CUDA_GRAPHS", "1") != "0"
"""Whether steps are captured: not in the simulator, nor if someone wants to see each launch (NBDL_CUDA_GRAPHS=0)."""


class Graph:
    """What `launch` launches on a stream, captured; kernels must have been compiled and loaded before, and nothing is
    freed meanwhile.

    Raises `NbdlError` with the driver's words if it refuses.
    """

    def __init__(self, stream: Any, launch: Callable[[], None]):
        from cuda.bindings import driver

        self._driver, self._stream = driver, driver.CUstream(int(stream.handle))
        self._kept = stream  # which ends with its object
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        self._call(driver.cuStreamBeginCapture, self._stream, mode)
        try:
            with cuda.defer_cleanup():
                launch()
        finally:
            graph = self._call(driver.cuStreamEndCapture, self._stream)
        self._executable = self._call(driver.cuGraphInstantiate, graph, 0)
        self._call(driver.cuGraphDestroy, graph)

    def replay(self) -> None:
        """Launch everything again."""
        (error,) = self._driver.cuGraphLaunch(self._executable, self._stream)
        if error:
            self._fail(self._driver.cuGraphLaunch, error)

    def __del__(self) -> None:
        if hasattr(self, "_executable"):
            self._driver.cuStreamSynchronize(self._stream)  # replays may be under way
            self._driver.cuGraphExecDestroy(self._executable)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the driver; returns what it gives besides its status."""
        error, *results = function(*arguments)
        if error:
            self._fail(function, error)
        return results[0] if results else None

    def _fail(self, function: Callable[..., Any], error: Any) -> None:
        raise NbdlError(
            f"the CUDA driver refused {function.__name__}: {error.name}; with NBDL_CUDA_GRAPHS=0 in the environment "
            "kernels are launched one by one"
        )
