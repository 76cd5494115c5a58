"""Counter-based random numbers: each number is a pure function of (seed, step, stream, index).

Threefry-2x32 with 20 rounds, from J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers: As Easy
as 1, 2, 3", SC'11. There is no state to share or to save: any worker computes any element, in any order, and
a loop over `index` is vector code. `seed` and `index` have 64 bits; `step` and `stream` (the node that asks) have 32,
higher ones are dropped.

The key of (seed, step, stream) is (step, stream) encrypted with the seed. In a loop over `index` that half does
not change, and the compiler moves it in front of the loop. `nbdl.kernels.reference_random` is the same in NumPy, bit
for bit.
"""

from math import sqrt
from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic

from nbdl.kernels.cpu.elementary import cos_turns, log
from nbdl.kernels.cpu.floats import scalar
from nbdl.kernels.reference_random import COUNTER_MASK, PARITY, ROTATIONS, ROUNDS


def _rotate(builder: Any, word: ir.Value, count: int) -> ir.Value:
    kind = word.type
    function_type = ir.FunctionType(kind, [kind] * 3)
    funnel_shift = builder.module.declare_intrinsic("llvm.fshl", (kind,), function_type)
    return builder.call(funnel_shift, [word, word, kind(count)])


@intrinsic
def threefry(typingctx: Any, key_0: Any, key_1: Any, counter_0: Any, counter_1: Any) -> Any:
    """Return the two uint32 words of Threefry-2x32-20 for a key and a counter of two uint32 words each.

    An intrinsic because Numba widens uint32 sums to 64 bits, which halves the lanes of a vector.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        key_0, key_1, a, b = arguments
        keys = [key_0, key_1, builder.xor(builder.xor(key_0, key_1), key_0.type(PARITY))]
        a, b = builder.add(a, keys[0]), builder.add(b, keys[1])
        for i in range(ROUNDS):
            a = builder.add(a, b)
            b = builder.xor(_rotate(builder, b, ROTATIONS[i % 8]), a)
            if i % 4 == 3:
                injection = i // 4 + 1
                a = builder.add(a, keys[injection % 3])
                b = builder.add(builder.add(b, keys[(injection + 1) % 3]), b.type(injection))
        return context.make_tuple(builder, signature.return_type, [a, b])

    word = types.uint32
    return types.UniTuple(word, 2)(word, word, word, word), emit


@scalar
def random_words(seed, step, stream, index):
    """Return the two independent uint32 words of an index."""
    # The mask changes nothing but the order of the counters. Without it LLVM's loop strength reduction follows the
    # index through all rounds, as sums of an induction variable, and every such loop takes long to compile.
    key_0, key_1 = threefry(np.uint32(seed), np.uint32(seed >> 32), np.uint32(step), np.uint32(stream))
    return threefry(key_0, key_1, np.uint32(index) ^ np.uint32(COUNTER_MASK), np.uint32(index >> 32))


@scalar
def random_bits(seed, step, stream, index):
    """Return 32 random bits as a uint32."""
    return random_words(seed, step, stream, index)[0]


@scalar
def uniform(seed, step, stream, index):
    """Return a float32 in [0, 1): a multiple of 2**-24."""
    # Converted as a signed number, which every machine has an instruction for.
    return np.float32(np.int32(random_bits(seed, step, stream, index) >> 8)) * np.float32(2.0**-24)


@scalar
def uniform_float64(seed, step, stream, index):
    """Return a float64 in [0, 1): a multiple of 2**-53."""
    high, low = random_words(seed, step, stream, index)
    return np.float64(high) * 2.0**-32 + np.float64(low >> 11) * 2.0**-53


@scalar
def normal(seed, step, stream, index):
    """Return a float32 from the standard normal distribution: sqrt(-2 log u) * cos(2 pi v), |result| < 6.8."""
    first, second = random_words(seed, step, stream, index)
    u = np.float32(np.float32(first) + np.float32(0.5)) * np.float32(2.0**-32)
    v = np.float32(np.int32(second >> 8)) * np.float32(2.0**-24)
    return sqrt(np.float32(-2.0) * log(u)) * cos_turns(v)


@scalar
def normal_float64(seed, step, stream, index):
    """Return a float64 from the standard normal distribution; the radius and the angle have 32 random bits each."""
    first, second = random_words(seed, step, stream, index)
    u = (np.float64(first) + 0.5) * 2.0**-32
    v = np.float64(second) * 2.0**-32
    return sqrt(-2.0 * log(u)) * cos_turns(v)
