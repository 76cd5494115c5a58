"""The CPU matrix product against a float64 product, at every edge of its tiles, panels and vectors."""

import itertools
import platform
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numba import carray, njit

from nbdl.kernels.cpu import matmul
from nbdl.kernels.cpu.jit import OPTIONS
from nbdl.kernels.cpu.vector import machine_vector, pointer
from nbdl.kernels.cpu.vector_products import ROW_BLOCKS, ROW_DEPTH, WIDTHS
from tests.kernels.processes import run_python

SIZES = [0, 1, 2, 5, 6, 7, 13, 15, 16, 17, 31, 33, 63, 64, 65, 100, 257]
VARIANTS = ["".join(letters) for letters in itertools.product("nt", "nt", ["", "_add"])]
DTYPES = [np.float32, np.float64]


def function(variant):
    return getattr(matmul, f"matmul_{variant[:2]}{variant[2:]}")


def operands(variant, m, n, k, dtype, rng):
    """Random A and B in the layout of the variant, and views of both as [m, k] and [k, n]."""
    a = rng.standard_normal((k, m) if variant[0] == "t" else (m, k)).astype(dtype)
    b = rng.standard_normal((n, k) if variant[1] == "t" else (k, n)).astype(dtype)
    return a, b, a.T if variant[0] == "t" else a, b.T if variant[1] == "t" else b


def guarded(elements, dtype, band=128):
    """An array of NaN inside a larger one: the view, and a check that nothing around it was written."""
    whole = np.full(elements + 2 * band, 7.0, dtype)
    whole[band : band + elements] = np.nan

    def intact():
        return np.all(whole[:band] == 7) and np.all(whole[band + elements :] == 7)

    return whole[band : band + elements], intact


