"""Sizes that both kernels and whoever lays out the memory know; nothing of numba-cuda is needed for them."""

CONTROL = 64
"""Bytes at the beginning of the memory that say which step is running: eight numbers of 64 bits."""

NUMBER, BATCH, SEED, OFFSET = range(4)
"""What they are: the step's number in its epoch, rows of a batch, the seed, and what is added to the step's number
where random numbers depend on it.
"""

PARTS = 8448
"""The most numbers that all slices of a sum over many rows have together."""
PART_BYTES = 8 * PARTS
