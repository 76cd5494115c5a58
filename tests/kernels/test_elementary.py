"""Elementary functions against wider arithmetic, through loops compiled with the flags that generated code has."""

import functools
import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from nbdl.kernels.cpu import elementary
from nbdl.kernels.cpu.jit import OPTIONS
from tests.kernels.processes import outputs_of_two

Array = NDArray[Any]
NAN, INF = math.nan, math.inf
LIMIT = 2.0**45

REFERENCES: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(-abs(x)), 1) / (1 + np.exp(-abs(x))),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    "erf": lambda x: np.vectorize(math.erf, otypes=[np.float64])(x),
    "sin": lambda x: np.where(abs(x) <= LIMIT, np.sin(np.clip(x, -LIMIT, LIMIT)), NAN),
    "cos": lambda x: np.where(abs(x) <= LIMIT, np.cos(np.clip(x, -LIMIT, LIMIT)), NAN),
    "atan": np.arctan,
}
# The largest errors over all float32 (bench/ulp.py), and over dense samples for float64; rounded up.
BOUNDS_32 = dict.fromkeys(REFERENCES, 2.6) | {"exp": 1.1, "log": 1.0, "erf": 1.3, "sin": 1.6, "cos": 1.6, "atan": 1.9}
BOUNDS_64 = dict.fromkeys(REFERENCES, 2.6) | {"exp": 1.1, "log": 1.0, "erf": 2.0, "sin": 1.6, "cos": 1.6}
EXTENDED = np.finfo(np.longdouble).nmant > 60


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


@functools.cache
def compiled(name: str) -> Any:
    function = getattr(elementary, name)

    @njit(**OPTIONS)
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    return loop


def apply(name: str, x: Array) -> Array:
    y = np.empty_like(x)
    compiled(name)(x, y)
    return y


def assert_close(name: str, x: Array, y: Array, exact: Array, bound: float) -> None:
    """Compare with a wider reference: the error in units of y's last place; NaN, infinity and zero must be the same."""
    expected = exact.astype(y.dtype)
    number = np.isfinite(expected) & np.isfinite(y)
    wrong = ~number & ~((y == expected) | (np.isnan(y) & np.isnan(expected)))
    assert not wrong.any(), f"{name}({x[wrong][:3]}) = {y[wrong][:3]}, expected {expected[wrong][:3]}"
    unit = np.spacing(abs(expected[number])).astype(exact.dtype)
    errors = abs(y[number].astype(exact.dtype) - exact[number]) / unit
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, f"{name}({x[number][worst]!r}) is {errors[worst]} ulp off"


@pytest.mark.parametrize("name", REFERENCES)
def test_float32_over_all_bit_patterns(name: str) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 1 << 19, dtype=np.uint32)
    x = bits.view(np.float32)
    assert_close(name, x, apply(name, x), REFERENCES[name](x.astype(np.float64)), BOUNDS_32[name])


@pytest.mark.parametrize("name", REFERENCES)
def test_float32_where_networks_use_it(name: str) -> None:
    x = np.random.default_rng(1).uniform(-12, 12, 1 << 18).astype(np.float32)
    assert_close(name, x, apply(name, x), REFERENCES[name](x.astype(np.float64)), BOUNDS_32[name])


@pytest.mark.skipif(not EXTENDED, reason="needs a long double wider than float64 as the judge")
@pytest.mark.parametrize("name", [name for name in REFERENCES if name != "erf"])
def test_float64(name: str) -> None:
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2**64, 1 << 16, dtype=np.uint64).view(np.float64)
    multiples = rng.integers(1, 2**44, 1 << 15) * (np.pi / 4)
    x = np.concatenate([bits, multiples, *(rng.uniform(-size, size, 1 << 16) for size in (1, 12, 750))])
    assert_close(name, x, apply(name, x), REFERENCES[name](x.astype(np.longdouble)), BOUNDS_64[name])


def test_float64_erf() -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-6.5, 6.5, 1 << 16), np.exp(rng.uniform(-700, 2, 1 << 14))])
    # The judge is itself a float64, up to one unit off.
    assert_close("erf", x, apply("erf", x), REFERENCES["erf"](x), BOUNDS_64["erf"] + 1)


