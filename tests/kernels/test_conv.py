"""Convolutions on a CPU against the naive oracle: random geometries, every edge of the tiles, and what must not be
touched.
"""

import numpy as np
import pytest
from numba import float32, float64

from nbdl.kernels import reference_images
from nbdl.kernels.cpu import boxes, conv
from nbdl.kernels.cpu.matmul import DEPTH, TILE_ROWS, TILE_VECTORS
from nbdl.kernels.cpu.vector import VECTOR_BYTES
from nbdl.kernels.geometry import Geometry
from tests import oracle
from tests.ir.cases import geometry

DTYPES = [np.float32, np.float64]
DIRECTIONS = {
    "convolve": (boxes.forward_boxes, oracle.conv2d),
    "convolve_weights": (boxes.weight_boxes, oracle.conv2d_weights),
    "convolve_back": (boxes.input_boxes, oracle.conv2d_back),
}


def operands(name, g, n, dtype, rng):
    """Random operands of a direction."""
    shapes = {"x": (n, *g.image), "w": g.weights, "y": (n, *g.result, g.outputs)}
    wanted = {"convolve": "xwy", "convolve_weights": "xyw", "convolve_back": "ywx"}[name]
    *given, result = [shapes[each] for each in wanted]
    return [rng.standard_normal(shape).astype(dtype) for shape in given], result


def guarded(shape, dtype, band=128):
    """An array of NaN inside a larger one: the view, and a check that nothing around it was written."""
    size = int(np.prod(shape))
    memory = np.full(size + 2 * band, 7.0, dtype)
    memory[band : band + size] = np.nan

    def intact():
        return np.all(memory[:band] == 7) and np.all(memory[band + size :] == 7)

    return memory[band : band + size].reshape(shape), intact


