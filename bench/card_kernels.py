"""Kernels on a card as shares of what others reach: copies and the optimizer of the card's own copy, matrix products of
cuBLAS (by PyTorch, else by CuPy), convolutions of cuDNN (by PyTorch).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nbdl.kernels.cuda.device import cuda, f32
from nbdl.kernels.cuda.launch import Card
from nbdl.kernels.cuda.memory import new_stream
from nbdl.kernels.geometry import Geometry

REPEATS = 20
PRECISIONS = ("float32", "tf32", "bf16")
Figures = Iterator[tuple[str, Any]]


def _seconds(launch: Callable[[], None], stream: Any) -> float:
    """The median time of what a call launches, by the card's own clock."""
    launch()
    times = []
    for _ in range(REPEATS):
        begin, end = cuda.event(), cuda.event()
        begin.record(stream)
        launch()
        end.record(stream)
        end.synchronize()
        times.append(cuda.event_elapsed_time(begin, end) / 1e3)
    return statistics.median(times)


def _card(size: int) -> Card:
    memory = cuda.device_array(size + 2**25, np.uint8)
    return Card(memory, size, 2**25, new_stream())


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        return None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return torch if torch.cuda.is_available() else None


def _cupy() -> Any:
    try:
        import cupy
    except ImportError:
        return None
    return cupy


