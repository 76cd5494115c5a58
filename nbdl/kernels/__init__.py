"""Hand-written kernels, one folder a device."""