EDGES = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e30, INF), (-1e30, 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (1e-30, 1e-30), (-1e30, -1.0)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (-1.0, NAN), (INF, INF), (-INF, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (-2.0, NAN), (INF, INF), (-INF, NAN), (1e-30, 1e-30)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (30.0, 1.0), (-1e30, -1.0), (1e-30, 1e-30)],
    "sigmoid": [(0.0, 0.5), (INF, 1.0), (-INF, 0.0), (1e30, 1.0), (-1e30, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (1e30, 1e30), (-1e30, 0.0)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (7.0, 1.0), (-1e30, -1.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (1e30, NAN), (1e-30, 1e-30)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN), (1e30, NAN), (1e-30, 1.0)],
    "atan": [(0.0, 0.0), (-0.0, -0.0), (INF, math.pi / 2), (-INF, -math.pi / 2), (1.0, math.pi / 4), (1e-30, 1e-30)],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EDGES)
def test_edges(name: str, dtype: type) -> None:
    x, expected = (np.array(column, dtype) for column in zip(*EDGES[name], (NAN, NAN), strict=True))
    y = apply(name, x)
    np.testing.assert_array_equal(y, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_meets_overflow_and_the_last_subnormal(dtype: type) -> None:
    info = np.finfo(dtype)
    highest, lowest = dtype(np.log(info.max)), dtype(np.log(np.longdouble(info.smallest_subnormal)))
    x = np.array([highest, np.nextafter(highest, dtype(INF)), lowest, lowest - dtype(1)], dtype)
    x[0] = np.nextafter(highest, dtype(0))
    y = apply("exp", x)
    assert 0.99 * info.max < y[0] < INF
    assert y[2] == info.smallest_subnormal
    assert y[3] == 0
    assert np.isinf(apply("exp", x[1:2] * dtype(1.001))).all()


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "erf"])
def test_saturating_functions_stay_in_range_and_rise(name: str) -> None:
    x = np.linspace(-20, 20, 1 << 16, dtype=np.float32)
    y = apply(name, x)
    assert abs(y).max() <= 1
    # Neighbours may swap by the rounding of the formula: two units in the last place.
    assert (np.diff(y) >= -2 * np.spacing(abs(y[1:]))).all()


def test_cos_turns_is_exact_at_quarter_turns() -> None:
    x = np.array([0.0, 0.25, 0.5, 0.75, 1.0, -0.25, 1000.5, 2.0**20], np.float32)
    np.testing.assert_array_equal(apply("cos_turns", x), [1, 0, -1, 0, 1, 0, -1, 1])
    x = np.random.default_rng(4).uniform(-2, 2, 1 << 16).astype(np.float32)
    exact = np.cos(2 * np.pi * x.astype(np.float64))
    # Near a zero of the cosine 2 pi * r carries half a unit more than the cosine itself.
    np.testing.assert_allclose(apply("cos_turns", x), exact, rtol=2.5e-7, atol=1e-14)


def power(x: Array, y: Array) -> Array:
    function = elementary.pow

    @njit(**OPTIONS)
    def loop(x, y, z):
        for i in range(x.size):
            z[i] = function(x[i], y[i])

    z = np.empty_like(x)
    loop(x, y, z)
    return z


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_power_of_special_values(dtype: type) -> None:
    info = np.finfo(dtype)
    values = [0, 0.5, 1, 1 + info.eps, 1.5, 2, 3, 1e10, 2.0**23 + 1, 2.0**53 - 1, info.tiny, info.max, INF, NAN]
    values = [sign * value for value in [*values, info.smallest_subnormal] for sign in (1, -1)]
    x, y = np.array(list(itertools.product(values, values)), dtype).T.copy()
    wide = np.float64 if dtype == np.float32 else np.longdouble
    z, expected = power(x, y), np.power(x.astype(wide), y.astype(wide))
    assert_close("pow", x, z, expected, 2)
    numbers = ~np.isnan(z)
    np.testing.assert_array_equal(np.signbit(z[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 0.6), (np.float64, 1.5)])
def test_power_over_its_whole_range(dtype: type, bound: float) -> None:
    rng = np.random.default_rng(6)
    x = np.exp(rng.normal(0, 20, 1 << 17)).astype(dtype)
    x[::2] = np.exp(rng.normal(0, 1e-3, 1 << 16))
    largest = np.log(np.finfo(dtype).max)
    y = (rng.uniform(-1.05, 1.05, x.size) * largest / np.maximum(abs(np.log(x)), 1e-6)).astype(dtype)
    if dtype == np.float64 and not EXTENDED:
        pytest.skip("needs a long double wider than float64 as the judge")
    wide = np.float64 if dtype == np.float32 else np.longdouble
    assert_close("pow", x, power(x, y), np.power(x.astype(wide), y.astype(wide)), bound)


def test_power_converts_the_exponent() -> None:
    function = elementary.pow

    @njit(**OPTIONS)
    def square(x):
        return function(x, 2), function(x, 2.0)

    for dtype in (np.float32, np.float64):
        assert square(dtype(-3)) == (9, 9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", elementary.__all__)
def test_loops_are_vector_code(name: str, dtype: type) -> None:
    if name == "pow":
        function = elementary.pow

        @njit(**OPTIONS)
        def loop(x, y):
            for i in range(x.size):
                y[i] = function(x[i], y[i])

    else:
        loop = compiled.__wrapped__(name)  # one signature only
    loop(np.ones(1, dtype), np.ones(1, dtype))
    (text,) = loop.inspect_llvm().values()
    kind = "float" if dtype == np.float32 else "double"
    assert re.search(rf"load <\d+ x {kind}>", text), "the loop does not load vectors"
    assert not re.findall(r"call [^@]*@\w*(?:exp|log|tanh|erf|sin|cos|pow)\w*\(", text), "the loop calls a library"


SCRIPT = """
import numpy as np
from nbdl.kernels.cpu.elementary import exp, pow, sin
for f, arguments in ((exp, 1), (sin, 1), (pow, 2)):
    for dtype in (np.float32, np.float64):
        f(*[dtype(1)] * arguments)
    print(sum(f.stats.cache_hits.values()))
"""


def test_a_new_process_finds_them_compiled(tmp_path: Path) -> None:
    assert outputs_of_two(SCRIPT, tmp_path) == [["0", "0", "0"], ["2", "2", "2"]]
