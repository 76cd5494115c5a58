"""Winograd's convolution on a CPU against the plain one: random sizes, the edges of tiles, strips and panels, and what
must not be touched.
"""

from fractions import Fraction

import numpy as np
import pytest
from numba import float32, float64

from nbdl.kernels import reference_images
from nbdl.kernels import winograd as rules
from nbdl.kernels.cpu import winograd, winograd_points, winograd_products
from nbdl.kernels.cpu.boxes import forward_boxes, input_boxes, weight_boxes
from nbdl.kernels.cpu.conv import convolve, convolve_back, convolve_weights
from nbdl.kernels.cpu.matmul import SCRATCH
from nbdl.kernels.cpu.vector import VECTOR_BYTES
from nbdl.kernels.geometry import Geometry
from nbdl.kernels.winograd import (
    CACHE,
    MORE,
    MOST_ROOM,
    ROOM,
    STRIP,
    TILES,
    TOGETHER,
    TOGETHER_SUMMED,
    best_tile,
    matrices,
    room,
)
from tests.kernels.test_conv import guarded

DTYPES = [np.float32, np.float64]
DIRECTIONS = {"winograd": "xwy", "winograd_back": "ywx", "winograd_weights": "xyw", "winograd_weights_add": "xyw"}
PLAIN = {
    "winograd": reference_images.convolve,
    "winograd_back": reference_images.convolve_back,
    "winograd_weights": reference_images.convolve_weights,
    "winograd_weights_add": reference_images.convolve_weights,
}
SIZES = [(kernel, tile) for kernel, tiles in TILES.items() for tile in tiles]
ROUNDINGS = 128
"""How many times a rounding of the largest sum of absolute values a result may be off: each is a sum of up to 36
points, and each of those of as many numbers.
"""

for_all = pytest.mark.parametrize(("kernel", "tile"), SIZES, ids=str)


def geometry(height, width, channels, outputs, padding=((0, 0), (0, 0)), kernel=3):
    return Geometry((height, width, channels), (kernel, kernel), outputs, padding=padding)


def points_of(w, tile, *, transposed=False):
    """The points of a kernel, by the kernel that makes them."""
    kernel, _, channels, outputs = w.shape
    side = tile + kernel - 1
    shape = (side, side, *((outputs, channels) if transposed else (channels, outputs)))
    made, intact = guarded(shape, w.dtype)
    needed = room(geometry(kernel, kernel, channels, outputs, kernel=kernel), tile)
    scratch, scratch_intact = guarded((max(SCRATCH, needed),), w.dtype)
    getattr(winograd_points, "winograd_points_transposed" if transposed else "winograd_points")(w, made, tile, scratch)
    assert intact()
    assert scratch_intact()
    return made


def run(name, given, result, g, tile, *, scratch=None):
    """Call a kernel as programs do."""
    if name in ("winograd", "winograd_back"):
        given = [given[0], points_of(given[1], tile, transposed=name == "winograd_back")]
    (top, _), (left, _) = g.padding
    scratch = np.empty(max(SCRATCH, room(g, tile)), result.dtype) if scratch is None else scratch
    getattr(winograd, name)(*given, result, tile, top, left, scratch)


def operands(name, g, n, dtype, rng):
    shapes = {"x": (n, *g.image), "w": g.weights, "y": (n, *g.result, g.outputs)}
    *given, result = [shapes[each] for each in DIRECTIONS[name]]
    return [rng.standard_normal(shape).astype(dtype) for shape in given], result