def check(name, g, n, dtype, rng, judge=None):
    """Compare with the oracle, or with what is given: each is off by at most the number of terms times the rounding."""
    make_table, naive = DIRECTIONS[name]
    given, shape = operands(name, g, n, dtype, rng)
    out, out_intact = guarded(shape, dtype)
    scratch, scratch_intact = guarded((conv.SCRATCH,), dtype)
    getattr(conv, name)(*given, out, scratch, make_table(g))
    exact = (judge or naive)(*[each.astype(np.float64) for each in given], g)
    size = (judge or naive)(*[np.abs(each).astype(np.float64) for each in given], g)
    terms = {
        "convolve": np.prod(g.weights[:3]),
        "convolve_weights": n * np.prod(g.result),
        "convolve_back": np.prod(g.kernel) * g.channels_out,
    }[name]
    bound = 2 * (terms + 1) * np.finfo(dtype).eps * size + np.finfo(dtype).tiny
    error = np.abs(out - exact)
    assert out.shape == exact.shape
    assert np.all(error <= bound), f"{name} {n} {g}: off by {np.nanmax(error):.3g}, or NaN"
    assert out_intact(), f"{name} {n} {g} wrote outside of its result"
    assert scratch_intact(), f"{name} {n} {g} wrote outside of its scratch memory"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_random_geometries(name, dtype):
    rng = np.random.default_rng(1)
    for _ in range(60):
        check(name, geometry(rng), int(rng.integers(0, 5)), dtype, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_channels_around_the_edges_of_vectors_and_panels(name, dtype):
    rng = np.random.default_rng(2)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    for vectors in (1, 2, TILE_VECTORS, TILE_VECTORS + 1):
        for channels in (vectors * lanes - 1, vectors * lanes, vectors * lanes + 1):
            for image, outputs in ((channels, 3), (3, channels)):
                g = Geometry((4, 5, image), (2, 3), outputs, padding=((1, 0), (1, 1)))
                check(name, g, 2, dtype, rng, getattr(reference_images, name))


@pytest.mark.parametrize("name", DIRECTIONS)
def test_lines_of_every_length_and_few_or_many_images(name):
    """Tiles go along pixels, lines or images, whichever are enough."""
    rng = np.random.default_rng(3)
    for height, width in [(1, 3), (3, 1), (3, 3), (2 * TILE_ROWS + 3, 3), (4, 2 * TILE_ROWS + 5), (9, 9)]:
        for n in (1, TILE_ROWS - 1, 2 * TILE_ROWS + 1):
            for padding in (((0, 0), (0, 0)), ((1, 1), (1, 1)), ((2, 1), (0, 2))):
                kernel = (min(height, 3), min(width, 3))
                g = Geometry((height, width, 3), kernel, 5, padding=padding)
                check(name, g, n, np.float32, rng, getattr(reference_images, name))


@pytest.mark.parametrize(
    "g",
    [
        Geometry((3, 3, 2), (2, 2), DEPTH + 70),
        Geometry((3, 3, 70), (2, 2), 2 * DEPTH + 1),
        Geometry((40, 40, 2), (3, 3), 3, padding=((1, 1), (1, 1))),
        Geometry((5, 1100, 2), (1, 9), 3, stride=(1, 2)),
        Geometry((70, 60, 40), (3, 3), 8, padding=((1, 1), (1, 1))),
        Geometry((6, 6, 12), (3, 3), 24, padding=((1, 1), (1, 1)), groups=12),
        Geometry((9, 9, 8), (3, 3), 4, stride=(2, 2), padding=((2, 2), (2, 2)), dilation=(2, 2), groups=2),
        Geometry((2, 2, 3), (1, 1), 2, padding=((3, 3), (3, 3))),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_blocks(name, g):
    """More than one block of the sum, of lines, of images; places whose taps all lie in the padding."""
    check(name, g, 3, np.float32, np.random.default_rng(4), getattr(reference_images, name))


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_same_convolution_has_the_same_bits(name):
    g = Geometry((9, 9, 5), (3, 3), 7, padding=((1, 1), (1, 1)))
    given, shape = operands(name, g, 4, np.float32, np.random.default_rng(5))
    results = []
    for fill in (0, np.nan):
        out = np.full(shape, fill, np.float32)
        getattr(conv, name)(*given, out, np.full(conv.SCRATCH, fill, np.float32), DIRECTIONS[name][0](g))
        results.append(out.tobytes())
    assert results[0] == results[1]


def test_infinity_and_nan_go_where_the_formula_sends_them():
    g = Geometry((5, 5, 1), (3, 3), 1, padding=((1, 1), (1, 1)))
    x, w = np.zeros((1, 5, 5, 1), np.float32), np.ones(g.weights, np.float32)
    x[0, 1, 1], x[0, 4, 4] = np.nan, np.inf
    out = np.empty((1, 5, 5, 1), np.float32)
    conv.convolve(x, w, out, np.empty(conv.SCRATCH, np.float32), boxes.forward_boxes(g))
    assert np.isnan(out[0, :3, :3]).all()
    assert np.isnan(out).sum() == 9
    assert np.isposinf(out[0, 3:, 3:]).all()
    assert np.isposinf(out).sum() == 4


def test_all_directions_share_one_compiled_function():
    assert set(conv._run.slots) == {float32, float64}


def test_an_image_is_not_convolved_with_zeros_beside_it():
    """A box's sum ends at the edge of the image: the work is that of the taps inside."""
    g = Geometry((4, 4, 2), (3, 3), 5, padding=((1, 1), (1, 1)))
    inside = sum(
        (y1 - y0) * (x1 - x0) * (ky1 - ky0) * (kx1 - kx0)
        for y0, y1, ky0, ky1 in g.segments(0)
        for x0, x1, kx0, kx1 in g.segments(1)
    )
    table = {name: boxes.forward_boxes(g)[1:, place] for place, name in enumerate(boxes.BOX)}
    assert np.sum(table["lines"] * table["pixels"] * table["blocks"] * table["depth"]) == inside * 2


def test_lines_under_several_rows_of_the_kernel_are_written_once_for_all():
    """Their sum runs over the rows of the kernel, in the gradient of the image as well, and has no zeros in it."""
    g = Geometry((14, 14, 6), (5, 5), 16)
    table = {name: boxes.input_boxes(g)[1:, place] for place, name in enumerate(boxes.BOX)}
    terms = table["lines"] * table["pixels"] * table["blocks"] * table["depth"] * table["columns"]
    assert np.sum(terms) == 10 * 10 * 5 * 5 * 6 * 16
    lines = {first: np.sum(table["lines"][table["blocks"] == first]) for first in range(1, 6)}
    assert lines == {1: 10, 2: 10, 3: 10, 4: 10, 5: 30}  # 2, 2, 2, 2 and 6 of the image, from 5 places beside


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 3), (4, 2), (3, 3)])
def test_rows_of_the_kernel_that_meet_at_a_line(dtype, stride, dilation):
    rng = np.random.default_rng(0)
    g = Geometry((19, 3, 2), (5, 2), 5, (stride, 1), ((3, 5), (0, 0)), (dilation, 1))
    check("convolve_back", g, 2, dtype, rng)


@pytest.mark.parametrize("outputs", [boxes.TRANSPOSED // 2 - 1, boxes.TRANSPOSED + 1])
def test_sums_over_many_outputs_are_cut(outputs):
    """Two rows of the kernel at a time, or each in two parts."""
    check("convolve_back", Geometry((6, 2, 1), (3, 1), outputs), 1, np.float32, np.random.default_rng(0))
