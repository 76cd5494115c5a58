"""Rows a few at a time: every program that can run so must give the same as with all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
import pytest

from nbdl import nn
from nbdl.codegen import row_blocks, schedule
from nbdl.codegen.plan import Meeting, Plan
from nbdl.codegen.program import Program
from nbdl.train import tracing
from nbdl.train.feed import make_feed
from tests.codegen.cases import CASES
from tests.codegen.growth import Growth, LoopGrowth
from tests.codegen.maker import EXAMPLES, Maker
from tests.codegen.oracle import compare, run_oracle
from tests.codegen.plain import PlainRun
from tests.codegen.test_images import CASES as IMAGES
from tests.codegen.test_random_graphs import Native, check, such
from tests.codegen.test_scans import CASES as SCANS
from tests.codegen.test_scans import make as make_scan

RUNS = ((7, 1), (5, 3), (1, 2))


@pytest.fixture(autouse=True)
def two_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every program that can take rows two at a time."""
    monkeypatch.setattr(schedule, "rows_at_a_time", lambda plan: 2 if plan.block_kernels else None)


in_blocks = partial(such, lambda plan: plan.block_rows)
"""Random programs that take rows two at a time."""


@pytest.mark.parametrize("kind", [Growth, LoopGrowth])
@pytest.mark.parametrize(("first", "size"), [(40_000, 8), (41_000, 14), (42_000, 30)])
def test_random_graphs_as_plain_python(kind: type[Growth], first: int, size: int) -> None:
    for growth, program in islice(in_blocks(first, size, kind), 10):
        check(growth, program, PlainRun, RUNS, 1e-9)
        check(growth, program, partial(PlainRun, isolated=False), ((5, 3),), 1e-9)


@pytest.mark.parametrize("kind", [Growth, LoopGrowth])
def test_random_graphs_as_machine_code(kind: type[Growth]) -> None:
    for growth, program in islice(in_blocks(50_000, 14, kind), 2):
        check(growth, program, Native, RUNS, 1e-9)


@pytest.mark.parametrize("cases", [CASES, IMAGES], ids=["cases", "images"])
def test_cases_as_plain_python(cases: dict[str, Callable[[Maker], None]]) -> None:
    for case in cases.values():
        make = Maker()
        case(make)
        make.check()


@pytest.mark.parametrize("name", IMAGES)
def test_images_as_machine_code(name: str) -> None:
    make = Maker()
    IMAGES[name](make)
    program = Program(make.variables, name)
    order = np.random.default_rng(0).permutation(EXAMPLES)[:14]
    arrays = {name: array.copy() for name, array in make.arrays.items()}
    program.bind(arrays, batch=7, workers=2, seed=5).run(order, 0, 2)
    compare(arrays, run_oracle(make.variables, make.arrays, order, batch=7, steps=2, seed=5), 1e-9)


def test_loops_over_time_as_plain_python() -> None:
    for name in SCANS:
        make_scan(name).check()


def test_statistics_of_the_whole_batch_need_all_rows() -> None:
    make = Maker()
    CASES["statistics_of_a_batch"](make)
    assert Program(make.variables, "statistics").plan.block_rows is None


def planned(row_bytes: int, sums: int, batch: int | None = None) -> int | None:
    """The rows of a block of a program with so many bytes for a row and for sums, for batches of so many rows."""
    make = Maker()
    CASES["matrix_products_of_all_kinds"](make)
    plan: Plan = Program(make.variables, "sums", batch).plan
    assert plan.block_kernels
    plan.row_bytes, plan.meetings = row_bytes, [Meeting(0, [(0, sums // 8)], np.dtype("float64"), maximum=False)]
    return row_blocks.rows_at_a_time(plan)


def test_a_block_fits_into_the_cache_and_is_worth_reading_the_weights_again() -> None:
    assert planned(row_bytes=250_000, sums=0) == 4
    assert planned(row_bytes=2_000_000, sums=0) == 1
    assert planned(row_bytes=250_000, sums=3_000_000) == 12
    assert planned(row_bytes=4_000, sums=0) is None
    assert planned(row_bytes=250_000, sums=10**9) is None


def test_a_large_batch_is_cut_even_if_many_rows_fit_into_the_cache() -> None:
    assert planned(row_bytes=4_096, sums=0, batch=1024) == 256
    assert planned(row_bytes=4_096, sums=0, batch=1023) is None
    assert planned(row_bytes=250_000, sums=0, batch=1) == 4  # others may come, and none would fit


def test_a_loop_over_time_reads_its_weights_in_each_step_so_longer_series_do_not_make_blocks_smaller() -> None:
    short, long = (recurrent(length) for length in (100, 400))
    assert 16 < long <= short < 32


def recurrent(length: int) -> int:
    """The rows of a block of a recurrent network's training program."""
    net = nn.Sequential(nn.LSTM(32), nn.Dense(1))
    net.compile("adam", "mse")
    feed = make_feed(np.zeros((4, length, 8), np.float32), np.zeros((4, 1), np.float32))
    tracing.build(net, feed, None)
    tracing.attach(net)
    rows = row_blocks.rows_at_a_time(tracing.trace_training(net, feed).program.plan)
    assert rows is not None
    return rows