def check(name, g, n, dtype, rng, tile):
    given, shape = operands(name, g, n, dtype, rng)
    out, out_intact = guarded(shape, dtype)
    scratch, scratch_intact = guarded((max(SCRATCH, room(g, tile)),), dtype)
    before = 0
    if name.endswith("_add"):
        before = rng.standard_normal(shape).astype(dtype)
        out[...] = before
    run(name, given, out, g, tile, scratch=scratch)
    exact = PLAIN[name](*[each.astype(np.float64) for each in given], g) + before
    size = PLAIN[name](*[np.abs(each).astype(np.float64) for each in given], g).max(initial=1)
    error = np.abs(out - exact)
    assert np.all(error <= ROUNDINGS * np.finfo(dtype).eps * size), (
        f"{name} {tile} {n} {g}: off by {np.nanmax(error):.3g}"
    )
    assert out_intact(), f"{name} {n} {g} wrote outside of its result"
    assert scratch_intact(), f"{name} {n} {g} wrote outside of its scratch memory"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIRECTIONS)
@for_all
def test_random_sizes(name, dtype, kernel, tile):
    rng = np.random.default_rng(1)
    for _ in range(40):
        padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (2, 2)))
        height, width = (max(1, int(rng.integers(1, 12)), kernel - sum(sides)) for sides in padding)
        channels, outputs = (int(size) for size in rng.integers(1, 40, 2))
        g = geometry(height, width, channels, outputs, padding, kernel)
        check(name, g, int(rng.integers(0, 5)), dtype, rng, tile)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIRECTIONS)
@for_all
def test_channels_around_the_edges_of_vectors_and_panels(name, dtype, kernel, tile):
    rng = np.random.default_rng(2)
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    for channels in (lanes - 1, lanes, lanes + 1, 4 * lanes, 4 * lanes + 1):
        check(name, geometry(5, 6, channels, 3, kernel=kernel), 2, dtype, rng, tile)
        check(name, geometry(5, 6, 3, channels, ((1, 1), (1, 1)), kernel), 2, dtype, rng, tile)


