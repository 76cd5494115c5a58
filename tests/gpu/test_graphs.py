"""How a step is captured and replayed, with a driver that notes what it is asked to do."""

from __future__ import annotations

import os
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda isn't installed: pip install 'nbdl[cuda]'")
if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    pytest.skip("the simulator captures nothing", allow_module_level=True)

from nbdl.codegen.cuda import stepping
from nbdl.errors import NbdlError
from nbdl.kernels.cuda import graphs
from nbdl.kernels.cuda.graphs import Graph
from nbdl.kernels.cuda.refusals import told


@pytest.fixture(autouse=True)
def without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs.cuda, "defer_cleanup", nullcontext)


class Driver:
    """Notes calls, and fails at one of them."""

    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_RELAXED="relaxed")

    def __init__(self, failing: str = ""):
        self.calls: list[str] = []
        self.failing = failing

    def CUstream(self, handle: int) -> int:  # noqa: N802 - the driver's name
        return handle

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append(name)
            if name == self.failing:
                return SimpleNamespace(name="CUDA_ERROR_OF_SOME_KIND"), None
            return (0,) if name in ("cuGraphLaunch", "cuGraphDestroy", "cuStreamBeginCapture") else (0, name)

        call.__name__ = name
        return call


def graph(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Graph:
    import cuda.bindings

    monkeypatch.setattr(cuda.bindings, "driver", driver, raising=False)
    return Graph(SimpleNamespace(handle=7), lambda: driver.calls.append("launches"))


def test_launches_are_captured_once_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    made = graph(monkeypatch, driver)
    for _ in range(2):
        made.replay()
    assert driver.calls == [
        "cuStreamBeginCapture",
        "launches",
        "cuStreamEndCapture",
        "cuGraphInstantiate",
        "cuGraphDestroy",
        "cuGraphLaunch",
        "cuGraphLaunch",
    ]


def test_a_graph_ends_after_its_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    graph(monkeypatch, driver).replay()
    assert driver.calls[-3:] == ["cuGraphLaunch", "cuStreamSynchronize", "cuGraphExecDestroy"]


def test_a_step_is_launched_once_before_it_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """That loads its kernels; a step that is done only once isn't captured at all."""
    import cuda.bindings

    driver = Driver()
    monkeypatch.setattr(cuda.bindings, "driver", driver, raising=False)
    step = stepping._Replayed(SimpleNamespace(handle=7), lambda: driver.calls.append("launches"))
    step.run(1)
    assert driver.calls == ["launches"]
    step.run(3)
    assert driver.calls.count("cuStreamBeginCapture") == 1
    assert driver.calls.count("cuGraphLaunch") == 3
    assert driver.calls[1:4] == ["cuStreamBeginCapture", "launches", "cuStreamEndCapture"]


class CUDAError(Exception):
    """As those of NVIDIA's packages."""

    __module__ = "cuda.core.utils"


def test_errors_of_the_driver_become_nbdl_s() -> None:
    with pytest.raises(NbdlError, match="the CUDA driver says 'out of memory'; other programs") as found, told():
        raise CUDAError("out of\n memory")
    assert isinstance(found.value.__cause__, CUDAError)
    with pytest.raises(ValueError, match="of ours"), told():
        raise ValueError("of ours")


def test_the_driver_s_words_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        NbdlError, match=r"refused cuGraphInstantiate: CUDA_ERROR_OF_SOME_KIND; with NBDL_CUDA_GRAPHS=0"
    ):
        graph(monkeypatch, Driver("cuGraphInstantiate"))
