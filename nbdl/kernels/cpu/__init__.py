"""CPU kernels: Numba functions that the generated programs call."""
