"""Random graphs, with gradients and updates: compiled programs against the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest

from nbdl.codegen import parts, schedule, step
from nbdl.codegen.plan import Plan
from nbdl.codegen.program import Program
from tests.codegen.growth import EXAMPLES, Growth, LoopGrowth
from tests.codegen.maker import RUNS
from tests.codegen.oracle import compare, run_oracle
from tests.codegen.plain import PlainRun

STEPS = 2


def grown(
    seed: int, size: int, results: int, dtype: str = "float64", kind: type[Growth] = Growth
) -> tuple[Growth, Program]:
    growth = kind(seed, np.dtype(dtype))
    growth.grow(size)
    growth.made = growth.variables(results)
    return growth, Program(growth.made, "a random graph")


def such(
    wanted: Callable[[Plan], object], first: int, size: int, kind: type[Growth]
) -> Iterator[tuple[Growth, Program]]:
    """Random programs whose plans have something that is wanted."""
    for seed in count(first):
        growth, program = grown(seed, size, 6, kind=kind)
        if wanted(program.plan):
            yield growth, program


def check(
    growth: Growth, program: Program, runner: Callable[..., Any], runs: tuple[tuple[int, int], ...], tolerance: float
) -> None:
    ordered = any(each.in_order for each in program.variables)
    order = np.arange(EXAMPLES) if ordered else np.random.default_rng(0).permutation(EXAMPLES)
    for batch, workers in runs:
        rows = order[: STEPS * batch - (batch > 2)]
        got = {name: array.copy() for name, array in growth.arrays.items()}
        runner(program, got, batch=batch, workers=workers, seed=5).run(rows, STEPS)
        wanted = run_oracle(growth.made, growth.arrays, rows, batch=batch, steps=STEPS, seed=5)
        compare(got, wanted, tolerance, f"with batches of {batch} and {workers} workers")


class Native:
    """The twin of `PlainRun` that runs machine code."""

    def __init__(self, program: Program, arrays: dict[str, np.ndarray], *, batch: int, workers: int, seed: int):
        self.bound = program.bind(arrays, batch=batch, workers=workers, seed=seed)

    def run(self, order: np.ndarray, steps: int) -> None:
        self.bound.run(order, 0, steps)


def check_plain(seed: int, size: int, kind: type[Growth] = Growth) -> None:
    growth, program = grown(seed, size, 6, kind=kind)
    check(growth, program, PlainRun, ((7, 1), (5, 3), (1, 2)), 1e-9)
    check(growth, program, partial(PlainRun, isolated=False), ((5, 3),), 1e-9)


@pytest.mark.parametrize("block", range(10))
def test_small_graphs_as_plain_python(block: int) -> None:
    for seed in range(10):
        check_plain(100 * block + seed, 12)


def in_order(growth: Growth) -> Program:
    """The program that reads and writes rows where they lie."""
    return Program([replace(each, in_order="row" in each.role) for each in growth.made], "a random graph")


@pytest.mark.parametrize("kind", [Growth, LoopGrowth])
@pytest.mark.parametrize("blocks", [False, True])
def test_rows_in_order_as_plain_python(kind: type[Growth], blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if blocks:
        monkeypatch.setattr(schedule, "rows_at_a_time", lambda plan: 2 if plan.block_kernels else None)
    for seed in range(30_000, 30_020):
        growth, program = grown(seed, 20, 6, kind=kind)
        ordered = in_order(growth)
        assert ordered.plan.row_bytes <= program.plan.row_bytes
        assert "take_rows(" not in ordered.source
        check(growth, ordered, PlainRun, ((7, 1), (5, 3), (1, 2)), 1e-9)
        check(growth, ordered, partial(PlainRun, isolated=False), ((5, 3),), 1e-9)


@pytest.mark.parametrize("kind", [Growth, LoopGrowth])
def test_rows_in_order_as_machine_code(kind: type[Growth]) -> None:
    growth, _ = grown(30_100, 20, 6, kind=kind)
    check(growth, in_order(growth), Native, ((7, 1), (5, 3), (1, 2)), 1e-9)


@pytest.mark.parametrize("block", range(10))
def test_large_graphs_as_plain_python(block: int) -> None:
    for seed in range(4):
        check_plain(10_000 + 100 * block + seed, 50)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_graphs_as_plain_python(block: int) -> None:
    for seed in range(50):
        check_plain(20_000 + 100 * block + seed, 30)


@pytest.mark.parametrize("block", range(6))
def test_graphs_with_loops_as_plain_python(block: int) -> None:
    for seed in range(10):
        check_plain(30_000 + 100 * block + seed, 10, LoopGrowth)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_graphs_with_loops_as_plain_python(block: int) -> None:
    for seed in range(40):
        check_plain(40_000 + 100 * block + seed, 16, LoopGrowth)


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print every step in parts of two kernels."""
    monkeypatch.setattr(step, "LONGEST_STEP", 0)
    monkeypatch.setattr(parts, "LONGEST_PART", 2)


@pytest.mark.usefixtures("short_parts")
@pytest.mark.parametrize("block", range(6))
def test_graphs_in_parts_as_plain_python(block: int) -> None:
    for seed in range(6):
        check_plain(50_000 + 100 * block + seed, 40)
        check_plain(60_000 + 100 * block + seed, 10, LoopGrowth)


@pytest.mark.usefixtures("short_parts")
def test_a_graph_in_parts_as_machine_code() -> None:
    growth, program = grown(4, 60, 8)
    assert program.source.count("def forward_") > 5
    check(growth, program, Native, RUNS, 1e-9)


NATIVE = [(0, "float64"), (1, "float64"), (2, "float64"), (3, "float32")]
MORE = [(seed, dtype) for seed in range(10, 26) for dtype in ("float64", "float32")]


@pytest.mark.parametrize(
    ("seed", "dtype"), [*NATIVE, *[pytest.param(*more, marks=pytest.mark.slow) for more in MORE]]
)
def test_graphs_as_machine_code(seed: int, dtype: str) -> None:
    growth, program = grown(seed, 60, 8, dtype)
    # float32: differences of rounding go through dozens of operations; a discrete choice may also come out differently,
    # so seeds are chosen that make none at a tie
    check(growth, program, Native, RUNS, 1e-9 if dtype == "float64" else 2e-3)
