"""Fit the polynomials of `nbdl/kernels/cpu/coefficients.py` and print that file.

    python bench/fit_polynomials.py > nbdl/kernels/cpu/coefficients.py

Needs mpmath. Each polynomial is the minimax solution of `|weight(x) * (target(x) - p(x))| -> min` on an interval, found
with the Remez exchange in 100-digit arithmetic: solve for the coefficients and the levelled error on a reference set,
move the reference to the extrema of the error, repeat. `weight` turns its error into the relative error
of the function it serves. The mathematics: E. W. Cheney, Introduction to Approximation Theory (1966), chapter 3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf

mp.dps = 100
Real = Any
Function = Callable[[Real], Real]


class Fit(NamedTuple):
    """One table: what to approximate, where, and the degree and storage type of each precision."""

    name: str
    meaning: str
    target: Function
    weight: Function
    low: Real
    high: Real | tuple[Real, Real]
    degrees: tuple[int, int]


def chebyshev_points(low: Real, high: Real, count: int) -> list[Real]:
    """Return `count` extrema of a Chebyshev polynomial moved to `[low, high]`, in increasing order."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle - half * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]


def levelled(target: Function, weight: Function, points: list[Real]) -> tuple[list[Real], Real]:
    """Solve for the polynomial whose weighted error alternates with equal size on `points`."""
    size = len(points)
    matrix, right = mp.matrix(size, size), mp.matrix(size, 1)
    for row, x in enumerate(points):
        for column in range(size - 1):
            matrix[row, column] = x**column
        matrix[row, size - 1] = (-1) ** row / weight(x)
        right[row] = target(x)
    solution = mp.lu_solve(matrix, right)
    return list(solution[: size - 1]), abs(solution[size - 1])


def extrema(error: Function, low: Real, high: Real, count: int) -> list[Real]:
    """Return the `count` largest alternating extrema of `error`, read off a fine Chebyshev grid."""
    grid = chebyshev_points(low, high, 40 * count)
    values = [error(x) for x in grid]
    runs: list[int] = []
    for i, value in enumerate(values):
        if runs and mp.sign(values[runs[-1]]) == mp.sign(value):
            runs[-1] = i if abs(value) > abs(values[runs[-1]]) else runs[-1]
        else:
            runs.append(i)
    while len(runs) > count:
        runs.pop(0 if abs(values[runs[0]]) < abs(values[runs[-1]]) else -1)
    return [grid[i] for i in runs]


def remez(target: Function, weight: Function, low: Real, high: Real, degree: int) -> tuple[list[Real], Real]:
    """Return the minimax coefficients, lowest degree first, and the largest weighted error."""
    points = chebyshev_points(low, high, degree + 2)
    for _ in range(12):
        coefficients, level = levelled(target, weight, points)

        def error(x: Real, coefficients: list[Real] = coefficients) -> Real:
            return weight(x) * (target(x) - mp.polyval(coefficients[::-1], x))

        points = extrema(error, low, high, degree + 2)
        largest = max(abs(error(x)) for x in points)
        if largest < level * mpf("1.001") or len(points) < degree + 2:
            break
    return coefficients, largest


def away_from_zero(x: Real) -> Real:
    """Move an argument at a removable singularity a hair away from it: the digits lost are beyond the 60 we keep."""
    return x if abs(x) > mpf(10) ** -25 else mpf(10) ** -25


def removable(function: Function) -> Function:
    """Wrap a quotient that is 0/0 at zero."""
    return lambda x: function(away_from_zero(x))


HALF_LN2 = mp.log(2) / 2 * mpf("1.0001")
LOG_LOW, LOG_HIGH = mp.sqrt(mpf("0.5")) - 1, mp.sqrt(2) - 1
ATANH_LIMIT = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
QUADRANT = (mp.pi / 4 * mpf("1.01")) ** 2
EIGHTH_TURN = mp.tan(mp.pi / 8 * mpf("1.001")) ** 2


def log_erfc(x: Real) -> Real:
    """Return log(erfc(x))."""
    return mp.log(mp.erfc(x))


