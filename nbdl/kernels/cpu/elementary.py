"""The elementary functions, as branch-free scalar code: a loop that calls them becomes full-width vector code.

`for i in range(n): y[i] = exp(x[i])` calls the C library once an element, unless every function in it is arithmetic
and selects. Each function here takes float32 or float64 and returns the same type. They stay right inside a loop
compiled with fast-math flags, infinities, NaN and subnormal numbers included.

Largest errors, in units of the last place; float32 over all 2**32 arguments (`python bench/ulp.py`), the power and
float64 over dense samples:

    function   exp   expm1  log   log1p  tanh  sigmoid  softplus  erf   sin   cos   atan  pow
    float32    1.05  1.60   0.89  1.45   2.50  2.41     1.71      1.10  1.58  1.58  1.88  0.55
    float64    0.97  1.86   0.78  1.27   2.47  1.78     1.49      0.93  1.42  1.40  1.92  1.10

`sin` and `cos` hold up to |x| = 2**45 and are NaN beyond. `cos_turns(x)` is cos(2 pi x), whose reduction is exact. The
power computes in float64 for float32, and in pairs of float64 for float64. There is no call of a C library function.
"""

from nbdl.kernels.cpu.exponential import erf, exp, expm1, log, log1p, sigmoid, softplus, tanh
from nbdl.kernels.cpu.power import pow
from nbdl.kernels.cpu.trigonometric import atan, cos, cos_turns, sin

__all__ = [
    "atan", "cos", "cos_turns", "erf", "exp", "expm1", "log", "log1p", "pow", "sigmoid", "sin", "softplus", "tanh",
]  # fmt: skip
