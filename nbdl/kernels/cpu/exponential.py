"""Exponentials, logarithms and what is made of them: tanh, sigmoid, softplus, erf."""

import numpy as np

from nbdl.kernels.cpu import coefficients as table
from nbdl.kernels.cpu.floats import (
    HALF,
    INFINITY,
    NAN,
    ONE,
    SHIFT,
    TWO,
    ZERO,
    constant,
    fma,
    limit,
    magnitude,
    polynomial,
    power_of_two,
    scalar,
    scale,
    select,
    split,
    with_sign,
)

LOG2_E = constant(1.4426950408889634)
# ln(2) in two parts. With a fused multiply-add k * LN2_HIGH needs no spare bits: x - k * LN2_HIGH is exact.
LN2_HIGH = constant(float(np.float32(0.6931471805599453)), 0.6931471805599453)
LN2_LOW = constant(0.6931471805599453 - float(np.float32(0.6931471805599453)), 2.3190468138462996e-17)

# exp is 0 below the first and infinite above the second; expm1 is -1 below the third.
EXP_LOWEST = constant(-104.0, -746.0)
EXP_HIGHEST = constant(89.0, 710.0)
EXPM1_LOWEST = constant(-18.0, -40.0)

# Every exp(-|x|) that isn't 0 is a normal number if it is multiplied by 2**RAISE.
RAISE = constant(64.0)
RAISED_ONE = constant(2.0**64)

SMALLEST_NORMAL = constant(2.0**-126, 2.0**-1022)
MANTISSA = constant(24.0, 53.0)
TWO_TO_MANTISSA = constant(2.0**24, 2.0**53)

exp_tail = polynomial(table.EXP_32, table.EXP_64)
log_tail = polynomial(table.LOG_32, table.LOG_64)
erf_near = polynomial(table.ERF_32, table.ERF_64)
log_erfc = polynomial(table.LOG_ERFC_32, table.LOG_ERFC_64)
SQRT_TWO_LESS_ONE = constant(0.41421356)
ERF_FLAT = constant(4.0, 6.0)


@scalar
def exp_reduced(x, shift):
    """Return (p, shifted) with exp(x) = (1 + p) * 2**k, |p| < 0.42, `shifted` = shift + k."""
    shifted = fma(x, LOG2_E(x), shift)
    k = shifted - shift
    r = fma(-k, LN2_LOW(x), fma(-k, LN2_HIGH(x), x))
    return fma(r * r, exp_tail(r), r), shifted


@scalar
def exp(x):
    """Return e**x."""
    p, shifted = exp_reduced(limit(x, EXP_LOWEST(x), EXP_HIGHEST(x)), SHIFT(x))
    return scale(ONE(x) + p, shifted)


@scalar
def expm1(x):
    """Return e**x - 1, accurate near 0."""
    p, shifted = exp_reduced(limit(x, EXPM1_LOWEST(x), EXP_HIGHEST(x)), SHIFT(x))
    # Half of it, doubled: 2**128 is not a float32 but 2**127 is.
    half = power_of_two(shifted - ONE(x))
    return with_sign(TWO(x) * fma(half, p, half - HALF(x)), x)


@scalar
def tanh(x):
    """Return the hyperbolic tangent, from t = expm1(-2|x|): |tanh(x)| = -t / (2 + t)."""
    y = -TWO(x) * magnitude(x)
    p, shifted = exp_reduced(select(y < EXPM1_LOWEST(x), EXPM1_LOWEST(x), y), SHIFT(x))
    unit = power_of_two(shifted)
    t = fma(unit, p, unit - ONE(x))
    return with_sign(t / (TWO(x) + t), x)


@scalar
def sigmoid(x):
    """Return 1 / (1 + e**-x), from e**-|x|, which can't overflow and keeps tiny results."""
    y = -magnitude(x)
    p, shifted = exp_reduced(select(y < EXP_LOWEST(x), EXP_LOWEST(x), y), SHIFT(x) + RAISE(x))
    raised = power_of_two(shifted)
    e = fma(raised, p, raised)  # numerator and denominator times 2**RAISE
    return select(x < ZERO(x), e, RAISED_ONE(x)) / (RAISED_ONE(x) + e)


@scalar
def log_reduced(f, e):
    """Return log((1 + f) * 2**e) for 1 + f in [sqrt(1/2), sqrt(2)]."""
    square = f * f
    tail = fma(-HALF(f), square, square * f * log_tail(f))
    return fma(e, LN2_HIGH(f), f + fma(e, LN2_LOW(f), tail))


@scalar
def log(x):
    """Return the natural logarithm; -inf at 0, NaN below."""
    subnormal = x < SMALLEST_NORMAL(x)
    m, e = split(select(subnormal, x * TWO_TO_MANTISSA(x), x))
    result = log_reduced(m - ONE(x), e - select(subnormal, MANTISSA(x), ZERO(x)))
    result = select(x < INFINITY(x), result, x)
    return select(x > ZERO(x), result, select(x == ZERO(x), -INFINITY(x), NAN(x)))


@scalar
def log1p(x):
    """Return log(1 + x), accurate near 0; -inf at -1, NaN below."""
    u = ONE(x) + x
    lost = select(x < ONE(x), x - (u - ONE(x)), ONE(x) - (u - x))
    m, e = split(u)
    # What rounding 1 + x lost, in the units of m; far out it is nothing, and 2**-e may leave the normal range there.
    lost = select(x < TWO_TO_MANTISSA(x), lost * power_of_two(SHIFT(x) - e), ZERO(x))
    result = with_sign(log_reduced((m - ONE(x)) + lost, e), x)
    result = select(x < INFINITY(x), result, x)
    return select(u > ZERO(x), result, select(x == -ONE(x), -INFINITY(x), NAN(x)))


@scalar
def softplus(x):
    """Return log(1 + e**x) = max(x, 0) + log(1 + e**-|x|)."""
    e = exp(-magnitude(x))
    # 1 + e is in (1, 2]: above sqrt(2) it is 2 * (1 + (e - 1) / 2), and no digit is lost in either form.
    halve = e > SQRT_TWO_LESS_ONE(x)
    tail = log_reduced(select(halve, HALF(x) * (e - ONE(x)), e), select(halve, ONE(x), ZERO(x)))
    return select(x > ZERO(x), x, ZERO(x)) + tail


@scalar
def erf(x):
    """Return the error function: x + x * P(x**2) up to 1, then 1 - erfc with erfc = exp(Q(|x| - 1))."""
    a = magnitude(x)
    near = fma(a, erf_near(x * x), a)
    far = ONE(x) - exp(log_erfc(select(a > ERF_FLAT(x), ERF_FLAT(x), a) - ONE(x)))
    return with_sign(select(a < ONE(x), near, far), x)