FITS = [
    Fit("EXP", "(exp(r) - 1 - r) / r**2, |r| <= ln(2)/2", removable(lambda r: (mp.expm1(r) - r) / r**2),
        removable(lambda r: abs(r**2 / mp.expm1(r))), -HALF_LN2, HALF_LN2, (4, 10)),
    Fit("LOG", "(log(1 + f) - f + f**2/2) / f**3, 1 + f in [sqrt(1/2), sqrt(2)]",
        removable(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3), removable(lambda f: f**3 / mp.log1p(f)),
        LOG_LOW, LOG_HIGH, (7, 19)),
    Fit("ERF", "erf(x) / x - 1 in z = x**2, z <= 1", removable(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1),
        removable(lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z))), mpf(0), mpf(1), (6, 11)),
    Fit("LOG_ERFC", "log(erfc(1 + t)), t in [0, 3] and [0, 5]", lambda t: log_erfc(1 + t),
        lambda t: mp.erfc(1 + t), mpf(0), (mpf(3), mpf(5)), (6, 17)),
    Fit("SIN", "(sin(r) - r) / r**3 in z = r**2, |r| <= pi/4",
        removable(lambda z: (mp.sin(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3),
        removable(lambda z: mp.sqrt(z) ** 3 / mp.sin(mp.sqrt(z))), mpf(0), QUADRANT, (2, 5)),
    Fit("COS", "(cos(r) - 1 + r**2/2) / r**4 in z = r**2, |r| <= pi/4",
        removable(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2),
        removable(lambda z: z**2 / mp.cos(mp.sqrt(z))), mpf(0), QUADRANT, (2, 5)),
    Fit("ATAN", "(atan(t) - t) / t**3 in z = t**2, |t| <= tan(pi/8)",
        removable(lambda z: (mp.atan(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3),
        removable(lambda z: mp.sqrt(z) ** 3 / mp.atan(mp.sqrt(z))), mpf(0), EIGHTH_TURN, (4, 10)),
    Fit("LOG2", "log2(1 + f) / f, 1 + f in [sqrt(1/2), sqrt(2)]; in float64 for the float32 power",
        removable(lambda f: mp.log(1 + f, 2) / f), removable(lambda f: f / mp.log(1 + f, 2)),
        LOG_LOW, LOG_HIGH, (12, 12)),
    Fit("EXP2", "2**r, |r| <= 1/2; in float64 for the float32 power", lambda r: mpf(2) ** r,
        lambda r: mpf(2) ** -r, mpf("-0.5001"), mpf("0.5001"), (6, 6)),
    Fit("ATANH", "(atanh(s) / s - 1 - s**2/3) / s**4 in z = s**2; in the float64 power",
        removable(lambda z: (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1 - z / 3) / z**2),
        removable(lambda z: z**2), mpf(0), ATANH_LIMIT, (6, 6)),
]  # fmt: skip

HEADER = '''"""Polynomial coefficients of the elementary functions, lowest degree first, by `bench/fit_polynomials.py`.

The comment over each table says what it approximates and the largest weighted error, in units of the last place.
"""
'''


def table(fit: Fit, dtype: type, index: int) -> str:
    """Fit one polynomial and print it as a tuple of `dtype` values."""
    high = fit.high[index] if isinstance(fit.high, tuple) else fit.high
    coefficients, error = remez(fit.target, fit.weight, fit.low, high, fit.degrees[index])
    ulps = float(error / mpf(float(np.finfo(dtype).eps)))
    rows = "".join(f"    {float(dtype(float(c)))!r},\n" for c in coefficients)
    bits = np.dtype(dtype).itemsize * 8
    return f"# {fit.meaning}: {ulps:.2g} ulp\n{fit.name}_{bits} = (\n{rows})\n"


def main() -> None:
    """Print the module."""
    tables = []
    for fit in FITS:
        if fit.degrees[0] != fit.degrees[1]:
            tables.append(table(fit, np.float32, 0))
        tables.append(table(fit, np.float64, 1))
    print("\n".join([HEADER, *tables]), end="")


if __name__ == "__main__":
    main()
