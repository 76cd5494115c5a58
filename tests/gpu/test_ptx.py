"""Kernels compiled for real cards, without one: they assemble, and the hot ones keep their numbers in registers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda isn't installed: pip install 'nbdl[cuda]'")
if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    pytest.skip("the simulator compiles nothing", allow_module_level=True)

from nbdl.codegen.cuda.together import choose
from nbdl.kernels.cuda import tensor_cores
from nbdl.kernels.cuda.launch import MULTIPROCESSORS, Card
from nbdl.kernels.cuda.matmul import matrices
from nbdl.kernels.cuda.ptx import Usage, kernel_ptx, types, usage
from nbdl.kernels.cuda.recording import RecordingCard
from nbdl.kernels.cuda.tasks import BLOCK
from nbdl.kernels.cuda.tile import TILES, Operands, exact, product_kernel
from tests.gpu.programs import PROGRAMS, step_on

CAPABILITIES = [(7, 5), (8, 0), (9, 0)]
ROWS = 64
REGISTERS = 65536
"""Of a multiprocessor, on all of these cards."""


def product_types(shape: int) -> tuple[object, ...]:
    numbers = types.int64
    return (*[numbers] * 3, types.UniTuple(numbers, 3), types.UniTuple(numbers, shape), numbers)


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("tile", TILES, ids=lambda tile: f"{tile.rows}x{tile.columns}")
def test_matrix_product_stays_in_registers(tile: object, capability: tuple[int, int]) -> None:
    operands: Operands = matrices(np.float32, (True, True))
    ptx = kernel_ptx(product_kernel(np.float32, tile, exact(tile), operands, False), product_types(12), capability)
    used = usage(ptx, capability)
    assert (used.stack, used.spilled) == (0, 0)
    assert used.registers * tile.threads <= REGISTERS  # type: ignore[attr-defined]
    assert "ld.shared.v4.f32" in ptx  # four numbers at once


@pytest.mark.parametrize("capability", CAPABILITIES[1:])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_tensor_cores_stay_in_registers(precision: str, capability: tuple[int, int]) -> None:
    tile = tensor_cores.TILES[0]
    engine, operands = tensor_cores.engine(tile, precision), matrices(np.float32, (True, True))
    ptx = kernel_ptx(product_kernel(np.float32, tile, engine, operands, False), product_types(12), capability)
    used = usage(ptx, capability)
    assert (used.stack, used.spilled) == (0, 0)
    assert used.registers * engine.threads <= REGISTERS
    assert f".{precision}.{precision}." in ptx


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_assemble(name: str) -> None:
    card = RecordingCard()
    step_on(card, PROGRAMS[name](), ROWS)
    assert card.launched
    for kernel, arguments in card.launched:
        used = usage(kernel_ptx(kernel, arguments, (9, 0)), (9, 0))
        assert used.spilled == 0, kernel.py_func.__name__


def steps_together(name: str, capability: tuple[int, int], blocks: int | None = None) -> tuple[str, Usage]:
    """The PTX of many steps in one launch, and what it takes."""
    card = RecordingCard()
    program = PROGRAMS[name]()
    step_on(card, program, ROWS)
    chosen = choose(program.plan, card.launches, ROWS, MULTIPROCESSORS)
    assert chosen is not None
    made = replace(chosen, blocks=blocks or chosen.blocks)
    whole = types.int64
    table, reals = types.Array(whole, 1, "C"), types.Array(types.float64, 1, "C")
    ptx = kernel_ptx(made.kernel(), (table, reals, whole, whole, whole), capability)
    return ptx, usage(ptx, capability)


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("blocks", [1, MULTIPROCESSORS])
def test_many_steps_in_one_launch_stay_in_registers(blocks: int, capability: tuple[int, int]) -> None:
    ptx, used = steps_together("linear", capability, blocks)
    assert (used.stack, used.spilled) == (0, 0)
    assert used.registers * BLOCK <= REGISTERS
    assert ("cudaCGSynchronize" in ptx) == (blocks > 1)


@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_tasks_read_what_others_have_written(name: str) -> None:
    ptx, used = steps_together(name, (9, 0))
    assert (used.stack, used.spilled) == (0, 0)
    assert used.registers * BLOCK <= REGISTERS
    assert "ld.global.nc" not in ptx  # by a cache that doesn't see what was written in the same launch


def test_a_loop_of_elements_is_tight() -> None:
    """Bias and ReLU: four elements at once, no checks of indices, no division of places by a power of two."""
    card = RecordingCard()
    step_on(card, PROGRAMS["mlp"](), ROWS)
    (kernel, arguments) = next(key for key in card.launched if key[0].py_func.__name__ == "dense_1")
    ptx = kernel_ptx(kernel, arguments, (9, 0))
    assert ptx.count("ld.global.nc") == 10, ptx  # of four elements at once, and of one where fewer are left
    assert ptx.count("div.") == 1, ptx  # that of the steps
    assert ptx.count("\n") < 200, ptx
    assert usage(ptx, (9, 0)).registers <= 40


def test_few_lanes_are_a_warp() -> None:
    card = RecordingCard()
    card.groups("kernel", 5, 3)
    assert [each.block for each in card.launches] == [(1, 32)]


def test_a_recording_card_launches_nothing() -> None:
    assert issubclass(RecordingCard, Card)
    card = RecordingCard()
    card.once("kernel", 1, 2.0, (3, 4))
    assert list(card.launched) == [("kernel", (types.int64, types.float64, types.UniTuple(types.int64, 2)))]


def test_kernels_are_known_in_other_processes() -> None:
    """Machine code is kept under what a kernel encloses: that must not hold anything drawn at random."""
    script = (
        "import numpy as np\n"
        "from nbdl.kernels.cuda.caching import described\n"
        "from nbdl.kernels.cuda.matmul import matrices\n"
        "from nbdl.kernels.cuda.tile import TILES, exact, product_kernel\n"
        "operands = matrices(np.float32, (True, {along}))\n"
        "print(described(product_kernel(np.float32, TILES[0], exact(TILES[0]), operands, False)))\n"
    )
    first, second, other = (
        subprocess.run([sys.executable, "-c", script.format(along=along)], capture_output=True, text=True, check=True)
        for along in (True, True, False)
    )
    assert first.stdout == second.stdout
    assert "matrices" in first.stdout
    assert first.stdout != other.stdout
