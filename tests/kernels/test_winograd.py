"""Winograd's convolution on a CPU against the plain one: random sizes, the edges of squares, strips and tiles, and what
must not be touched.
"""

import numpy as np
import pytest
from numba import float32, float64

from nbdl.kernels import reference_images
from nbdl.kernels import winograd as rules
from nbdl.kernels.cpu import winograd
from nbdl.kernels.cpu.boxes import forward_boxes
from nbdl.kernels.cpu.conv import convolve
from nbdl.kernels.cpu.matmul import SCRATCH
from nbdl.kernels.cpu.vector import VECTOR_BYTES
from nbdl.kernels.geometry import Geometry
from nbdl.kernels.winograd import ROOM, STRIP, TOGETHER, TOGETHER_SUMMED, room
from tests.kernels.test_conv import guarded

DTYPES = [np.float32, np.float64]
DIRECTIONS = {"winograd": "xwy", "winograd_back": "ywx", "winograd_weights": "xyw", "winograd_weights_add": "xyw"}
PLAIN = {
    "winograd": reference_images.convolve,
    "winograd_back": reference_images.convolve_back,
    "winograd_weights": reference_images.convolve_weights,
    "winograd_weights_add": reference_images.convolve_weights,
}
ROUNDINGS = 32
"""How many times more than the plain sum a map's numbers may be off: each is a sum of up to 16 pixels, of which the
plain formula has 9, and of as many points.
"""


def geometry(height, width, channels, outputs, padding=((0, 0), (0, 0))):
    return Geometry((height, width, channels), (3, 3), outputs, padding=padding)


def points_of(w, *, transposed=False):
    """The points of a kernel, by the kernel that makes them."""
    channels, outputs = w.shape[2:]
    shape = (4, 4, outputs, channels) if transposed else (4, 4, channels, outputs)
    points, intact = guarded(shape, w.dtype)
    scratch, scratch_intact = guarded((SCRATCH,), w.dtype)
    getattr(winograd, "winograd_points_transposed" if transposed else "winograd_points")(w, points, scratch)
    assert intact()
    assert scratch_intact()
    return points


def run(name, given, result, g, *, scratch=None):
    """Call a kernel as programs do."""
    if name in ("winograd", "winograd_back"):
        given = [given[0], points_of(given[1], transposed=name == "winograd_back")]
    (top, _), (left, _) = g.padding
    scratch = np.empty(SCRATCH, result.dtype) if scratch is None else scratch
    getattr(winograd, name)(*given, result, top, left, scratch)


def operands(name, g, n, dtype, rng):
    shapes = {"x": (n, *g.image), "w": g.weights, "y": (n, *g.result, g.outputs)}
    *given, result = [shapes[each] for each in DIRECTIONS[name]]
    return [rng.standard_normal(shape).astype(dtype) for shape in given], result


