"""Products that the workers compute together: every program that has some must give the same as without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
import pytest

from nbdl import nn
from nbdl.codegen import joint, schedule
from nbdl.codegen.program import Program
from nbdl.ir import ops
from nbdl.ir.primitives import apply
from nbdl.train.fitting import prepare
from tests.codegen.cases import CASES
from tests.codegen.growth import Growth, LoopGrowth
from tests.codegen.maker import EXAMPLES, Maker
from tests.codegen.oracle import compare, run_oracle
from tests.codegen.plain import PlainRun
from tests.codegen.test_random_graphs import Native, check, such
from tests.codegen.test_scans import CASES as SCANS
from tests.codegen.test_scans import make as make_scan

RUNS = ((7, 1), (5, 3), (1, 2))


@pytest.fixture(params=[None, 2], ids=["all rows at once", "two rows at a time"])
def always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers share every product that they can, however small."""
    monkeypatch.setattr(joint, "ROWS", 0)
    monkeypatch.setattr(schedule, "rows_at_a_time", lambda plan: request.param if plan.block_kernels else None)


with_joint_products = partial(such, lambda plan: plan.joint)
"""Random programs whose workers compute products together."""


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("kind", [Growth, LoopGrowth])
@pytest.mark.parametrize(("first", "size"), [(60_000, 8), (61_000, 14), (62_000, 22)])
def test_random_graphs_as_plain_python(kind: type[Growth], first: int, size: int) -> None:
    for growth, program in islice(with_joint_products(first, size, kind), 3):
        check(growth, program, PlainRun, RUNS, 1e-9)
        check(growth, program, partial(PlainRun, isolated=False), ((5, 3),), 1e-9)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("kind", [Growth, LoopGrowth])
def test_random_graphs_as_machine_code(kind: type[Growth]) -> None:
    for growth, program in islice(with_joint_products(70_000, 14, kind), 2):
        check(growth, program, Native, RUNS, 1e-9)


@pytest.mark.usefixtures("always")
def test_cases_as_plain_python() -> None:
    for case in CASES.values():
        make = Maker()
        case(make)
        make.check()


@pytest.mark.usefixtures("always")
def test_loops_over_time_as_plain_python() -> None:
    for name in SCANS:
        make_scan(name).check()


@pytest.mark.usefixtures("always")
def test_two_optimizers_as_machine_code() -> None:
    make = Maker()
    CASES["two_optimizers"](make)
    program = Program(make.variables, "two optimizers")
    assert program.plan.joint
    order = np.random.default_rng(0).permutation(EXAMPLES)[:14]
    for workers in (1, 2, 3):
        arrays = {name: array.copy() for name, array in make.arrays.items()}
        program.bind(arrays, batch=7, workers=workers, seed=5).run(order, 0, 2)
        compare(arrays, run_oracle(make.variables, make.arrays, order, batch=7, steps=2, seed=5), 1e-9)


@pytest.mark.usefixtures("always")
def test_all_rows_have_room_however_few_a_worker_takes_at_a_time() -> None:
    make = Maker()
    x, weights = make.rows("x", 3), make.state("weights", 3, 4)
    make.result(ops.gradient(ops.reshape(ops.reduce_sum(ops.exp(ops.matmul(x, weights)), (0, 1)), ()), weights))
    program = Program(make.variables, "a gradient")
    assert program.plan.joint
    assert program.plan.block_kernels
    order = np.random.default_rng(0).permutation(EXAMPLES)
    for batch, workers in ((EXAMPLES, 1), (EXAMPLES - 1, 2)):
        arrays = {name: array.copy() for name, array in make.arrays.items()}
        PlainRun(program, arrays, batch=batch, workers=workers, seed=5).run(order)
        compare(arrays, run_oracle(make.variables, make.arrays, order, batch=batch, steps=1, seed=5), 1e-9)


def made_twice(narrow: int, wide: int) -> Maker:
    """A product over the batch, and one of what depends on it: rows that the first one has multiplied are read again
    before those of the second, which may be longer, are written.
    """
    make = Maker()
    x, first, second = make.rows("x", 3), make.state("first", 3, narrow), make.state("second", narrow, wide)
    rows = apply("sin", ops.matmul(x, first))
    product = ops.divide(ops.product_of(x, rows, True, False), ops.batch_size(np.float64))
    again = ops.add(ops.matmul(x, product), rows)
    longer = apply("cos", ops.matmul(again, second))
    make.result(product)
    make.result(ops.divide(ops.product_of(x, longer, True, False), ops.batch_size(np.float64)))
    return make


@pytest.mark.usefixtures("always")
def test_rows_that_others_still_read_are_not_written_over() -> None:
    make = made_twice(2, 5)
    assert len(Program(make.variables, "two products").plan.joint) == 2
    make.check()


def training_plan(*layers: nn.Module, features: int = 300) -> tuple[Program, Callable[..., str]]:
    """The program that trains a network, and its generated source."""
    net = nn.Sequential(*layers)
    net.compile("sgd", "mse")
    x = np.zeros((8, features), np.float32)
    program = prepare(net, x, np.zeros((8, layers[-1].units), np.float32), workers=2).program
    return program, lambda: program.source


def test_large_gradients_are_computed_together_and_small_ones_added_up() -> None:
    program, _ = training_plan(nn.Dense(200, "relu"), nn.Dense(4))
    assert [each.node.shape for each in program.plan.joint] == [(300, 200)]
    (meeting,) = program.plan.meetings
    assert sum(number for _, number in meeting.pieces) < 300 * 200


def test_many_sums_between_joint_products_are_a_table() -> None:
    _, source = training_plan(*[nn.Dense(200, "tanh") for _ in range(5)], nn.Dense(3))
    assert source().count("matmul_tn_part(") == 5
    assert "for offset, count in SUMS:" in source()


def test_products_of_all_rows_come_after_the_last_block() -> None:
    images = [nn.Conv2D(32, 3, activation="relu"), nn.MaxPool2D(2), nn.Conv2D(64, 3), nn.MaxPool2D(2), nn.Flatten()]
    net = nn.Sequential(*images, nn.Dense(300, "relu"), nn.Dense(2))
    net.compile("sgd", "mse")
    x = np.zeros((8, 32, 32, 3), np.float32)
    program = prepare(net, x, np.zeros((8, 2), np.float32)).program
    assert program.plan.block_rows
    assert [each.node.shape for each in program.plan.joint] == [(2304, 300)]
    step = program.source.partition("def step(")[2]
    assert step.index("some_rows(") < step.index("matmul_tn_part(")
