"""Counter-based random numbers in NumPy: what `nbdl.kernels.cpu.random` computes, over arrays of indices.

The interpreter uses it, and it is the judge of the compiled kernels. `random_bits` and the uniform numbers have the
same bits; the normal numbers agree to rounding, as NumPy's logarithm and cosine are not the kernels'. The generator is
Threefry-2x32-20 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 20
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
WORD = 0xFFFFFFFF
COUNTER_MASK = 0x9E3779B9
"""Exclusive-or of the low counter word; the compiled kernels say why."""

Words = NDArray[np.uint32]


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Words, Words]:
    """Return the two words of Threefry-2x32-20; every word is a uint32 or an array of them."""
    keys = [np.asarray(k, np.uint32) for k in key]
    keys.append(keys[0] ^ keys[1] ^ np.uint32(PARITY))
    a, b = (np.atleast_1d(np.asarray(c, np.uint32)) + k for c, k in zip(counter, keys, strict=False))
    for i in range(ROUNDS):
        a = a + b
        left = ROTATIONS[i % 8]
        b = ((b << np.uint32(left)) | (b >> np.uint32(32 - left))) ^ a
        if i % 4 == 3:
            injection = i // 4 + 1
            a = a + keys[injection % 3]
            b = b + keys[(injection + 1) % 3] + np.uint32(injection)
    return a, b


def random_words(seed: int, step: int, stream: int, index: ArrayLike) -> tuple[Words, Words]:
    """Return the two independent uint32 words of each index.

    Args:
        seed: 64 bits; negative numbers count as their two's complement.
        step: the training step, modulo 2**32.
        stream: the node that asks, modulo 2**32.
        index: integers of any shape, 64 bits.
    """
    indices = np.asarray(index, np.int64)
    words = indices.astype(np.uint64).ravel()
    key = threefry((seed & WORD, seed >> 32 & WORD), (step & WORD, stream & WORD))
    low, high = (
        (words & np.uint64(WORD)).astype(np.uint32) ^ np.uint32(COUNTER_MASK),
        (words >> np.uint64(32)).astype(np.uint32),
    )
    first, second = threefry(key, (low, high))
    return first.reshape(indices.shape), second.reshape(indices.shape)


def random_bits(seed: int, step: int, stream: int, index: ArrayLike) -> Words:
    """Return 32 random bits for each index.

    >>> random_bits(0, 0, 0, [0, 1]).dtype
    dtype('uint32')
    """
    return random_words(seed, step, stream, index)[0]


def uniform(seed: int, step: int, stream: int, index: ArrayLike) -> NDArray[np.float32]:
    """Return float32 numbers in [0, 1), multiples of 2**-24."""
    return (random_bits(seed, step, stream, index) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def uniform_float64(seed: int, step: int, stream: int, index: ArrayLike) -> NDArray[np.float64]:
    """Return float64 numbers in [0, 1), multiples of 2**-53."""
    high, low = (word.astype(np.int64) for word in random_words(seed, step, stream, index))
    return ((high << 21) | (low >> 11)).astype(np.float64) * 2.0**-53


def normal(seed: int, step: int, stream: int, index: ArrayLike) -> NDArray[np.float32]:
    """Return float32 numbers from the standard normal distribution by Box and Muller's sqrt(-2 log u) * cos(2 pi v)."""
    first, second = random_words(seed, step, stream, index)
    u = (first.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    v = (second >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    return np.sqrt(np.float32(-2.0) * np.log(u)) * np.cos(np.float32(2 * np.pi) * v)


def normal_float64(seed: int, step: int, stream: int, index: ArrayLike) -> NDArray[np.float64]:
    """Return float64 numbers from the standard normal distribution; radius and angle have 32 random bits each."""
    first, second = (word.astype(np.float64) for word in random_words(seed, step, stream, index))
    return np.sqrt(-2.0 * np.log((first + 0.5) * 2.0**-32)) * np.cos(2 * np.pi * (second * 2.0**-32))
