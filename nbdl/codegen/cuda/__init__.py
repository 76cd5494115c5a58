"""A plan printed as kernels for NVIDIA cards, and run there."""
