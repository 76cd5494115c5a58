"""Sine and cosine: reduced to a quadrant, then a polynomial of each, of which the quadrant selects one and its sign.

And the arc tangent: reduced to half of an eighth of a turn, then a polynomial.
"""

import numpy as np
from numba import types
from numba.extending import overload

from nbdl.kernels.cpu import coefficients as table
from nbdl.kernels.cpu.floats import (
    HALF,
    NAN,
    ONE,
    SHIFT,
    ZERO,
    constant,
    fma,
    is_odd,
    magnitude,
    negate_half_turns,
    polynomial,
    scalar,
    select,
    with_sign,
)

# pi/2 in three parts, used as ln(2) above; two are enough for a float32 argument reduced in float64.
FOUR, QUARTER, TURN = constant(4.0), constant(0.25), constant(6.283185307179586)
TWO_OVER_PI = constant(0.6366197723675814)
HALF_PI_HIGH = constant(1.5707963267948966)
HALF_PI_MIDDLE = constant(6.123233995736766e-17)
HALF_PI_LOW = constant(-1.4973849048591698e-33)
TRIGONOMETRIC_LIMIT = constant(2.0**45)
sin_tail = polynomial(table.SIN_32, table.SIN_64)
cos_tail = polynomial(table.COS_32, table.COS_64)
atan_tail = polynomial(table.ATAN_32, table.ATAN_64)
# tan(pi/8) and tan(3 pi/8); and the low parts of pi/4 and pi/2, what their rounding leaves
LOW_SLOPE, HIGH_SLOPE = constant(0.41421356), constant(2.4142135)
QUARTER_PI, HALF_PI = constant(0.7853981633974483), constant(1.5707963267948966)
QUARTER_PI_REST = constant(0.7853981633974483 - float(np.float32(0.7853981633974483)), 3.061616997868383e-17)
HALF_PI_REST = constant(1.5707963267948966 - float(np.float32(1.5707963267948966)), 6.123233995736766e-17)


def quadrant(x):
    """Return (r, shifted): x = r + k * pi/2 with |r| <= pi/4 and `shifted` = SHIFT + k."""
    raise NotImplementedError("only inside a compiled function")


@scalar
def quadrant_float64(x):
    """Reduce in three steps: x - k * HALF_PI_HIGH is exact, the others round once, so the rest has all its digits."""
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
def cos_of_quadrant(r, shifted):
    """Return cos(r + k * pi/2) for |r| <= pi/4 and `shifted` = SHIFT + k."""
    result = select(is_odd(shifted), sin_near(r), cos_near(r))
    return negate_half_turns(result, shifted + ONE(shifted))


@scalar
def cos_turns(x):
    """Return cos(2 pi x) for |x| <= 2**20; in turns the reduction is exact in the type of `x`."""
    shifted = fma(x, FOUR(x), SHIFT(x))
    r = fma(-QUARTER(x), shifted - SHIFT(x), x)
    return cos_of_quadrant(TURN(x) * r, shifted)


@scalar
def cos(x):
    """Return the cosine of |x| <= 2**45; NaN beyond, where the argument reduction has no digits left."""
    r, shifted = quadrant(x)
    result = cos_of_quadrant(r, shifted)
    return select(magnitude(x) <= TRIGONOMETRIC_LIMIT(x), result, NAN(x))


@scalar
def atan(x):
    """Return the arc tangent, from atan(a) = c + atan((a - tan c) / (1 + a tan c)) for c = 0, pi/4 or pi/2."""
    a = magnitude(x)
    steep, flat = a > HIGH_SLOPE(x), a < LOW_SLOPE(x)
    above = select(steep, -ONE(x), select(flat, a, a - ONE(x)))
    below = select(steep, a, select(flat, ONE(x), a + ONE(x)))
    t = above / below
    square = t * t
    rest = select(steep, HALF_PI_REST(x), select(flat, ZERO(x), QUARTER_PI_REST(x)))
    near = t + fma(t * square, atan_tail(square), rest)
    return with_sign(select(steep, HALF_PI(x), select(flat, ZERO(x), QUARTER_PI(x))) + near, x)