@pytest.mark.parametrize("name", DIRECTIONS)
@for_all
def test_lines_of_many_tiles_and_many_lines_of_few(name, kernel, tile):
    """A line longer than a strip, by a pixel and by a tile; more tiles than are multiplied together."""
    rng = np.random.default_rng(3)
    for tiles in (1, TOGETHER, STRIP // tile, STRIP // tile + 1, TOGETHER_SUMMED + 1):
        for extra in (-1, 0, 1):
            size = tile * tiles + kernel - 1 + extra
            check(name, geometry(kernel + 2, size, 3, 5, kernel=kernel), 2, np.float32, rng, tile)
            check(name, geometry(size, 3, 3, 5, ((1, 1), (1, 1)), kernel), 3, np.float32, rng, tile)


@for_all
def test_points_of_both_orders_are_those_of_the_formula(kernel, tile):
    """Maps of up to 25 numbers, in another order."""
    w = np.random.default_rng(4).standard_normal((kernel, kernel, 18, 35))
    exact = reference_images.winograd_points(w, tile)
    np.testing.assert_allclose(points_of(w, tile), exact, rtol=1e-13, atol=1e-13)
    assert np.array_equal(points_of(w, tile, transposed=True), points_of(w, tile).swapaxes(2, 3))
    np.testing.assert_allclose(reference_images.weights_of_points(exact, tile), w, rtol=1e-13, atol=1e-13)


def test_maps_of_the_smallest_form_are_those_of_the_paper():
    """Lavin and Gray, section 4.1; the first and the last point have the other sign in both maps."""
    found = matrices(2, 3)
    assert found.output == ((1, 1, 1, 0), (0, 1, -1, 1))
    assert found.weights == ((-1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
    assert found.input == ((-1, 0, 1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))


@pytest.mark.parametrize(("tile", "kernel"), [(4, 3), (2, 5)])
def test_the_places_round_less_than_the_usual_ones(tile, kernel, monkeypatch):
    """A result and both gradients along one axis, in float32, as sums over 32 channels."""
    rng, side = np.random.default_rng(9), tile + kernel - 1
    x, w, g = (rng.standard_normal((2000, 32, size)).astype(np.float32) for size in (side, kernel, tile))

    def rounding():
        made = matrices.__wrapped__(tile, kernel)  # none that is kept
        maps = [np.array(each, np.float32) for each in made]
        found = []
        for dtype in (np.float32, np.float64):
            inputs, weights, outputs = (each.astype(dtype) for each in maps)
            a, b, c = x.astype(dtype) @ inputs.T, w.astype(dtype) @ weights.T, g.astype(dtype) @ outputs
            found.append([(a * b).sum(1) @ outputs.T, (b * c).sum(1) @ inputs, (a * c).sum(1) @ weights])
        return [np.sqrt(np.mean((one - other) ** 2)) for one, other in zip(*found, strict=True)]

    ours = rounding()
    for near, far in ((1, 2), (Fraction(1, 2), 1), (Fraction(1, 2), 2)):
        with monkeypatch.context() as patch:
            patch.setitem(
                rules.PLACES, 6, (Fraction(0), Fraction(near), -Fraction(near), Fraction(far), -Fraction(far))
            )
            theirs = rounding()
        assert np.prod(ours) < np.prod(theirs)


def errors(name, g, tile, rng):
    """Roots of mean squares: of Winograd's rounding errors, and of the plain sum's."""
    plain, boxes = {
        "winograd": (convolve, forward_boxes),
        "winograd_back": (convolve_back, input_boxes),
        "winograd_weights": (convolve_weights, weight_boxes),
    }[name]
    given, shape = operands(name, g, 2, np.float32, rng)
    exact = PLAIN[name](*[each.astype(np.float64) for each in given], g)
    ours, theirs = np.empty(shape, np.float32), np.empty(shape, np.float32)
    plain(*given, theirs, np.empty(SCRATCH, np.float32), boxes(g))
    run(name, given, ours, g, tile)
    return [np.sqrt(np.mean((each - exact) ** 2)) for each in (ours, theirs)]


@pytest.mark.parametrize(
    ("kernel", "tile", "most"),
    [(3, 2, (1, 1.25, 1)), (3, 4, (2.25, 3.75, 2.75)), (5, 2, (1.5, 3.5, 3.5))],
    ids=str,
)
def test_it_rounds_little_worse_than_the_plain_sum(kernel, tile, most):
    """Its sums are shorter by the size of a kernel, which makes up for much of what the maps add. The bounds for the
    result and both gradients are what was measured, and a tenth to a sixth more.
    """
    g = geometry(16, 16, 32, 32, kernel=kernel)
    for name, times in zip(("winograd", "winograd_back", "winograd_weights"), most, strict=True):
        ours, theirs = errors(name, g, tile, np.random.default_rng(5))
        assert 0 < ours < times * theirs, name


def test_the_same_convolution_has_the_same_bits():
    for kernel, tile in SIZES:
        g = geometry(9, 7, 5, 7, ((1, 1), (1, 1)), kernel)
        for name in ("winograd", "winograd_back", "winograd_weights"):
            given, shape = operands(name, g, 4, np.float32, np.random.default_rng(6))
            results = []
            for fill in (0, np.nan):
                out = np.full(shape, fill, np.float32)
                run(name, given, out, g, tile, scratch=np.full(SCRATCH, fill, np.float32))
                results.append(out.tobytes())
            assert results[0] == results[1]


@for_all
def test_an_image_does_not_depend_on_the_others(kernel, tile):
    """A row alone gives the same bits as among others: workers and blocks may share them as they like."""
    g = geometry(7, 9, 17, 6, kernel=kernel)
    (x, w), shape = operands("winograd", g, 5, np.float32, np.random.default_rng(7))
    together, alone = np.empty(shape, np.float32), np.empty(shape, np.float32)
    run("winograd", [x, w], together, g, tile)
    for image in range(len(x)):
        run("winograd", [x[image : image + 1], w], alone[image : image + 1], g, tile)
    assert np.array_equal(together, alone)


@for_all
def test_nan_goes_where_the_formula_sends_it(kernel, tile):
    """And no further than the tiles that read it. Infinity may become NaN: it is subtracted from itself on the way."""
    size = 16 - kernel + 1
    g = geometry(16, 16, 2, 3, kernel=kernel)
    for place in range(5, 9):
        for what in (np.nan, np.inf):
            x = np.ones((1, 16, 16, 2), np.float32)
            x[0, place, place] = what
            out = np.empty((1, size, size, 3), np.float32)
            run("winograd", [x, np.ones(g.weights, np.float32)], out, g, tile)
            reached = slice(max(0, place - kernel + 1), place + 1)
            assert not np.isfinite(out[0, reached, reached]).any()
            read = slice(reached.start // tile * tile, -(-reached.stop // tile) * tile)
            out[0, read, read] = kernel**2 * 2
            np.testing.assert_allclose(out, kernel**2 * 2, rtol=1e-5)


def test_the_smallest_tiles_send_nan_nowhere_else():
    g = geometry(11, 11, 2, 3)
    x = np.ones((1, 11, 11, 2), np.float32)
    x[0, 5, 4] = np.nan
    out = np.empty((1, 9, 9, 3), np.float32)
    run("winograd", [x, np.ones(g.weights, np.float32)], out, g, 2)
    assert np.isfinite(out).sum() == (81 - 9) * 3


def test_there_is_room_for_what_pays():
    """The pass asks `room`; the kernels take it from the scratch array."""
    assert ROOM <= SCRATCH
    for channels, wanted in ((32, 4), (256, 4), (1024, None)):
        g = geometry(200, 200, channels, channels, ((1, 1), (1, 1)))
        assert best_tile(g) == wanted
        assert wanted is None or room(g, wanted) <= MOST_ROOM


@pytest.mark.parametrize("name", DIRECTIONS)
@for_all
def test_no_more_room_is_taken_than_was_said(name, kernel, tile):
    rng = np.random.default_rng(8)
    for sizes in ((5, 70, 40, 9), (9, 36, 3, 50), (70, 5, 33, 33), (6, 6, 2, 3), (70, 5, 130, 128)):
        g = geometry(*sizes, kernel=kernel)
        given, shape = operands(name, g, 3, np.float32, rng)
        scratch = np.full(room(g, tile) + 1000, 7, np.float32)
        run(name, given, np.zeros(shape, np.float32), g, tile, scratch=scratch)
        assert np.all(scratch[room(g, tile) :] == 7)


@pytest.mark.parametrize("name", DIRECTIONS)
@for_all
def test_points_of_weights_that_fit_into_no_cache(name, kernel, tile):
    """More tiles are multiplied together, and again one more than that."""
    rng = np.random.default_rng(9)
    assert (tile + kernel - 1) ** 2 * 130 * 128 > CACHE
    for tiles in (MORE * TOGETHER, MORE * TOGETHER_SUMMED):
        for extra in (0, 1):
            g = geometry(kernel + 1, tile * (tiles + extra) + kernel - 1, 130, 128, kernel=kernel)
            check(name, g, 1, np.float32, rng, tile)


@pytest.mark.parametrize("transposed", [False, True])
@for_all
def test_points_take_no_more_room_than_was_said(transposed, kernel, tile):
    make = winograd_points.winograd_points_transposed if transposed else winograd_points.winograd_points
    for channels, outputs in ((40, 9), (3, 50), (2, 3)):
        side = tile + kernel - 1
        shape = (side, side, *((outputs, channels) if transposed else (channels, outputs)))
        scratch = np.full(SCRATCH, 7, np.float32)
        make(np.ones((kernel, kernel, channels, outputs), np.float32), np.empty(shape, np.float32), tile, scratch)
        assert np.all(scratch[room(geometry(9, 9, channels, outputs, kernel=kernel), tile) :] == 7)


def test_all_directions_share_one_compiled_function():
    assert set(winograd._run.slots) == set(winograd_products._multiply.slots) == {float32, float64}
