"""Elementary functions as branch-free scalar code, so that a loop that calls them becomes full-width vector code.

`for i in range(n): y[i] = exp(x[i])` calls the C library once an element, unless every function in it is
arithmetic and selects. Each function takes float32 or float64 and returns the same type; all but the power work in that type.
"""

import numpy as np
from numba import types
from numba.extending import overload

from nbdl.kernels.cpu import coefficients as table
from nbdl.kernels.cpu.floats import (
    SHIFT,
    constant,
    fma,
    is_odd,
    like,
    magnitude,
    nearest,
    negate_half_turns,
    polynomial,
    power_of_two,
    scalar,
    scale,
    select,
    split,
    with_sign,
)

ZERO = constant(0.0)
HALF = constant(0.5)
ONE = constant(1.0)
TWO = constant(2.0)
INFINITY = constant(float("inf"))
NAN = constant(float("nan"))

LOG2_E = constant(1.4426950408889634)
# ln(2) in two parts. With a fused multiply-add k * LN2_HIGH needs no spare bits: x - k * LN2_HIGH is exact.
LN2_HIGH = constant(float(np.float32(0.6931471805599453)), 0.6931471805599453)
LN2_LOW = constant(0.6931471805599453 - float(np.float32(0.6931471805599453)), 2.3190468138462996e-17)

# exp is 0 below the first and infinite above the second; expm1 is -1 below the third.
EXP_LOWEST = constant(-104.0, -746.0)
EXP_HIGHEST = constant(89.0, 710.0)
EXPM1_LOWEST = constant(-18.0, -40.0)

SMALLEST_NORMAL = constant(2.0**-126, 2.0**-1022)
MANTISSA = constant(24.0, 53.0)
TWO_TO_MANTISSA = constant(2.0**24, 2.0**53)

exp_tail = polynomial(table.EXP_32, table.EXP_64)
log_tail = polynomial(table.LOG_32, table.LOG_64)
erf_near = polynomial(table.ERF_32, table.ERF_64)
log_erfc = polynomial(table.LOG_ERFC_32, table.LOG_ERFC_64)
ERF_FLAT = constant(4.0, 6.0)

# pi/2 in three parts, used as ln(2) above; two are enough for a float32 argument reduced in float64.
TWO_OVER_PI = constant(0.6366197723675814)
HALF_PI_HIGH = constant(1.5707963267948966)
HALF_PI_MIDDLE = constant(6.123233995736766e-17)
HALF_PI_LOW = constant(-1.4973849048591698e-33)
TRIGONOMETRIC_LIMIT = constant(2.0**45)
sin_tail = polynomial(table.SIN_32, table.SIN_64)
cos_tail = polynomial(table.COS_32, table.COS_64)

THIRD_HIGH = constant(0.3333333333333333)
THIRD_LOW = constant(1.850371707708594e-17)
# Short enough that its product with any exponent is exact.
LN2_SHORT = constant(0.6931471805598903)
LN2_REST = constant(5.497923018708371e-14)
log2_ratio = polynomial(table.LOG2_64)
exp2_near = polynomial(table.EXP2_64)
atanh_tail = polynomial(table.ATANH_64)


@scalar
def clip(x, low, high):
    """Return x limited to [low, high]; NaN stays NaN, as both comparisons are false."""
    x = select(x < low, low, x)
    return select(x > high, high, x)


@scalar
def exp_reduced(x):
    """Return (p, shifted) with exp(x) = (1 + p) * 2**k, |p| < 0.42, `shifted` = SHIFT + k."""
    shifted = fma(x, LOG2_E(x), SHIFT(x))
    k = shifted - SHIFT(x)
    r = fma(-k, LN2_LOW(x), fma(-k, LN2_HIGH(x), x))
    return fma(r * r, exp_tail(r), r), shifted


@scalar
def exp(x):
    """Return e**x."""
    p, shifted = exp_reduced(clip(x, EXP_LOWEST(x), EXP_HIGHEST(x)))
    return scale(ONE(x) + p, shifted)


@scalar
def expm1(x):
    """Return e**x - 1, accurate near 0."""
    p, shifted = exp_reduced(clip(x, EXPM1_LOWEST(x), EXP_HIGHEST(x)))
    # Half of it, doubled: 2**128 is not a float32 but 2**127 is.
    half = power_of_two(shifted - ONE(x))
    return with_sign(TWO(x) * fma(half, p, half - HALF(x)), x)