def check(name, g, n, dtype, rng):
    given, shape = operands(name, g, n, dtype, rng)
    out, out_intact = guarded(shape, dtype)
    scratch, scratch_intact = guarded((SCRATCH,), dtype)
    before = 0
    if name.endswith("_add"):
        before = rng.standard_normal(shape).astype(dtype)
        out[...] = before
    run(name, given, out, g, scratch=scratch)
    exact = PLAIN[name](*[each.astype(np.float64) for each in given], g) + before
    size = PLAIN[name](*[np.abs(each).astype(np.float64) for each in given], g).max(initial=1)
    error = np.abs(out - exact)
    assert np.all(error <= ROUNDINGS * np.finfo(dtype).eps * size), f"{name} {n} {g}: off by {np.nanmax(error):.3g}"
    assert out_intact(), f"{name} {n} {g} wrote outside of its result"
    assert scratch_intact(), f"{name} {n} {g} wrote outside of its scratch memory"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_random_sizes(name, dtype):
    rng = np.random.default_rng(1)
    for _ in range(60):
        padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (2, 2)))
        height, width = (max(1, int(rng.integers(1, 12)), 3 - sum(sides)) for sides in padding)
        channels, outputs = (int(size) for size in rng.integers(1, 40, 2))
        check(name, geometry(height, width, channels, outputs, padding), int(rng.integers(0, 5)), dtype, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_channels_around_the_edges_of_vectors_and_panels(name, dtype):
    rng = np.random.default_rng(2)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    for channels in (lanes - 1, lanes, lanes + 1, 4 * lanes, 4 * lanes + 1):
        check(name, geometry(5, 6, channels, 3), 2, dtype, rng)
        check(name, geometry(5, 6, 3, channels, ((1, 1), (1, 1))), 2, dtype, rng)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_lines_of_many_squares_and_many_lines_of_few(name):
    """A line longer than a strip, by a pixel and by a square; more squares than are multiplied together."""
    rng = np.random.default_rng(3)
    for squares in (1, TOGETHER, STRIP, STRIP + 1, TOGETHER_SUMMED + 1):
        for extra in (-1, 0, 1):
            width = 2 * squares + 2 + extra
            check(name, geometry(5, width, 3, 5), 2, np.float32, rng)
            check(name, geometry(width, 3, 3, 5, ((1, 1), (1, 1))), 3, np.float32, rng)


def test_points_of_both_orders_are_those_of_the_formula():
    w = np.random.default_rng(4).standard_normal((3, 3, 18, 35))
    exact = reference_images.winograd_points(w)
    np.testing.assert_allclose(points_of(w), exact, rtol=1e-14, atol=1e-14)
    assert np.array_equal(points_of(w, transposed=True), points_of(w).swapaxes(2, 3))
    np.testing.assert_allclose(reference_images.weights_of_points(exact), w, rtol=1e-14, atol=1e-14)


def test_it_rounds_no_worse_than_the_plain_sum():
    """Its sums over channels are nine times shorter, which makes up for the maps."""
    g, rng = geometry(16, 16, 32, 32), np.random.default_rng(5)
    (x, w), shape = operands("winograd", g, 2, np.float32, rng)
    exact = reference_images.convolve(x.astype(np.float64), w.astype(np.float64), g)
    plain, ours = np.empty(shape, np.float32), np.empty(shape, np.float32)
    convolve(x, w, plain, np.empty(SCRATCH, np.float32), forward_boxes(g))
    run("winograd", [x, w], ours, g)
    error, plain_error = (np.sqrt(np.mean((each - exact) ** 2)) for each in (ours, plain))
    assert 0 < error < 1.25 * plain_error


def test_the_same_convolution_has_the_same_bits():
    g = geometry(9, 7, 5, 7, ((1, 1), (1, 1)))
    for name in ("winograd", "winograd_back", "winograd_weights"):
        given, shape = operands(name, g, 4, np.float32, np.random.default_rng(6))
        results = []
        for fill in (0, np.nan):
            out = np.full(shape, fill, np.float32)
            run(name, given, out, g, scratch=np.full(SCRATCH, fill, np.float32))
            results.append(out.tobytes())
        assert results[0] == results[1]


def test_an_image_does_not_depend_on_the_others():
    """A row alone gives the same bits as among others: workers and blocks may share them as they like."""
    g = geometry(7, 9, 17, 6)
    (x, w), shape = operands("winograd", g, 5, np.float32, np.random.default_rng(7))
    together, alone = np.empty(shape, np.float32), np.empty(shape, np.float32)
    run("winograd", [x, w], together, g)
    for image in range(len(x)):
        run("winograd", [x[image : image + 1], w], alone[image : image + 1], g)
    assert np.array_equal(together, alone)


def test_nan_goes_where_the_formula_sends_it():
    """Infinity goes there too, but may become NaN: it is subtracted from itself on the way."""
    g = geometry(11, 11, 2, 3)
    w = np.ones(g.weights, np.float32)
    for place in range(3, 7):
        for what in (np.nan, np.inf):
            x = np.ones((1, 11, 11, 2), np.float32)
            x[0, place, 4] = what
            out = np.empty((1, 9, 9, 3), np.float32)
            run("winograd", [x, w], out, g)
            assert not np.isfinite(out[0, place - 2 : place + 1, 2:5]).any()
            assert np.isfinite(out).sum() == (81 - 9) * 3
            np.testing.assert_array_equal(out[np.isfinite(out)], 18)


def test_there_is_room_for_what_pays():
    """The pass asks `room`; the kernels take it from the scratch array."""
    assert ROOM <= SCRATCH
    largest = geometry(200, 200, 128, 128, ((1, 1), (1, 1)))
    assert rules.pays(largest)
    assert room(largest) <= ROOM
    assert not rules.pays(geometry(200, 200, 256, 256))


@pytest.mark.parametrize("name", DIRECTIONS)
def test_no_more_room_is_taken_than_was_said(name):
    rng = np.random.default_rng(8)
    for g in (geometry(4, 70, 40, 9), geometry(9, 36, 3, 50), geometry(70, 5, 33, 33), geometry(6, 6, 2, 3)):
        given, shape = operands(name, g, 3, np.float32, rng)
        scratch = np.full(SCRATCH, 7, np.float32)
        run(name, given, np.zeros(shape, np.float32), g, scratch=scratch)
        assert np.all(scratch[room(g) :] == 7)


def test_all_directions_share_one_compiled_function():
    assert set(winograd._run.slots) == set(winograd._multiply.slots) == {float32, float64}