def _torch_seconds(torch: Any, work: Callable[[], Any]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return statistics.median(times)


def copies() -> Figures:
    """Bytes a second, read and written: the card's own copy, nbdl's, and an update of Adam."""
    from nbdl.kernels.cuda.copies import copy

    count = 2**28
    card = _card(8 * count)
    half = card.memory[4 * count : 8 * count]
    own = _seconds(lambda: half.copy_to_device(card.memory[: 4 * count], stream=card.stream), card.stream)
    ours = _seconds(lambda: copy(card, f32, 0, 4 * count, count), card.stream)
    bandwidth = 8 * count / own / 1e9
    yield "the card's own copy", {"GB/s": bandwidth, "share": 1.0}
    yield "a copy by nbdl", {"GB/s": 8 * count / ours / 1e9, "share": own / ours}
    achieved = _adam()
    yield "an update by Adam", {"GB/s": achieved, "share": achieved / bandwidth}


def _adam() -> float:
    """Bytes a second of an update of 64 million parameters: 28 for each are moved."""
    from nbdl.codegen.cuda.program import CudaProgram
    from nbdl.codegen.plan import Variable
    from nbdl.ir import ops

    count = 2**26
    names = ("parameters", "gradient", "first", "second")
    p, g, m, v = (ops.leaf((count,), np.float32, name=name) for name in names)
    new_m, new_v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * (g * g)
    variables = [
        Variable("gradient", "value", g),
        Variable("first", "state", m, new_m),
        Variable("second", "state", v, new_v),
        Variable("parameters", "state", p, p - 1e-3 * new_m / (ops.sqrt(new_v) + 1e-8)),
    ]
    arrays = {name: np.zeros(count, np.float32) for name in names}
    bound = CudaProgram(variables, "Adam").bind(arrays)
    bound.run(np.zeros(1, np.int64), 0, 1)
    seconds = _seconds(lambda: bound.do_steps(0, 1), bound.card.stream)
    return 28 * count / seconds / 1e9


def products() -> Figures:
    """Matrix products as shares of cuBLAS's, in float32 and by tensor cores; that of 4096 by 4096 first."""
    from nbdl.kernels.cuda.matmul import matmul_nn, matmul_nt, matmul_tn

    torch, cupy = _torch(), _cupy()
    for name, function, m, n, k in _shapes(matmul_nn, matmul_nt, matmul_tn):
        a, b = 0, 4 * m * k
        c = b + 4 * k * n
        card = _card(c + 4 * m * n)
        for precision in PRECISIONS if m == n else PRECISIONS[:1]:
            card.precision = precision
            ours = _seconds(lambda: function(card, f32, a, b, c, (1, m, n, k)), card.stream)  # noqa: B023 - called now
            figures = {"TFLOP/s": 2 * m * n * k / ours / 1e12}
            theirs = None
            if torch is not None:
                theirs = _torch_product(torch, name, precision, (m, n, k))
            elif cupy is not None and precision == "float32":
                theirs = _cupy_product(cupy, name, (m, n, k))
            if theirs is not None:
                figures |= {"cuBLAS, TFLOP/s": 2 * m * n * k / theirs / 1e12, "share": theirs / ours}
            yield f"{name} {m}x{n}x{k} {precision}", figures


def _cupy_product(cupy: Any, name: str, sizes: tuple[int, int, int]) -> float:
    """Seconds of cuBLAS for a product in float32."""
    m, n, k = sizes
    x, y = cupy.ones((k, m) if name[0] == "t" else (m, k), "f"), cupy.ones((n, k) if name[1] == "t" else (k, n), "f")
    x, y = x.T if name[0] == "t" else x, y.T if name[1] == "t" else y
    times = cupyx_times(lambda: x @ y)
    return statistics.median(times)


def cupyx_times(work: Callable[[], Any]) -> list[float]:
    """The seconds of what is launched, by the card's clock."""
    from cupyx.profiler import benchmark

    return [float(each) for each in benchmark(work, n_repeat=REPEATS, n_warmup=1).gpu_times.ravel()]


def _torch_product(torch: Any, name: str, precision: str, sizes: tuple[int, int, int]) -> float:
    """Seconds of cuBLAS for a product in a precision; in bf16 it gets operands that are bfloat16 already."""
    x, y = _operands(torch, name, *sizes)
    if precision == "bf16":
        x, y = x.bfloat16(), y.bfloat16()
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        return _torch_seconds(torch, lambda: x @ y)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def _shapes(*functions: Any) -> Iterator[tuple[str, Any, int, int, int]]:
    for function in functions:
        name = function.__name__.removeprefix("matmul_")
        for size in (4096, 512, 1024, 2048, 8192):
            yield name, function, size, size, size
    yield "nn", functions[0], 1024, 64, 784
    yield "tn", functions[2], 784, 64, 1024


def _operands(torch: Any, name: str, m: int, n: int, k: int) -> tuple[Any, Any]:
    x = torch.randn((k, m) if name[0] == "t" else (m, k), device="cuda")
    y = torch.randn((n, k) if name[1] == "t" else (k, n), device="cuda")
    return x.T if name[0] == "t" else x, y.T if name[1] == "t" else y


def convolutions() -> Figures:
    """A convolution of 64 filters over 32 channels and its gradients, as shares of cuDNN's."""
    from nbdl.kernels.cuda.conv import convolve, convolve_back, convolve_weights

    images, torch = 1024, _torch()
    g = Geometry((26, 26, 32), (3, 3), 64)
    x = 0
    w = x + 4 * images * 26 * 26 * 32
    y = w + 4 * 9 * 32 * 64
    card = _card(y + 4 * images * 24 * 24 * 64)
    operations = 2 * images * 24 * 24 * 64 * 9 * 32
    ours = {
        "forward": lambda: convolve(card, f32, x, w, y, images, g),
        "back": lambda: convolve_back(card, f32, y, w, x, images, g),
        "weights": lambda: convolve_weights(card, f32, x, y, w, images, g),
    }
    theirs: dict[str, Callable[[], Any]] = {}
    if torch is not None:
        image = torch.randn(images, 32, 26, 26, device="cuda").contiguous(memory_format=torch.channels_last)
        weights = torch.randn(64, 32, 3, 3, device="cuda").contiguous(memory_format=torch.channels_last)
        gradient = torch.nn.functional.conv2d(image, weights)
        theirs = {
            "forward": lambda: torch.nn.functional.conv2d(image, weights),
            "back": lambda: torch.nn.grad.conv2d_input(image.shape, weights, gradient),
            "weights": lambda: torch.nn.grad.conv2d_weight(image, weights.shape, gradient),
        }
    for name, launch in ours.items():
        seconds = _seconds(launch, card.stream)
        figures = {"TFLOP/s": operations / seconds / 1e12}
        if name in theirs:
            figures["share of cuDNN"] = _torch_seconds(torch, theirs[name]) / seconds
        yield name, figures
