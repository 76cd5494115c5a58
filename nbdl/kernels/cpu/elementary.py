"""The elementary functions, as branch-free scalar code: a loop that calls them becomes full-width vector code.

`for i in range(n): y[i] = exp(x[i])` calls the C library once an element, unless every function in it is arithmetic
and selects. Each function here takes float32 or float64 and returns the same type. They stay right inside a loop
compiled with fast-math flags, infinities, NaN and subnormal numbers included.
"""

from nbdl.kernels.cpu.exponential import erf, exp, expm1, log, log1p, sigmoid, softplus, tanh
from nbdl.kernels.cpu.power import pow
from nbdl.kernels.cpu.trigonometric import cos, cos_turns, sin

__all__ = ["cos", "cos_turns", "erf", "exp", "expm1", "log", "log1p", "pow", "sigmoid", "sin", "softplus", "tanh"]