def assert_product(c, a, b, before, label):
    """Compare with float64. A sum of k rounded products and additions is off by at most (k + 1) eps sum |a||b|,
    to first order and in any order of addition; 1.01 and the smallest normal cover the higher orders and underflow."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    expected = a @ b + before
    unit = np.finfo(c.dtype).eps / 2
    terms = np.abs(a) @ np.abs(b) + np.abs(before)
    # The float64 product is itself rounded, so float64 is allowed both errors.
    bound = 1.01 * (2 if c.dtype == np.float64 else 1) * (a.shape[1] + 1) * unit * terms + np.finfo(c.dtype).tiny
    error = np.abs(c - expected)
    assert np.all(error <= bound), f"{label}: error {np.nanmax(error - bound, initial=0)} above the bound, or NaN"


def check(variant, m, n, k, dtype, rng, run=None):
    a, b, a_matrix, b_matrix = operands(variant, m, n, k, dtype, rng)
    flat, c_intact = guarded(m * n, dtype)
    scratch, scratch_intact = guarded(matmul.SCRATCH, dtype)
    before = np.zeros((m, n), dtype)
    if variant.endswith("_add"):
        before = rng.standard_normal((m, n)).astype(dtype)
        flat[:] = before.ravel()
    c = flat.reshape(m, n)
    (run or function(variant))(a, b, c, scratch)
    label = f"{variant} {m}x{k} @ {k}x{n} {np.dtype(dtype).name}"
    assert_product(c, a_matrix, b_matrix, before, label)
    assert c_intact(), f"{label}: wrote outside C"
    assert scratch_intact(), f"{label}: wrote outside the scratch"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_random_shapes_around_the_edges(variant, dtype):
    rng = np.random.default_rng(1)
    for m, n, k in rng.choice(SIZES, (200, 3)):
        check(variant, m, n, k, dtype, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_tile(variant, dtype):
    rng = np.random.default_rng(2)
    lanes = matmul.VECTOR_BYTES // np.dtype(dtype).itemsize
    columns = [v * lanes - missing for v in range(1, matmul.TILE_VECTORS + 2) for missing in (0, 1, lanes - 1)]
    for m, n in itertools.product(range(1, 2 * matmul.TILE_ROWS + 2), columns):
        check(variant, m, n, 3, dtype, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_row(variant, dtype):
    """One row or column of C, narrower and wider than a tile; rows of B that are added together, and the rest."""
    rng = np.random.default_rng(11)
    lanes = matmul.VECTOR_BYTES // np.dtype(dtype).itemsize
    edges = {1, matmul.TILE_VECTORS, 7, *[ROW_BLOCKS * width for width in WIDTHS]}
    widths = [vectors * lanes + rest for vectors in edges for rest in (-1, 0, 1)]
    for width, k in itertools.product(widths, range(2 * ROW_DEPTH + 2)):
        check(variant, 1, width, k, dtype, rng)
        check(variant, width, 1, k, dtype, rng)


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks(variant):
    """More than one block of rows, of depth and of panels, each with a remainder; panels packed and not packed."""
    rng = np.random.default_rng(3)
    for m, n, k in [
        (matmul.ROWS + 7, 70, 33),
        (50, 150, matmul.DEPTH + 5),
        (matmul.ROWS + 1, 131, 2 * matmul.DEPTH + 1),
        (3, 200, matmul.DEPTH + 1),
        (matmul.PACK_ROWS - 1, 129, 40),
        (matmul.PACK_ROWS, 129, 40),
    ]:
        check(variant, m, n, k, np.float32, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_few_rows(variant, dtype):
    """Fewer rows of A than columns of B, which are multiplied the other way round if that saves transpositions; deeper
    than a panel, too, and with more columns than there is room for.
    """
    rng = np.random.default_rng(12)
    lanes = matmul.VECTOR_BYTES // np.dtype(dtype).itemsize
    rows = (2, lanes - 1, lanes, lanes + 1, 2 * lanes, 3 * lanes - 1, 5 * lanes)
    for m, n, k in itertools.product(rows, (33, 64, 131), (2, 17, 70)):
        check(variant, m, n, k, dtype, rng)
    check(variant, lanes, 40, matmul.DEPTH + 3, dtype, rng)
    check(variant, lanes, matmul.SCRATCH // lanes, 2 * lanes, dtype, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_a_page_apart(variant, dtype):
    """Rows of A and of B that are moved because they would evict each other, and those just too few for it."""
    rng = np.random.default_rng(9)
    page = matmul.FAR // np.dtype(dtype).itemsize
    for m, n, k in [
        (page, page, matmul.FAR_DEPTH + 1),
        (page // 2, 131, matmul.DEPTH + 3),
        (page, matmul.TILE_VECTORS * matmul.VECTOR_BYTES // np.dtype(dtype).itemsize, matmul.FAR_DEPTH + 2),
        (matmul.PACK_ROWS_FAR, page, matmul.FAR_DEPTH + 3),
        (matmul.PACK_ROWS_FAR - 1, page, matmul.FAR_DEPTH + 3),
        (2 * matmul.ROWS, 70, matmul.DEPTH),  # fills the scratch
    ]:
        check(variant, m, n, k, dtype, rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 6, 7, 15, 33, 100, 129])
def test_part_of_rows_a_page_apart(rows, dtype):
    """The first rows and columns of larger matrices, whose own sizes are multiples of nothing."""
    rng = np.random.default_rng(10)
    step, k, n = matmul.FAR // np.dtype(dtype).itemsize, matmul.DEPTH + 9, 71
    a, b = (rng.standard_normal((k, step)).astype(dtype) for _ in range(2))
    c, intact = guarded(rows * n, dtype)
    scratch = np.full(matmul.SCRATCH, np.nan, dtype)
    a_steps, b_steps = (0, 0, 1, step), (0, 0, step, 1)
    matmul.matmul_blocks(a.ravel(), a_steps, b.ravel(), b_steps, c, (0, 0, n), (1, 1, rows, n, k), scratch)
    assert_product(c.reshape(rows, n), a[:, :rows].T, b[:, :n], np.zeros((rows, n), dtype), f"{rows} rows")
    assert intact(), "wrote outside C"


LENGTHS = st.one_of(st.integers(0, 140), st.sampled_from([256, 257, 511, 512, 513, 1023, 1024, 1025, 1040]))


@given(st.sampled_from(VARIANTS), st.sampled_from(DTYPES), LENGTHS, LENGTHS, LENGTHS, st.integers(0, 9))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_shape(variant, dtype, m, n, k, seed):
    assume(m * n * k < 3e7)
    check(variant, m, n, k, dtype, np.random.default_rng(seed))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(32, 10, 64), (7, 17, 5), (33, 1, 65), (1024, 70, 513)])
def test_constant_dimensions(variant, shape):
    """A caller whose sizes are constants, and whose arrays are views without an owner, as programs are generated."""
    m, n, k = shape
    a_shape, b_shape = (k, m) if variant[0] == "t" else (m, k), (n, k) if variant[1] == "t" else (k, n)
    product = function(variant)

    @njit(**OPTIONS)
    def run(a, b, c, scratch):
        a, b, c = carray(pointer(a), a_shape), carray(pointer(b), b_shape), carray(pointer(c), (m, n))
        product(a, b, c, scratch)

    check(variant, m, n, k, np.float32, np.random.default_rng(4), run)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("m", "n", "k"), [(7, 17, 5), (32, 64, 33), (1, 20, 40), (20, 1, 40)])
def test_nan_and_infinity_go_where_the_formula_sends_them(variant, m, n, k):
    rng = np.random.default_rng(5)
    a, b, a_matrix, b_matrix = operands(variant, m, n, k, np.float32, rng)
    a_matrix[m // 2, k // 2] = np.nan
    b_matrix[k - 1, n - 1] = np.inf
    c = np.ones((m, n), np.float32)
    function(variant)(a, b, c, np.full(matmul.SCRATCH, np.nan, np.float32))
    with np.errstate(invalid="ignore"):
        expected = a_matrix @ b_matrix + variant.endswith("_add")
    np.testing.assert_array_equal(np.isnan(c), np.isnan(expected))
    np.testing.assert_array_equal(np.isposinf(c), np.isposinf(expected))
    np.testing.assert_array_equal(np.isneginf(c), np.isneginf(expected))


@pytest.mark.parametrize("offset", [1, 3, 5])
def test_no_alignment_is_needed(offset):
    rng = np.random.default_rng(6)
    memory = rng.standard_normal(3 * 64 * 64 + offset).astype(np.float32)
    a, b, c = memory[offset:].reshape(3, 64, 64)
    scratch = np.empty(matmul.SCRATCH + offset, np.float32)[offset:]
    matmul.matmul_nt(a, b, c, scratch)
    assert_product(c, a, b.T, np.zeros((64, 64)), f"offset {offset}")


def test_the_same_product_has_the_same_bits():
    rng = np.random.default_rng(7)
    a, b, *_ = operands("nn", 100, 100, 600, np.float32, rng)
    results = [np.empty((100, 100), np.float32) for _ in range(2)]
    for c in results:
        matmul.matmul_nn(a, b, c, np.empty(matmul.SCRATCH, np.float32))
    assert results[0].tobytes() == results[1].tobytes()


@pytest.mark.skipif(sys.platform == "win32", reason="memory is protected with mprotect")
def test_nothing_outside_the_operands_is_read():
    """Operands and C end where unreadable memory begins: one lane too far ends the process."""
    run_python("""
        import ctypes, itertools, mmap
        import numpy as np
        from nbdl.kernels.cpu import matmul

        PAGE = mmap.PAGESIZE
        libc = ctypes.CDLL(None, use_errno=True)
        keep = []

        def at_the_end(elements):
            size = -(-elements * 4 // PAGE) * PAGE
            memory = mmap.mmap(-1, size + PAGE)
            keep.append(memory)
            start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            assert libc.mprotect(ctypes.c_void_p(start + size), ctypes.c_size_t(PAGE), 0) == 0
            return np.frombuffer(memory, np.float32, elements, size - elements * 4)

        pools = [at_the_end(140 * 140) for _ in range(3)]
        scratch = at_the_end(matmul.SCRATCH)
        for v, m, n, k in itertools.product(["nn", "tn", "nt", "tt"], *[[1, 2, 6, 7, 17, 65, 129]] * 3):
            shapes = [(k, m) if v[0] == "t" else (m, k), (n, k) if v[1] == "t" else (k, n), (m, n)]
            a, b, c = (p[len(p) - s[0] * s[1]:].reshape(s) for p, s in zip(pools, shapes))
            getattr(matmul, "matmul_" + v)(a, b, c, scratch)
            getattr(matmul, "matmul_" + v + "_add")(a, b, c, scratch)
        print("done")
    """)


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names x86 processors")
@pytest.mark.parametrize(
    ("processor", "features", "width"), [("haswell", "+avx,+avx2,+fma", 32), ("nehalem", "+sse4.2", 16)]
)
def test_narrower_machines(processor, features, width, tmp_path):
    """The tiles of machines with 256-bit and 128-bit vectors, compiled for them and run on this one."""
    script = f"""
        import itertools
        import numpy as np
        from nbdl.kernels.cpu import matmul

        assert matmul.VECTOR_BYTES == {width}
        random = np.random.default_rng(8)
        for v, m, n, k in itertools.product(["nn", "tn", "nt", "tt"], *[[1, 3, 6, 13, 37]] * 3):
            a, b = random.standard_normal((m, k)), random.standard_normal((k, n))
            stored = [np.ascontiguousarray(x.T if t == "t" else x, np.float32) for x, t in zip((a, b), v)]
            c = np.full((m, n), np.nan, np.float32)
            getattr(matmul, "matmul_" + v)(*stored, c, np.empty(matmul.SCRATCH, np.float32))
            np.testing.assert_allclose(c, a @ b, atol=1e-4)  # |c| is below 40: some hundred roundings of 1e-7
    """
    run_python(script, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES=features, NUMBA_CACHE_DIR=str(tmp_path))


@pytest.mark.parametrize(
    ("features", "triple", "expected"),
    [
        ("+avx,+avx2,+avx512f", "x86_64-unknown-linux-gnu", (64, 32)),
        ("+avx,+avx2,-avx512f", "x86_64-unknown-linux-gnu", (32, 16)),
        ("+sse2", "x86_64-pc-windows-msvc", (16, 16)),
        ("+neon", "arm64-apple-darwin", (16, 32)),
    ],
)
def test_machine_vector(features, triple, expected):
    assert machine_vector(features, triple) == expected


def lying_in_larger(rng, sizes, contiguous, dtype):
    """An array that holds matrices with gaps, `sizes` = (i, j, rows, columns); the steps along these; a view of them.

    `contiguous` is the axis along which elements lie side by side; the order of the others is random.
    """
    others = [axis for axis in range(4) if axis != contiguous]
    order = [*rng.permutation(others), contiguous]
    steps, step = [0] * 4, 1
    for axis in reversed(order):
        steps[axis] = step
        step *= max(sizes[axis], 1) + (0 if axis == contiguous else int(rng.integers(0, 3)))
    start = int(rng.integers(0, 5))
    whole = rng.standard_normal(start + step + 8).astype(dtype)
    flat = whole[start:]
    view = np.lib.stride_tricks.as_strided(flat, sizes, [each * flat.itemsize for each in steps])
    return flat, tuple(steps), view


@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_of_matrices_in_larger_arrays(dtype):
    rng = np.random.default_rng(7)
    scratch = np.full(matmul.SCRATCH, np.nan, dtype)
    for _ in range(150):
        i, j = (int(size) for size in rng.integers(0, 4, 2))
        m, n, k = (int(size) for size in rng.choice([1, 2, 5, 6, 7, 15, 16, 17, 33, 64, 65, 130], 3))
        a, a_steps, a_view = lying_in_larger(rng, (i, j, m, k), int(rng.integers(2, 4)), dtype)
        b, b_steps, b_view = lying_in_larger(rng, (i, j, k, n), int(rng.integers(2, 4)), dtype)
        c, c_steps, c_view = lying_in_larger(rng, (i, j, m, n), 3, dtype)
        untouched = c.copy()
        lies_in_c = np.lib.stride_tricks.as_strided(untouched, c_view.shape, c_view.strides)
        matmul.matmul_blocks(a, a_steps, b, b_steps, c, c_steps[:3], (i, j, m, n, k), scratch)
        for place in np.ndindex(i, j):
            assert_product(c_view[place], a_view[place], b_view[place], np.zeros((m, n), dtype), f"{m}x{k}x{n} {place}")
        lies_in_c[...] = c_view
        np.testing.assert_array_equal(c, untouched, err_msg="wrote between the matrices")
