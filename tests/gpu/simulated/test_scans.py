"""Loops over time on a simulated card."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.codegen.cuda.program import CudaProgram
from tests.codegen.maker import EXAMPLES
from tests.codegen.oracle import compare, run_oracle
from tests.codegen.test_scans import make
from tests.gpu.runner import CardRun
from tests.scans import CASES


@pytest.mark.parametrize("name", CASES)
def test_scan(name: str) -> None:
    made = make(name)
    rows = np.random.default_rng(0).permutation(EXAMPLES)[:5]
    got = {key: array.copy() for key, array in made.arrays.items()}
    CardRun(CudaProgram(made.variables, name), got, batch=3, seed=5).run(rows, 2)
    compare(got, run_oracle(made.variables, made.arrays, rows, batch=3, steps=2, seed=5), 1e-9)
