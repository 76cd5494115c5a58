"""What is copied to a simulated card and back, and what doesn't fit."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.codegen.cuda.program import SMALL, CudaBound, CudaProgram
from nbdl.codegen.plan import Variable
from nbdl.errors import NbdlError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch
from nbdl.kernels.cuda import launch, memory

LARGE = SMALL // 4 + 1
"""Numbers that aren't brought back after each run."""


def counting(size: int) -> tuple[CudaBound, dict[str, np.ndarray]]:
    """A program that adds a value to a state at each step."""
    state, value = ops.leaf((size,), np.float32, name="state"), ops.leaf((size,), np.float32, name="value")
    variables = [Variable("state", "state", state, state + value), Variable("value", "value", value)]
    arrays = {"state": np.zeros(size, np.float32), "value": np.ones(size, np.float32)}
    return CudaProgram(variables, "counting").bind(arrays), arrays


def run(bound: CudaBound, steps: int = 1) -> None:
    bound.run(np.zeros(steps, np.int64), 0, steps)


def test_small_state_is_brought_back_after_each_run() -> None:
    bound, arrays = counting(3)
    run(bound, 2)
    assert arrays["state"].tolist() == [2, 2, 2]
    arrays["state"][:] = 10  # and may be changed
    run(bound)
    assert arrays["state"].tolist() == [11, 11, 11]


def test_large_state_is_brought_back_when_it_is_asked_for() -> None:
    bound, arrays = counting(LARGE)
    run(bound)
    assert arrays["state"][0] == 0
    bound.pull()
    assert (arrays["state"] == 1).all()
    arrays["state"][:] = 5
    run(bound, 2)
    bound.pull()
    assert (arrays["state"] == 7).all()


def test_values_are_sent_again_when_they_have_changed() -> None:
    bound, arrays = counting(LARGE)
    run(bound)
    arrays["value"][:] = 100
    run(bound)
    bound.pull()
    assert (arrays["state"] == 2).all()
    arrays["value"][:] = 3
    bound.push()
    run(bound)
    bound.pull()
    assert (arrays["state"] == 5).all()


def test_rows_that_overlap() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(20, dtype=np.float32), 4)
    x = ops.leaf((Batch(), 4), np.float32, name="x")
    variables = [Variable("x", "rows", x), Variable("out", "row_result", None, x * 2)]
    arrays = {"x": windows, "out": np.zeros(windows.shape, np.float32)}
    bound = CudaProgram(variables, "windows").bind(arrays, batch=5)
    order = np.random.default_rng(0).permutation(len(windows))
    bound.run(order, 0, 4)
    bound.pull()
    np.testing.assert_array_equal(arrays["out"], 2 * windows)
    assert sum(bound._parts().values()) <= bound.end
    assert bound._parts()["data"] == 4 * 20 + arrays["out"].nbytes


@pytest.mark.parametrize("rows", [slice(None, None, -1), slice(None, None, 3), slice(5, 6)])
def test_rows_in_another_order_or_with_gaps_are_sent_without(rows: slice) -> None:
    whole = np.arange(80, dtype=np.float32).reshape(20, 4)
    x = ops.leaf((Batch(), 4), np.float32, name="x")
    variables = [Variable("x", "rows", x), Variable("out", "row_result", None, x * 2)]
    picked = whole[rows]
    arrays = {"x": picked, "out": np.zeros(picked.shape, np.float32)}
    bound = CudaProgram(variables, "picked rows").bind(arrays, batch=5)
    bound.run(np.arange(len(picked))[::-1], 0, -(-len(picked) // 5))
    bound.pull()
    np.testing.assert_array_equal(arrays["out"], 2 * picked)
    assert bound._parts()["data"] == 2 * picked.nbytes


def test_what_does_not_fit_is_refused_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2**20)
    with pytest.raises(NbdlError, match=r"this needs 0\.01 GiB on the card, which has 0\.00 GiB free: .* for data, "):
        counting(2**20)


def test_too_many_elements_are_refused() -> None:
    with pytest.raises(NbdlError, match="too large for a kernel"):
        launch.Card(None).elements("kernel", 2**31)
