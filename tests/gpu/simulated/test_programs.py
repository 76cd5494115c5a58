"""Programs that are easy to get wrong, and random ones, on a simulated card."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.codegen.cuda import loops
from nbdl.codegen.cuda.program import CudaProgram
from tests.codegen.cases import CASES
from tests.codegen.growth import Growth
from tests.codegen.test_random_graphs import check as check_growth
from tests.gpu.runner import CardRun, check


@pytest.fixture(params=["short rows", "long rows"])
def wide(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of more than one element may get a block each, as long ones do."""
    if request.param == "long rows":
        monkeypatch.setattr(loops, "WIDE", 1)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    check(CASES[name])


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", ["reductions_used_in_their_rows", "gradients_of_maxima", "costly_values_used_again"])
def test_rows_of_any_length(name: str) -> None:
    check(CASES[name])


def grow(seed: int, size: int, kind: type[Growth]) -> tuple[Growth, CudaProgram]:
    growth = kind(seed, np.dtype("float64"))
    growth.grow(size)
    growth.made = growth.variables(6)
    return growth, CudaProgram(growth.made, "a random graph")


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("seed", range(12))
def test_random_graph(seed: int) -> None:
    growth, program = grow(1000 + seed, 25, Growth)
    check_growth(growth, program, CardRun, ((7, 1),), 1e-9)
