"""The CPU convolutions beside PyTorch's, in the three directions, on the layers of small and middle-sized networks.

    pytest bench/test_conv.py --benchmark-group-by=group

Each group is one layer and one direction (the result, the gradient of the weights, that of the images), and holds both
libraries on one core, and nbdl by Winograd's algorithm where programs use that. `gflops` and `share` (of the core's
measured peak) are in the extra information of each row (`--benchmark-json`); what counts are the multiplications of the
plain formula, those with padding included, although nbdl leaves them out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from nbdl.kernels.cpu import boxes, conv, pool, winograd, winograd_points
from nbdl.kernels.cpu.ceilings import peak_flops
from nbdl.kernels.cpu.jit import OPTIONS
from nbdl.kernels.geometry import Geometry
from nbdl.kernels.winograd import best_tile, room

SAME = ((1, 1), (1, 1))
LAYERS = [
    # images, geometry: the small network for MNIST, a worker's half of a batch of 32
    (16, Geometry((28, 28, 1), (3, 3), 32)),
    (16, Geometry((13, 13, 32), (3, 3), 64)),
    # LeNet-5, a worker's half of a batch of 128
    (64, Geometry((28, 28, 1), (5, 5), 6, padding=((2, 2), (2, 2)))),
    (64, Geometry((14, 14, 6), (5, 5), 16)),
    # five times five, and sizes that fit no vector
    (16, Geometry((11, 11, 31), (5, 5), 62)),
    (16, Geometry((14, 14, 32), (5, 5), 64, padding=((2, 2), (2, 2)))),
    # a residual network for images of 32x32
    (16, Geometry((32, 32, 3), (3, 3), 16, padding=SAME)),
    (16, Geometry((32, 32, 16), (3, 3), 16, padding=SAME)),
    (16, Geometry((32, 32, 16), (3, 3), 32, stride=(2, 2), padding=SAME)),
    (16, Geometry((16, 16, 32), (3, 3), 32, padding=SAME)),
    (16, Geometry((8, 8, 64), (3, 3), 64, padding=SAME)),
    (4, Geometry((28, 28, 128), (3, 3), 128, padding=SAME)),
    (4, Geometry((14, 14, 512), (3, 3), 512, padding=SAME)),
    # a decoder, which goes the other way; groups
    (16, Geometry((28, 28, 1), (4, 4), 32, stride=(2, 2), padding=SAME)),
    (16, Geometry((14, 14, 32), (4, 4), 64, stride=(2, 2), padding=SAME)),
    (16, Geometry((14, 14, 64), (3, 3), 64, padding=SAME, groups=4)),
    (16, Geometry((14, 14, 64), (3, 3), 64, padding=SAME, groups=64)),
]
TABLES = {
    "convolve": boxes.forward_boxes,
    "convolve_weights": boxes.weight_boxes,
    "convolve_back": boxes.input_boxes,
}
DIRECTIONS = tuple(TABLES)


def repeated(name: str) -> Callable[..., None]:
    """Return a compiled loop over one direction."""
    kernel = getattr(conv, name)

    @njit(**OPTIONS)
    def run(first: Any, second: Any, out: Any, scratch: Any, table: Any, times: int) -> None:
        for _ in range(times):
            kernel(first, second, out, scratch, table)

    return run


def repeated_by_channel(name: str) -> Callable[..., None]:
    """The same for convolutions in as many groups as channels, which have kernels of their own."""
    kernel = getattr(pool, name)

    @njit(**OPTIONS)
    def run(first: Any, second: Any, out: Any, scratch: Any, table: Any, times: int) -> None:
        for _ in range(times):
            kernel(first, second, out, table)

    return run


def repeated_by_points(name: str) -> Callable[..., None]:
    """The same by Winograd's algorithm; the points of the weights are made before, as a step makes them once."""
    kernel = getattr(winograd, name)

    @njit(**OPTIONS)
    def run(first: Any, second: Any, out: Any, scratch: Any, tile: int, padding: int, times: int) -> None:
        for _ in range(times):
            kernel(first, second, out, tile, padding, padding, scratch)

    return run


