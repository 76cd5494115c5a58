"""Counter-based random numbers on a card: the bits of `nbdl.kernels.cpu.random`, where the generator is explained.

Uniform numbers are the same on all devices; normal ones agree to rounding, as logarithm and cosine are the card's own.
"""

from nbdl.kernels.cuda.device import device, f32, f64, u32
from nbdl.kernels.cuda.scalars import cos_turns, log, sqrt
from nbdl.kernels.reference_random import COUNTER_MASK, PARITY, WORD


@device
def rotated(word, count):
    """The bits of a word of 32, turned to the left."""
    return u32((word << count) | (word >> (32 - count)))


@device
def mixed(a, b, first, second, third, fourth):
    """Four rounds of Threefry, with these rotations."""
    a = u32(a + b)
    b = rotated(b, first) ^ a
    a = u32(a + b)
    b = rotated(b, second) ^ a
    a = u32(a + b)
    b = rotated(b, third) ^ a
    a = u32(a + b)
    b = rotated(b, fourth) ^ a
    return a, b


@device
def threefry(key_0, key_1, a, b):
    """The two words of Threefry-2x32-20 for a key and a counter of two words of 32 bits each."""
    key_2 = u32(key_0 ^ key_1 ^ u32(PARITY))
    a, b = mixed(u32(a + key_0), u32(b + key_1), 13, 15, 26, 6)
    a, b = mixed(u32(a + key_1), u32(b + key_2 + u32(1)), 17, 29, 16, 24)
    a, b = mixed(u32(a + key_2), u32(b + key_0 + u32(2)), 13, 15, 26, 6)
    a, b = mixed(u32(a + key_0), u32(b + key_1 + u32(3)), 17, 29, 16, 24)
    a, b = mixed(u32(a + key_1), u32(b + key_2 + u32(4)), 13, 15, 26, 6)
    return u32(a + key_2), u32(b + key_0 + u32(5))


@device
def random_words(seed, step, stream, index):
    """The two independent words of 32 bits of an index."""
    key_0, key_1 = threefry(u32(seed & WORD), u32((seed >> 32) & WORD), u32(step & WORD), u32(stream & WORD))
    return threefry(key_0, key_1, u32((index & WORD) ^ COUNTER_MASK), u32((index >> 32) & WORD))


@device
def random_uniform(seed, step, stream, index):
    """A float32 in [0, 1): a multiple of 2**-24."""
    first, _ = random_words(seed, step, stream, index)
    return f32(first >> 8) * f32(2.0**-24)


@device
def random_uniform_float64(seed, step, stream, index):
    """A float64 in [0, 1): a multiple of 2**-53."""
    high, low = random_words(seed, step, stream, index)
    return f64(high) * 2.0**-32 + f64(low >> 11) * 2.0**-53


@device
def random_normal(seed, step, stream, index):
    """A float32 from the standard normal distribution: sqrt(-2 log u) * cos(2 pi v)."""
    first, second = random_words(seed, step, stream, index)
    u = (f32(first) + f32(0.5)) * f32(2.0**-32)
    v = f32(second >> 8) * f32(2.0**-24)
    return sqrt(f32(-2.0) * log(u)) * cos_turns(v)


@device
def random_normal_float64(seed, step, stream, index):
    """A float64 from the standard normal distribution; the radius and the angle have 32 random bits each."""
    first, second = random_words(seed, step, stream, index)
    u = (f64(first) + 0.5) * 2.0**-32
    v = f64(second) * 2.0**-32
    return sqrt(-2.0 * log(u)) * cos_turns(v)
