"""Pooling on a CPU against the naive oracle."""

from dataclasses import replace

import numpy as np
import pytest

from nbdl.kernels import reference_images
from nbdl.kernels.cpu import pool
from nbdl.kernels.cpu.boxes import pool_boxes
from nbdl.kernels.cpu.vector import VECTOR_BYTES
from nbdl.kernels.geometry import Geometry
from tests import oracle
from tests.ir.cases import geometry
from tests.kernels.test_conv import guarded

DTYPES = [np.float32, np.float64]
OPERANDS = {
    "max_pool": "xy",
    "max_pool_back": "xyx",
    "max_pool_take": "xxy",
    "sum_pool": "xy",
    "sum_pool_back": "yx",
    "depthwise": "xwy",
    "depthwise_weights": "xyw",
    "depthwise_back": "ywx",
}
"""Shapes of operands and result: image, windows, kernel."""

NAIVE = {"depthwise": "conv2d", "depthwise_weights": "conv2d_weights", "depthwise_back": "conv2d_back"}


def check(name, g, n, dtype, rng, judge, *, ties=False):
    if name in NAIVE:
        g = replace(g, dilation=(1 + n % 2, 1 + n // 2 % 2), groups=g.outputs)
        g = replace(g, image=(g.image[0] + g.reach[0], g.image[1] + g.reach[1], g.outputs))
    shapes = {"x": (n, *g.image), "y": (n, *g.result, g.outputs), "w": g.weights}
    *operands, result = [shapes[each] for each in OPERANDS[name]]
    given = [rng.standard_normal(shape).astype(dtype) for shape in operands]
    if ties:
        given[0] = rng.integers(0, 3, given[0].shape).astype(dtype)
    out, intact = guarded(result, dtype)
    getattr(pool, name)(*given, out, pool_boxes(g))
    # sums of up to some hundred numbers, in another order
    np.testing.assert_allclose(out, judge(*given, g), rtol=1e-4, atol=1e-4, err_msg=f"{name} {n} {g}")
    assert intact(), f"{name} {n} {g} wrote outside of its result"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERANDS)
def test_random_geometries(name, dtype):
    rng = np.random.default_rng(1)
    for _ in range(60):
        ties = name.startswith("max") and bool(rng.integers(0, 2))
        judge = getattr(oracle, NAIVE.get(name, name))
        check(name, geometry(rng, pooling=True), int(rng.integers(0, 5)), dtype, rng, judge, ties=ties)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERANDS)
@pytest.mark.parametrize("window", [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 2), (3, 1)), ((1, 2), (1, 2))])
def test_channels_around_the_edges_of_vectors(name, dtype, window):
    rng = np.random.default_rng(2)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    judge = getattr(reference_images, name.replace("depthwise", "convolve"))
    for channels in (1, lanes - 1, lanes, lanes + 1, 3 * lanes + 2):
        for size in (6, 7):
            g = Geometry((size, size, channels), window[0], channels, stride=window[1])
            check(name, g, 2, dtype, rng, judge, ties=name.startswith("max"))


def test_nan_is_the_largest_and_the_first_element_gets_the_gradient():
    g = Geometry((2, 4, 1), (2, 2), 1, stride=(2, 2))
    x = np.array([[1, 2, np.nan, 5], [np.nan, 4, np.nan, 9]], np.float32).reshape(1, 2, 4, 1)
    out, back = np.empty((1, 1, 2, 1), np.float32), np.empty_like(x)
    pool.max_pool(x, out, pool_boxes(g))
    assert np.isnan(out).all()
    pool.max_pool_back(x, np.array([3, 4], np.float32).reshape(1, 1, 2, 1), back, pool_boxes(g))
    np.testing.assert_array_equal(back[0, ..., 0], [[3, 0, 4, 0], [0, 0, 0, 0]])


def test_infinities_are_ordinary():
    g = Geometry((1, 4, 1), (1, 2), 1, stride=(1, 2))
    x = np.array([-np.inf, -np.inf, np.inf, 1], np.float32).reshape(1, 1, 4, 1)
    out, back = np.empty((1, 1, 2, 1), np.float32), np.empty_like(x)
    pool.max_pool(x, out, pool_boxes(g))
    np.testing.assert_array_equal(out.ravel(), [-np.inf, np.inf])
    pool.max_pool_back(x, np.ones_like(out), back, pool_boxes(g))
    np.testing.assert_array_equal(back.ravel(), [1, 0, 1, 0])
