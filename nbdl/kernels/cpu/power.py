"""The power x**y = exp(y * log(x)), with a logarithm that has as many spare digits as the product needs."""

import numpy as np
from numba import types
from numba.extending import overload

from nbdl.kernels.cpu import coefficients as table
from nbdl.kernels.cpu.exponential import (
    EXP_HIGHEST,
    EXP_LOWEST,
    MANTISSA,
    SMALLEST_NORMAL,
    TWO_TO_MANTISSA,
    exp_reduced,
)
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
    like,
    limit,
    magnitude,
    nearest,
    polynomial,
    power_of_two,
    scalar,
    scale,
    select,
    split,
    with_sign,
)

POWER_LIMIT = constant(2.0**40, 2.0**70)
THIRD_HIGH = constant(0.3333333333333333)
THIRD_LOW = constant(1.850371707708594e-17)
# Short enough that its product with any exponent is exact.
LN2_SHORT = constant(0.6931471805598903)
LN2_REST = constant(5.497923018708371e-14)
log2_ratio = polynomial(table.LOG2_64)
exp2_near = polynomial(table.EXP2_64)
atanh_tail = polynomial(table.ATANH_64)


def power_of_magnitude(a, y):
    """Return a**y for a >= 0, except where y * log(a) is 0 * inf."""
    raise NotImplementedError("only inside a compiled function")


@scalar
def power_float32(a, y):
    """Return a**y = 2**(y * log2(a)), in float64: the product needs 8 bits more than the result has."""
    wide = np.float64(a)
    m, e = split(wide)
    f = m - ONE(wide)
    logarithm = fma(f, log2_ratio(f), e)
    logarithm = select(wide == ZERO(wide), -INFINITY(wide), select(wide < INFINITY(wide), logarithm, wide))
    t = limit(np.float64(y) * logarithm, -200.0, 200.0)
    shifted = t + SHIFT(t)
    return np.float32(exp2_near(t - (shifted - SHIFT(t))) * power_of_two(shifted))


@scalar
def log_in_two_parts(m, e):
    """Return (high, low) with high + low = log(m * 2**e) to about 65 bits, for m in [sqrt(1/2), sqrt(2)].

    log(m) = 2 * atanh(s) with s = (m - 1) / (m + 1); all that matters is carried as a sum of two numbers:
    s, the factor 1 + s**2/3 + ..., their product, and the sum with e * ln(2).
    """
    f, d = m - ONE(m), m + ONE(m)
    inverse = ONE(m) / d
    s = f * inverse
    s_low = fma(-s, m - (d - ONE(m)), fma(-s, d, f)) * inverse
    z = s * s
    z_low = fma(s, s, -z) + TWO(m) * s * s_low
    w = z * THIRD_HIGH(m)
    w_low = fma(z, THIRD_HIGH(m), -w) + fma(z, THIRD_LOW(m), fma(z_low, THIRD_HIGH(m), z * z * atanh_tail(z)))
    product = s * w
    product_low = fma(s, w, -product) + fma(s, w_low, fma(s_low, w, s_low))
    half = s + product
    half_low = ((s - half) + product) + product_low
    exponent = e * LN2_SHORT(m)
    high = exponent + TWO(m) * half
    low = ((exponent - high) + TWO(m) * half) + fma(e, LN2_REST(m), TWO(m) * half_low)
    total = high + low
    return total, (high - total) + low


@scalar
def power_float64(a, y):
    """Return a**y = exp(y * log(a)) with the logarithm and the product in two parts."""
    subnormal = a < SMALLEST_NORMAL(a)
    m, e = split(select(subnormal, a * TWO_TO_MANTISSA(a), a))
    high, low = log_in_two_parts(m, e - select(subnormal, MANTISSA(a), ZERO(a)))
    high = select(a == ZERO(a), -INFINITY(a), select(a < INFINITY(a), high, a))
    t = y * high
    t_low = fma(y, high, -t) + y * low
    # Out there the result is 0 or infinite, and the low part may be inf - inf.
    t_low = select(magnitude(t) < -EXP_LOWEST(t), t_low, ZERO(t))
    p, shifted = exp_reduced(limit(t, EXP_LOWEST(t), EXP_HIGHEST(t)), SHIFT(t))
    return scale(ONE(p) + fma(ONE(p) + p, t_low, p), shifted)


@overload(power_of_magnitude, jit_options={"fastmath": False, "forceinline": True})
def power_by_type(a, y):
    """Choose the arithmetic of a precision."""
    if a == types.float32:
        return lambda a, y: power_float32(a, y)
    return lambda a, y: power_float64(a, y)


@scalar
def pow(x, y):
    """Return x**y with the special cases of IEEE 754: x < 0 with an integer y, zeros, infinities, NaN.

    `y` is converted to the type of `x`.
    """
    # Beyond the limit the result is that of an infinite y, and y is an even integer in both cases. Finite, it makes
    # y * log(1) zero and not NaN.
    y = limit(like(y, x), -POWER_LIMIT(x), POWER_LIMIT(x))
    half = HALF(y) * y
    is_integer = nearest(y) == y
    is_odd_integer = is_integer & (nearest(half) != half)
    a = magnitude(x)
    result = power_of_magnitude(a, y)
    of_negative = select(is_integer | (a == INFINITY(x)), result, NAN(x))
    result = select(x < ZERO(x), of_negative, result)
    result = select(is_odd_integer, with_sign(result, x), result)
    return select((y == ZERO(y)) | (x == ONE(x)), ONE(x), result)
