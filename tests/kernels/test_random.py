"""Random numbers: the published answers, the NumPy twin bit for bit, and that they look random."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from nbdl.kernels import reference_random
from nbdl.kernels.cpu import random
from nbdl.kernels.cpu.jit import OPTIONS
from tests.kernels.processes import outputs_of_two

DTYPES: dict[str, type] = {
    "random_bits": np.uint32,
    "uniform": np.float32,
    "uniform_float64": np.float64,
    "normal": np.float32,
    "normal_float64": np.float64,
}
ONES = 0xFFFFFFFF
# Threefry-2x32, 20 rounds, from the known-answer vectors that its authors publish: key, counter, words.
KNOWN_ANSWERS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((ONES, ONES), (ONES, ONES), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def compiled(name: str) -> Any:
    function = getattr(random, name)

    @njit(**OPTIONS)
    def loop(y, seed, step, stream, first):
        for i in range(y.size):
            y[i] = function(seed, step, stream, first + i)

    return loop


def draw(name: str, size: int, seed: int = 0, step: int = 0, stream: int = 0, first: int = 0) -> NDArray[Any]:
    y = np.empty(size, DTYPES[name])
    compiled(name)(y, seed, step, stream, first)
    return y


@pytest.mark.parametrize(("key", "counter", "words"), KNOWN_ANSWERS)
def test_known_answers(key: tuple[int, int], counter: tuple[int, int], words: tuple[int, int]) -> None:
    threefry = random.threefry

    @njit(**OPTIONS)
    def block(a, b, c, d):
        return threefry(a, b, c, d)

    assert block(*map(np.uint32, (*key, *counter))) == words
    assert tuple(int(word[0]) for word in reference_random.threefry(key, counter)) == words


PLACES = [
    (0, 0, 0, 0),
    (1, 2, 3, 4),
    (-1, 2**31, 2**32 - 1, 2**31 - 500),
    (2**62 + 12345, 7, 9, 2**32 - 500),
    (-(2**63), 2**32 + 5, 6, 2**40),
]


@pytest.mark.parametrize(("seed", "step", "stream", "first"), PLACES)
@pytest.mark.parametrize("name", DTYPES)
def test_twin(name: str, seed: int, step: int, stream: int, first: int) -> None:
    y = draw(name, 1000, seed, step, stream, first)
    twin = getattr(reference_random, name)(seed, step, stream, first + np.arange(1000))
    assert twin.dtype == y.dtype
    if name.startswith("normal"):
        # The logarithm and the cosine of NumPy: the error near a zero of the cosine is that of the angle, 2 pi * v.
        np.testing.assert_allclose(y, twin, rtol=0, atol=20 * np.finfo(y.dtype).eps)
    else:
        np.testing.assert_array_equal(y, twin)


def test_twins_have_the_same_signatures() -> None:
    for name in DTYPES:
        compiled_names = list(inspect.signature(getattr(random, name).py_func).parameters)
        assert compiled_names == list(inspect.signature(getattr(reference_random, name)).parameters)


def test_twin_keeps_the_shape_of_the_index() -> None:
    index = np.arange(12).reshape(3, 4)
    flat = reference_random.uniform(5, 6, 7, index.ravel())
    np.testing.assert_array_equal(reference_random.uniform(5, 6, 7, index), flat.reshape(3, 4))
    assert reference_random.random_bits(5, 6, 7, 3).shape == ()


@pytest.mark.parametrize("name", ["uniform", "uniform_float64"])
def test_uniform_moments_and_range(name: str) -> None:
    size = 1 << 20
    y = draw(name, size, seed=3)
    assert y.min() >= 0
    assert y.max() < 1
    # Five standard errors of the mean and of the variance of a uniform number.
    assert abs(y.mean(dtype=np.float64) - 1 / 2) < 5 * np.sqrt(1 / 12 / size)
    assert abs(y.var(dtype=np.float64) - 1 / 12) < 5 * np.sqrt(1 / 180 / size)


@pytest.mark.parametrize("name", ["normal", "normal_float64"])
def test_normal_moments_and_tail(name: str) -> None:
    size = 1 << 20
    y = draw(name, size, seed=4).astype(np.float64)
    # Five standard errors: the variances of z, z**2, z**3, z**4 are 1, 2, 15, 96.
    for power, (mean, variance) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)], start=1):
        assert abs((y**power).mean() - mean) < 5 * np.sqrt(variance / size)
    beyond_three = (abs(y) > 3).mean()
    assert abs(beyond_three - 0.0026998) < 5 * np.sqrt(0.0027 / size)
    assert 4 < abs(y).max() < 6.8


def test_bytes_are_uniform() -> None:
    size = 1 << 20
    bits = draw("random_bits", size, seed=5)
    for byte in bits.view(np.uint8).reshape(-1, 4).T:
        counts = np.bincount(byte, minlength=256)
        chi_square = ((counts - size / 256) ** 2).sum() / (size / 256)
        # 255 degrees of freedom: mean 255, standard deviation 22.6; five of them either way.
        assert 142 < chi_square < 368


@pytest.mark.parametrize("changed", ["seed", "step", "stream", "first"])
def test_neighbours_are_independent(changed: str) -> None:
    size = 1 << 18
    a = draw("random_bits", size, seed=6)
    b = draw("random_bits", size, **({"seed": 6} | {changed: 7 if changed == "seed" else 1}))
    different = np.unpackbits((a ^ b).view(np.uint8)).mean()
    # Half of the bits differ, up to five standard errors.
    assert abs(different - 0.5) < 5 * 0.5 / np.sqrt(32 * size)


def test_seed_step_and_stream_are_not_interchangeable() -> None:
    draws = {draw("random_bits", 4, *place).tobytes() for place in [(1, 2, 3), (1, 3, 2), (2, 1, 3), (3, 2, 1)]}
    assert len(draws) == 4


def test_loops_are_vector_code() -> None:
    for name in DTYPES:
        loop = compiled(name)
        loop(np.empty(1, DTYPES[name]), 0, 0, 0, 0)
        (text,) = loop.inspect_llvm().values()
        assert re.search(r"xor <\d+ x i32>", text), f"{name} does not compute in vectors"


SCRIPT = """
from nbdl.kernels.cpu.random import normal
normal(1, 2, 3, 4)
print(sum(normal.stats.cache_hits.values()))
"""


def test_a_new_process_finds_them_compiled(tmp_path: Path) -> None:
    assert outputs_of_two(SCRIPT, tmp_path) == [["0"], ["1"]]


def test_the_twin_needs_no_compiler() -> None:
    script = "import sys, nbdl.kernels.reference_random; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
