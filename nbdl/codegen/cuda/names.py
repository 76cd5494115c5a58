"""What generated modules for cards import, and names that mean something in them."""

from __future__ import annotations

from nbdl.codegen.names import RESERVED

KERNELS = {
    "device": (
        "b1 column columns elements f32 f64 groups i32 i64 is_first kernel lanes leads members read slices syncthreads "
        "this_slice u8 view"
    ).split(),
    "sizes": "NUMBER OFFSET SEED".split(),
    "scalars": (
        "atan cos erf exp expm1 fast_divide floor is_finite log log1p maximum minimum power sigmoid sign sin sqrt tanh"
    ).split(),
    "random": "random_normal random_normal_float64 random_uniform random_uniform_float64".split(),
    "reductions": "add_slices lanes_max lanes_sum largest_slices".split(),
    "copies": "argmax copy copy_along fill gather put_rows scatter_add take_rows".split(),
    "matmul": "matmul_blocks matmul_nn matmul_nt matmul_tn matmul_tt".split(),
    "conv": "convolve convolve_back convolve_weights".split(),
    "pool": "max_pool max_pool_back max_pool_take sum_pool sum_pool_back".split(),
}
CUDA_RESERVED = {
    *RESERVED,
    *"memory card e c first control Geometry".split(),
    *[x for group in KERNELS.values() for x in group],
}
