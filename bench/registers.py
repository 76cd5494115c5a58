"""What kernels take of a card, as the assembler says, without one: registers, spilled bytes, shared memory.

    python bench/registers.py --out bench/results/cuda-registers.json

Those of matrix products, convolutions and of the steps of two workloads, for compute capabilities 7.5, 8.0 and 9.0. The
figures go into a JSON file, and a table into a Markdown file beside it. Ends with 1 if something spills.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from nbdl_benchmarks.with_nbdl import network
from nbdl_benchmarks.workloads import named

from nbdl.atomic import atomic_write
from nbdl.codegen.cuda.program import CudaProgram
from nbdl.codegen.cuda.together import choose
from nbdl.kernels.cuda import conv, tensor_cores
from nbdl.kernels.cuda.launch import MULTIPROCESSORS
from nbdl.kernels.cuda.matmul import matrices
from nbdl.kernels.cuda.ptx import Capability, kernel_ptx, types, usage
from nbdl.kernels.cuda.recording import RecordingCard
from nbdl.kernels.cuda.tile import TILES, Engine, Operands, Tile, exact, product_kernel
from nbdl.machine import versions
from nbdl.train import tracing
from nbdl.train.feed import make_feed

ROOT = Path(__file__).parent.parent
CAPABILITIES: tuple[Capability, ...] = ((7, 5), (8, 0), (9, 0))
WORKLOADS = ("w3", "w7")
Kernel = tuple[str, Any, tuple[Any, ...]]
NUMBER = types.int64


def main() -> None:
    """Compile everything, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "cuda-registers.json")
    options = parser.parse_args()
    figures: dict[str, dict[str, Any]] = {}
    for capability in CAPABILITIES:
        for name, kernel, given in kernels(capability):
            used = asdict(usage(kernel_ptx(kernel, given, capability), capability))
            figures.setdefault(name, {})["{}.{}".format(*capability)] = used
            print(f"{name}, {capability}: {used}", flush=True)
    write(options.out, figures)
    spilled = [name for name, each in figures.items() if any(used["spilled"] for used in each.values())]
    if spilled:
        sys.exit(f"registers don't suffice for: {', '.join(spilled)}")


def kernels(capability: Capability) -> Iterator[Kernel]:
    """The hot kernels: names, functions, types of what they get."""
    for tile in TILES:
        yield product(f"product {tile.rows}x{tile.columns}", tile, exact(tile), matrices(np.float32, (True, True)), 12)
    for precision in ("tf32", "bf16") if capability >= (8, 0) else ():
        tile = tensor_cores.TILES[0]
        engine = tensor_cores.engine(tile, precision)
        yield product(f"product by tensor cores, {precision}", tile, engine, matrices(np.float32, (True, True)), 12)
    for name in ("forward", "weights", "back"):
        operands: Operands = getattr(conv, name)(np.float32)
        yield product(f"convolution, {name}", TILES[1], exact(TILES[1]), operands, 15)
    for workload in WORKLOADS:
        yield from of_workload(workload)


def product(name: str, tile: Tile, engine: Engine, operands: Operands, shape: int) -> Kernel:
    """A kernel of products."""
    given = (*[NUMBER] * 3, types.UniTuple(NUMBER, 3), types.UniTuple(NUMBER, shape), NUMBER)
    return name, product_kernel(np.float32, tile, engine, operands, False), given


def of_workload(name: str) -> Iterator[Kernel]:
    """The kernels of a workload's step, and many steps in one launch, with several blocks and with one."""
    workload = named(name)
    net, feed = network(workload), make_feed(*workload.data())
    tracing.build(net, feed)
    tracing.attach(net)
    program = CudaProgram.of(tracing.trace_training(net, feed).program)
    card, rows = RecordingCard(), workload.batch
    places = [
        (0, 1, rows) if each.role in ("rows", "row_result") else 0 for each in program.variables if each.role != "key"
    ]
    program.module.step(card, rows, 0, rows, 0, *places)
    for kernel, given in card.launched:
        if not kernel.py_func.__name__.startswith("product"):
            yield f"{name}: {kernel.py_func.__name__}", kernel, given
    steps = choose(program.plan, card.launches, rows, MULTIPROCESSORS)
    assert steps is not None  # these workloads are small
    given = (types.Array(NUMBER, 1, "C"), types.Array(types.float64, 1, "C"), NUMBER, NUMBER, NUMBER)
    for blocks in (1, MULTIPROCESSORS):
        kernel = replace(steps, blocks=blocks).kernel()
        yield f"{name}: many steps, {'one block' if blocks == 1 else 'several blocks'}", kernel, given


def write(path: Path, figures: dict[str, dict[str, Any]]) -> None:
    """Write the figures as JSON, and a table of them beside it."""
    with atomic_write(path) as file:
        file.write(json.dumps({"versions": versions() | compilers(), "kernels": figures}, indent=1).encode())
    capabilities = ["{}.{}".format(*each) for each in CAPABILITIES]
    lines = ["# Registers, spilled bytes, bytes of shared memory that are known before a launch", ""]
    lines += [f"| kernel | {' | '.join(capabilities)} |", "|---" * (len(capabilities) + 1) + "|"]
    for name, each in figures.items():
        texts = [
            ", ".join(str(each[c][what]) for what in ("registers", "spilled", "shared")) if c in each else ""
            for c in capabilities
        ]
        lines.append(f"| {name} | {' | '.join(texts)} |")
    with atomic_write(path.with_suffix(".md")) as file:
        file.write(("\n".join(lines) + "\n").encode())


def compilers() -> dict[str, str]:
    """The versions of numba-cuda, NVIDIA's compiler and its assembler."""
    return {name: version(name) for name in ("numba-cuda", "nvidia-nvvm", "nvidia-nvjitlink")}


def _text(used: dict[str, int] | None) -> str:
    return ", ".join(str(used[what]) for what in ("registers", "spilled", "shared")) if used else ""


if __name__ == "__main__":
    main()
