"""A program with clocks does the same, and says how long each kernel takes."""

import platform

import numpy as np
import pytest

from nbdl.codegen.profiling import ProfiledProgram
from nbdl.codegen.program import Program
from nbdl.errors import NbdlError
from nbdl.kernels.cpu import clock
from tests.codegen.maker import EXAMPLES, Maker
from tests.codegen.test_images import CASES

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="programs may not read this processor's clock"
)


@pytest.mark.parametrize("workers", [1, 2])
def test_kernels_are_timed_and_results_are_the_same(workers: int) -> None:
    make = Maker()
    CASES["a_convolutional_network"](make)
    program = Program(make.variables, "a network")
    timed = ProfiledProgram(program)
    order = np.random.default_rng(0).permutation(EXAMPLES)[:8]
    arrays = {name: array.copy() for name, array in make.arrays.items()}
    program.bind(arrays, batch=8, workers=workers).run(order, 0, 1)
    again = {name: array.copy() for name, array in make.arrays.items()}
    found = timed.measure(timed.bind(again, batch=8, workers=workers), order, 1)  # one step more, to compile
    assert found.pop("step") >= sum(found.values()) > 0
    assert {name.rpartition(": ")[2] for name in found} >= {"convolve", "max_pool", "convolve_weights", "take_rows"}
    program.bind(arrays, batch=8, workers=workers).run(order, 0, 1)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_other_processors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.raises(NbdlError, match="on arm64"):
        clock.ticks_a_second()
