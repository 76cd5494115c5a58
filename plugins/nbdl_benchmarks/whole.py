"""Whole programs, to be compared with figures that others have published."""

from __future__ import annotations

from nbdl.benchmarking import OURS, Benchmark
from nbdl_benchmarks.layers import Convolution, Dense, Flatten, MaxPool, parameter_count, step_operations
from nbdl_benchmarks.workloads import ADAM_BYTES

PEERS = (OURS, "torch, 1 thread", "torch, 2 threads")
BLOG = "julialang.org, 2022-04-14"


def matrix_exponential() -> Benchmark:
    """The exponential of 2x2 matrices: 4-32-16-4 (tanh), 10,000 rows, 10,000 steps of Adam on all of them.

    Source: Elrod, Korsbo, Rackauckas, Doing small network scientific machine learning in Julia 5x faster than PyTorch,
    https://julialang.org/blog/2022/04/simple-chains/.
    """
    layers = (Dense(32, "tanh"), Dense(16, "tanh"), Dense(4))
    return Benchmark(
        name="matrix_exponential",
        title="MLP 4-32-16-4, 10,000 steps on 10,000 rows",
        batch=10_000,
        rows=10_000,
        operations=10_000 * step_operations((4,), layers),
        bytes=ADAM_BYTES * parameter_count((4,), layers) + 10_000 * 4 * 8,
        whole={peer: _program(peer, "matrix_exponential") for peer in PEERS},
        published={
            f"SimpleChains.jl, i9-10980XE ({BLOG})": 0.41,
            f"PyTorch, i9-10980XE ({BLOG})": 15.2,
        },
    )


def lenet5_mnist() -> Benchmark:
    """LeNet-5 on MNIST, 10 epochs of batches of 128 with Adam, and the accuracy on the test images. Needs MNIST.

    Source: as `matrix_exponential`.
    """
    layers = (
        Convolution(6, 5, "relu"), MaxPool(), Convolution(16, 5, "relu"), MaxPool(), Flatten(),
        Dense(120, "relu"), Dense(84, "relu"), Dense(10),
    )  # fmt: skip
    return Benchmark(
        name="lenet5_mnist",
        title="LeNet-5 on MNIST, 10 epochs, batch 128",
        batch=128,
        rows=60_000,
        operations=128 * step_operations((28, 28, 1), layers),
        bytes=ADAM_BYTES * parameter_count((28, 28, 1), layers) + 128 * 784 * 4,
        whole={peer: _program(peer, "lenet5_mnist") for peer in PEERS},
        published={
            f"SimpleChains.jl, i9-10980XE ({BLOG})": 1.23,
            f"SimpleChains.jl, EPYC 7513 with 32 cores ({BLOG})": 3.08,
            f"PyTorch, i9-10980XE ({BLOG})": 11.0,
            f"PyTorch, EPYC 7513 with 32 cores ({BLOG})": 15.0,
            f"PyTorch, NVIDIA A100 ({BLOG})": 17.6,
        },
    )


WHOLE = (matrix_exponential, lenet5_mnist)


def _program(peer: str, name: str) -> str:
    framework, _, threads = peer.partition(", ")
    given = threads.partition(" ")[0]
    return f"from nbdl_benchmarks.whole_{framework} import {name}\n{name}({given})\n"
