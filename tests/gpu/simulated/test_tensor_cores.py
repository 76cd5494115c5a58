"""Products by simulated tensor cores: the right elements meet, rounded as they say."""

from __future__ import annotations

import numpy as np
import pytest

from nbdl.codegen.cuda.program import CudaProgram
from nbdl.ir import ops
from nbdl.kernels.cuda.simulated_mma import pair, to_tf32
from tests.codegen.maker import Maker

BITS = {"tf32": 11, "bf16": 8}
"""Of a number's mantissa, the one in front of the point included."""


@pytest.mark.parametrize("precision", BITS)
@pytest.mark.parametrize(("swap_x", "swap_y"), [(False, False), (True, False), (False, True)])
def test_product(precision: str, swap_x: bool, swap_y: bool) -> None:
    make = Maker(dtype=np.float32)
    m, n, k = 35, 19, 21
    x = make.state("x", *((k, m) if swap_x else (m, k)))
    y = make.state("y", *((n, k) if swap_y else (k, n)))
    make.result(ops.product_of(x, y, swap_x, swap_y))
    arrays = {name: array.copy() for name, array in make.arrays.items()}
    bound = CudaProgram(make.variables, "a product").bind(arrays, precision=precision)
    bound.run(np.zeros(1, np.int64), 0, 1)
    bound.pull()
    left, right = arrays["x"].T if swap_x else arrays["x"], arrays["y"].T if swap_y else arrays["y"]
    exact = left.astype(np.float64) @ right
    error = np.abs(arrays["result_0"] - exact)
    bound_of_error = 2.0 ** (1 - BITS[precision]) * (np.abs(left) @ np.abs(right)) + 1e-5  # each factor half a unit
    assert (error <= bound_of_error).all()
    assert error.max() > 1e-5, "nothing was rounded"


def test_rounding() -> None:
    assert to_tf32(np.float32(1 + 2**-11)) == np.float32(1 + 2**-10)
    assert to_tf32(np.float32(1 + 2**-12)) == 1
    assert pair(np.float32(1 + 2**-8), np.float32(1 + 3 * 2**-8)) == (1, np.float32(1 + 2**-6))