@scalar
def tanh(x):
    """Return the hyperbolic tangent, from t = expm1(-2|x|): |tanh(x)| = -t / (2 + t)."""
    t = expm1(-TWO(x) * magnitude(x))
    return with_sign(t / (TWO(x) + t), x)


@scalar
def sigmoid(x):
    """Return 1 / (1 + e**-x), from e**-|x|, which can't overflow and keeps tiny results."""
    e = exp(-magnitude(x))
    return select(x < ZERO(x), e, ONE(x)) / (ONE(x) + e)


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
    """Return log(1 + e**x) = max(x, 0) + log1p(e**-|x|)."""
    return select(x > ZERO(x), x, ZERO(x)) + log1p(exp(-magnitude(x)))


@scalar
def erf(x):
    """Return the error function: x * P(x**2) up to 1, then 1 - erfc with erfc = exp(Q(|x| - 1))."""
    a = magnitude(x)
    near = a * erf_near(x * x)
    far = ONE(x) - exp(log_erfc(select(a > ERF_FLAT(x), ERF_FLAT(x), a) - ONE(x)))
    return with_sign(select(a < ONE(x), near, far), x)


def quadrant(x):
    """Return (r, shifted): x = r + k * pi/2 with |r| <= pi/4 and `shifted` = SHIFT + k."""
    raise NotImplementedError("only inside a compiled function")


@scalar
def quadrant_float64(x):
    """Reduce in three exact or once-rounded steps: x - k * HALF_PI_HIGH is exact, so what is left keeps all its digits."""
    shifted = fma(x, TWO_OVER_PI(x), SHIFT(x))
    k = shifted - SHIFT(x)
    r = fma(-k, HALF_PI_MIDDLE(x), fma(-k, HALF_PI_HIGH(x), x))
    return fma(-k, HALF_PI_LOW(x), r), shifted


@scalar
def quadrant_float32(x):
    """Reduce in float64: a float32 next to a multiple of pi/2 shares up to 50 bits with it."""
    wide = np.float64(x)
    shifted = fma(wide, TWO_OVER_PI(wide), SHIFT(wide))
    k = shifted - SHIFT(wide)
    return np.float32(fma(-k, HALF_PI_MIDDLE(wide), fma(-k, HALF_PI_HIGH(wide), wide))), shifted


@overload(quadrant, jit_options={"fastmath": False, "forceinline": True})
def quadrant_by_type(x):
    """Choose the reduction of a precision."""
    if x == types.float32:
        return lambda x: quadrant_float32(x)
    return lambda x: quadrant_float64(x)


@scalar
def sin_near(r):
    """Return sin(r) for |r| <= pi/4."""
    square = r * r
    return fma(r * square, sin_tail(square), r)


@scalar
def cos_near(r):
    """Return cos(r) for |r| <= pi/4."""
    square = r * r
    return fma(square * square, cos_tail(square), fma(-HALF(r), square, ONE(r)))


@scalar
def sin(x):
    """Return the sine of |x| <= 2**45; NaN beyond, where the argument reduction has no digits left."""
    r, shifted = quadrant(x)
    result = negate_half_turns(select(is_odd(shifted), cos_near(r), sin_near(r)), shifted)
    result = select(x == ZERO(x), x, result)
    return select(magnitude(x) <= TRIGONOMETRIC_LIMIT(x), result, NAN(x))


@scalar
def cos(x):
    """Return the cosine of |x| <= 2**45; NaN beyond, where the argument reduction has no digits left."""
    r, shifted = quadrant(x)
    result = select(is_odd(shifted), sin_near(r), cos_near(r))
    result = negate_half_turns(result, shifted + ONE(shifted))
    return select(magnitude(x) <= TRIGONOMETRIC_LIMIT(x), result, NAN(x))


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
    t = clip(np.float64(y) * logarithm, -200.0, 200.0)
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
    p, shifted = exp_reduced(clip(t, EXP_LOWEST(t), EXP_HIGHEST(t)))
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
    y = like(y, x)
    half = HALF(y) * y
    y_is_integer = nearest(y) == y
    y_is_odd = y_is_integer & (nearest(half) != half)
    a = magnitude(x)
    result = power_of_magnitude(a, y)
    result = select((a == ONE(x)) & (y == y), ONE(x), result)
    result = select((x < ZERO(x)) & (a < INFINITY(x)) & ~y_is_integer, NAN(x), result)
    result = select(y_is_odd, with_sign(result, x), result)
    return select((y == ZERO(y)) | (x == ONE(x)), ONE(x), result)
