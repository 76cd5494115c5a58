"""Everything about an NVIDIA card in one go, in less than nine minutes: its tests, and how fast nbdl is on it.

    python bench/card.py --out bench/results/card.json

It runs `pytest -m gpu` (and under compute-sanitizer a few programs, where that is installed), measures copies, the
optimizer, matrix products and convolutions as shares of what cuBLAS, cuDNN and the card's own copy reach, and training
steps of the twelve workloads beside PyTorch (eager, CUDA graphs, torch.compile) and JAX; each also with batches of
1024. What is not installed is left out, and what the time doesn't suffice for, in that order. A table is printed, and
all figures go into a JSON file with card, driver, versions and date.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nbdl.atomic import atomic_write
from nbdl.benchmarking import OURS, compare
from nbdl.cards import examine_cuda
from nbdl.kernels.cuda.device import cuda, f32
from nbdl.kernels.cuda.launch import Card
from nbdl.kernels.cuda.memory import new_stream
from nbdl.kernels.geometry import Geometry
from nbdl.machine import versions

ROOT = Path(__file__).parent.parent
LIMIT = 520.0
"""Seconds for everything."""
REPEATS = 20
PEERS = ("torch", "torch_compile", "jax", "cupy")
LARGE_BATCH = 1024
PRECISIONS = ("float32", "tf32", "bf16")
SANITIZED = "test_case and (matrix_products or statistics or gradients_of_maxima)"


def main() -> None:
    """Do everything, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "card.json")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds")
    options = parser.parse_args()
    found = examine_cuda()
    if not found["usable"]:
        sys.exit(f"there is nothing to measure: {found['verdict']}")
    deadline = time.monotonic() + options.limit
    data: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cuda": found,
        "versions": versions(),
        "left_out": [],
    }
    for name, part in PARTS.items():
        if time.monotonic() > deadline:
            data["left_out"].append(name)
            continue
        print(f"--- {name}", flush=True)
        data[name] = part(deadline)
        print(json.dumps(data[name], indent=1), flush=True)
        with atomic_write(options.out) as file:  # whatever comes later, this is kept
            file.write(json.dumps(data, indent=2).encode())
    print(f"all figures: {options.out}; left out for want of time: {', '.join(data['left_out']) or 'nothing'}")


# --- tests ------------------------------------------------------------------------------------------------------------


def tests(deadline: float) -> dict[str, Any]:
    """The tests on the card."""
    return _run([sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-n", "8", "tests/gpu"], deadline - 240)


def sanitizers(deadline: float) -> dict[str, Any]:
    """A few programs with every access to memory watched."""
    if shutil.which("compute-sanitizer") is None:
        return {"left out": "compute-sanitizer isn't installed"}
    tests = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-n", "0", "-k", SANITIZED, "tests/gpu/test_card.py"]
    return {
        tool: _run(["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *tests], deadline - 180)
        for tool in ("memcheck", "racecheck")
    }


def _run(command: list[str], end: float) -> dict[str, Any]:
    begin = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=max(30.0, min(200.0, end - begin)), check=False
        )
    except subprocess.TimeoutExpired as error:
        return {"status": "not finished", "seconds": error.timeout}
    lines = done.stdout.strip().splitlines()
    return {"status": done.returncode, "seconds": round(time.monotonic() - begin, 1), "end": lines[-12:]}


# --- kernels ----------------------------------------------------------------------------------------------------------


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


def copies(deadline: float) -> dict[str, Any]:
    """Bytes a second, read and written: the card's own copy, nbdl's, and an update of Adam."""
    from nbdl.kernels.cuda.copies import copy

    count = 2**28
    card = _card(8 * count)
    half = card.memory[4 * count : 8 * count]
    own = _seconds(lambda: half.copy_to_device(card.memory[: 4 * count], stream=card.stream), card.stream)
    ours = _seconds(lambda: copy(card, f32, 0, 4 * count, count), card.stream)
    result = {"card, GB/s": 8 * count / own / 1e9, "nbdl, GB/s": 8 * count / ours / 1e9, "share": own / ours}
    return result | _adam(result["card, GB/s"])


def _adam(bandwidth: float) -> dict[str, float]:
    """An update of 64 million parameters: 28 bytes for each are moved."""
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
    achieved = 28 * count / seconds / 1e9
    return {"adam, GB/s": achieved, "adam, share of the card's copy": achieved / bandwidth}


def products(deadline: float) -> dict[str, Any]:
    """Matrix products as shares of cuBLAS's, in float32 and by tensor cores."""
    from nbdl.kernels.cuda.matmul import matmul_nn, matmul_nt, matmul_tn

    torch, result = _torch(), {}
    for name, function, m, n, k in _shapes(matmul_nn, matmul_nt, matmul_tn):
        a, b = 0, 4 * m * k
        c = b + 4 * k * n
        card = _card(c + 4 * m * n)
        for precision in PRECISIONS if m == n else PRECISIONS[:1]:
            card.precision = precision
            ours = _seconds(lambda: function(card, f32, a, b, c, (1, m, n, k)), card.stream)  # noqa: B023 - called now
            figures = {"TFLOP/s": 2 * m * n * k / ours / 1e12}
            if torch is not None:
                theirs = _torch_product(torch, name, precision, (m, n, k))
                figures |= {"cuBLAS, TFLOP/s": 2 * m * n * k / theirs / 1e12, "share": theirs / ours}
            result[f"{name} {m}x{n}x{k} {precision}"] = figures
    return result


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
        for size in (512, 1024, 2048, 4096, 8192):
            yield name, function, size, size, size
    yield "nn", functions[0], 1024, 64, 784
    yield "tn", functions[2], 784, 64, 1024


def _operands(torch: Any, name: str, m: int, n: int, k: int) -> tuple[Any, Any]:
    x = torch.randn((k, m) if name[0] == "t" else (m, k), device="cuda")
    y = torch.randn((n, k) if name[1] == "t" else (k, n), device="cuda")
    return x.T if name[0] == "t" else x, y.T if name[1] == "t" else y


def convolutions(deadline: float) -> dict[str, Any]:
    """A convolution of 64 filters over 32 channels and its gradients, as shares of cuDNN's."""
    from nbdl.kernels.cuda.conv import convolve, convolve_back, convolve_weights

    images, torch, result = 1024, _torch(), {}
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
        result[name] = figures
    return result


# --- training ---------------------------------------------------------------------------------------------------------


def training(deadline: float) -> dict[str, Any]:
    """Microseconds of a training step, and how many times that the others take."""
    from nbdl_benchmarks.offers import on_card
    from nbdl_benchmarks.workloads import WORKLOADS, with_batch

    result: dict[str, Any] = {}
    for workload in (*WORKLOADS, *[with_batch(each, LARGE_BATCH) for each in WORKLOADS]):
        if time.monotonic() > deadline:
            break
        comparison = compare(on_card(workload), PEERS, 5, lambda text: None)
        result[workload.name] = {
            "microseconds": {name: round(comparison.microseconds(name), 1) for name in comparison.times},
            "times nbdl's": {
                name: round(statistics.median(comparison.ratios(name)), 2) for name in comparison.times if name != OURS
            },
            "largest difference of a loss": comparison.largest_difference,
            "left out": comparison.left_out,
        }
    return result


PARTS: dict[str, Callable[[float], dict[str, Any]]] = {
    "tests": tests,
    "copies": copies,
    "products": products,
    "convolutions": convolutions,
    "training": training,
    "sanitizers": sanitizers,
}

if __name__ == "__main__":
    main()