def points_of(w: np.ndarray, direction: str, tile: int) -> np.ndarray:
    """What Winograd's algorithm takes in the place of weights."""
    kernel, _, channels, outputs = w.shape
    transposed = direction == "convolve_back"
    side = tile + kernel - 1
    made = aligned(side, side, *((outputs, channels) if transposed else (channels, outputs)))
    make = winograd_points.winograd_points_transposed if transposed else winograd_points.winograd_points
    make(w, made, tile, aligned(2 * made.size))
    return made


LOOPS = {name: repeated(name) for name in DIRECTIONS}
BY_POINTS = {name: repeated_by_points(name.replace("convolve", "winograd")) for name in DIRECTIONS}
BY_CHANNEL = {name: repeated_by_channel(name.replace("convolve", "depthwise")) for name in DIRECTIONS}


@pytest.fixture(scope="module")
def peak() -> float:
    return peak_flops()


def aligned(*shape: int) -> np.ndarray:
    """Random numbers that begin at a cache line, as everything does in a program's memory."""
    size = int(np.prod(shape))
    memory = np.random.default_rng(0).standard_normal(size + 16, dtype=np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + size].reshape(shape)


def operands(direction: str, n: int, g: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two operands and the result of a direction."""
    x, w, y = aligned(n, *g.image), aligned(*g.weights), aligned(n, *g.result, g.outputs)
    return {"convolve": (x, w, y), "convolve_weights": (x, y, w), "convolve_back": (y, w, x)}[direction]


def torch_call(direction: str, n: int, g: Geometry) -> Callable[[], object]:
    """PyTorch's function for a direction; images with their channels last in memory, which it prefers."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    last = torch.channels_last
    x = torch.randn(n, g.image[2], *g.image[:2]).contiguous(memory_format=last)
    w = torch.randn(g.outputs, g.channels_in, *g.kernel).contiguous(memory_format=last)
    y = torch.randn(n, g.outputs, *g.result).contiguous(memory_format=last)
    padding = (g.padding[0][0], g.padding[1][0])
    if direction == "convolve":
        return lambda: torch.conv2d(x, w, None, g.stride, padding, g.dilation, g.groups)
    mask = [direction == "convolve_back", direction == "convolve_weights", False]
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(y, x, w, None, g.stride, padding, g.dilation, False, (0, 0), g.groups, mask)


@pytest.mark.parametrize("library", ["nbdl", "winograd", "torch"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("n", "g"), LAYERS, ids=str)
def test_convolution(benchmark: Any, peak: float, n: int, g: Geometry, direction: str, library: str) -> None:
    operations = 2 * n * int(np.prod(g.result)) * g.outputs * int(np.prod(g.weights[:3]))
    times = max(1, min(100, 2 * 10**7 // operations))
    benchmark.group = f"{direction} {n} {g}"
    if library == "winograd":
        tile = best_tile(g)
        if not tile:
            pytest.skip("programs use the plain formula")
        first, second, out = operands(direction, n, g)
        if direction != "convolve_weights":
            second = points_of(second, direction, tile)
        scratch = aligned(max(conv.SCRATCH, room(g, tile)))
        arguments = (first, second, out, scratch, tile, g.padding[0][0], times)
        benchmark.pedantic(BY_POINTS[direction], arguments, rounds=20, warmup_rounds=1)
    elif library == "nbdl":
        first, second, out = operands(direction, n, g)
        loop, table = LOOPS[direction], TABLES[direction](g)
        if g.groups == g.outputs:
            loop, table = BY_CHANNEL[direction], boxes.pool_boxes(g)
        arguments = (first, second, out, aligned(conv.SCRATCH), table, times)
        benchmark.pedantic(loop, arguments, rounds=20, warmup_rounds=1)
    else:
        call = torch_call(direction, n, g)

        def torch_loop() -> None:
            for _ in range(times):
                call()

        benchmark.pedantic(torch_loop, rounds=20, warmup_rounds=1)
    flops = operations * times / benchmark.stats.stats.min
    benchmark.extra_info.update(gflops=round(flops / 1e9, 1), share=round(flops / peak, 3))
