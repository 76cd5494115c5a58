"""Many steps in one launch, on a simulated card: the bits of the launches one by one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.codegen.cuda import stepping, together
from nbdl.codegen.cuda.program import CudaProgram
from nbdl.ir import ops
from nbdl.kernels.cuda.recording import Launch
from nbdl.kernels.cuda.tasks import BLOCK
from tests.codegen.cases import CASES as PROGRAMS
from tests.gpu import walk
from tests.gpu.runner import check

BATCH, STEPS, EXAMPLES = 7, 3, 20
ENTROPY = "sparse_categorical_crossentropy"
Case = Callable[[], tuple[nn.Module, np.ndarray, Any, str]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((EXAMPLES, *shape)).astype(np.float32)


def classes(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, count, EXAMPLES)


@case
def linear() -> Any:
    """As W1 of the workloads."""
    return nn.Sequential(nn.Dense(1)), drawn(10), drawn(1), "mse"


@case
def logistic() -> Any:
    """As W2, smaller."""
    return nn.Sequential(nn.Dense(10)), drawn(21), classes(10), ENTROPY


@case
def mlp() -> Any:
    """As W3, smaller, with numbers drawn at random."""
    net = nn.Sequential(nn.Dense(9, activation="relu"), nn.Dropout(0.2), nn.Dense(9, activation="relu"), nn.Dense(10))
    return net, drawn(17), classes(10), ENTROPY


@case
def two_hidden_layers() -> Any:
    """As W4."""
    net = nn.Sequential(nn.Dense(32, activation="tanh"), nn.Dense(32, activation="tanh"), nn.Dense(2))
    return net, drawn(4), classes(2), ENTROPY


@case
def recurrent() -> Any:
    """As W7, smaller."""
    return nn.Sequential(nn.SimpleRNN(5), nn.Dense(1)), drawn(4, 3), drawn(1), "mse"


@case
def autoencoder() -> Any:
    """As W11, smaller."""
    layers = [nn.Dense(6, activation="relu"), nn.Dense(3, activation="relu"), nn.Dense(6, activation="relu")]
    return nn.Sequential(*layers, nn.Dense(12, activation="sigmoid")), drawn(12), drawn(12), "mse"


@case
def long_rows() -> Any:
    """Rows that a block has each, and statistics over the batch."""
    net = nn.Sequential(nn.Dense(40), nn.LayerNorm(), nn.BatchNorm(), nn.Dense(3))
    return net, drawn(5), classes(3), ENTROPY


def trained(name: str) -> tuple[dict[str, np.ndarray], Any]:
    """What three steps make of the arrays, the last of them on a short batch."""
    nbdl.set_seed(4)
    variables, arrays = walk.training(*CASES[name]()[:3], "adam", CASES[name]()[3])
    bound = CudaProgram(variables, "a network").bind(arrays, batch=BATCH, seed=5)
    bound.run(np.random.default_rng(2).permutation(EXAMPLES), 0, STEPS)
    bound.pull()
    return arrays, bound


@pytest.mark.parametrize("name", CASES)
def test_the_bits_are_those_of_launches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    launched, _ = trained(name)
    done: list[Any] = []
    made = together.choose

    def choose(*arguments: Any) -> Any:
        done.append(made(*arguments))
        return done[-1]

    monkeypatch.setattr(stepping, "TOGETHER", True)
    monkeypatch.setattr(stepping, "choose", choose)
    got, _ = trained(name)
    assert len(done) == 3  # for whole batches, and again with the short one
    assert None not in done
    for array, values in launched.items():
        np.testing.assert_array_equal(got[array], values, err_msg=array)


@pytest.mark.parametrize("name", PROGRAMS)
def test_case(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are easy to get wrong, against NumPy."""
    monkeypatch.setattr(stepping, "TOGETHER", True)
    check(PROGRAMS[name])


def test_a_kernel_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are bound again, as for each evaluation, don't compile again."""
    monkeypatch.setattr(stepping, "TOGETHER", True)
    kernels = together._made.cache_info().currsize
    for _ in range(2):
        trained("linear")
    assert together._made.cache_info().currsize <= kernels + 2  # for whole batches, and for the short one


def test_a_short_batch_goes_the_way_of_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def large(plan: Any, launches: Any, rows: int, multiprocessors: int) -> Any:
        return None if rows == BATCH else together.choose(plan, launches, rows, multiprocessors)

    monkeypatch.setattr(stepping, "TOGETHER", True)
    monkeypatch.setattr(stepping, "choose", large)
    _, bound = trained("linear")
    assert bound._steps._choose(EXAMPLES % BATCH) is None


def launch(blocks: int, shared: int = 0) -> Launch:
    return Launch("kernel", (blocks, 1), (BLOCK, 1), shared, ())


def chosen(*launches: Launch, multiprocessors: int = 132) -> Any:
    variables, _ = walk.training(*CASES["linear"]()[:3], "adam", "mse")
    return together.choose(CudaProgram(variables, "a network").plan, launches, BATCH, multiprocessors)


def test_as_many_blocks_as_the_largest_task_has_work_for() -> None:
    assert chosen(launch(1), launch(together.TURNS)).blocks == 1
    assert chosen(launch(1), launch(40)).blocks == 40
    assert chosen(launch(1), launch(4000)).blocks == 132


def test_what_is_too_large_is_left_to_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen() is None
    assert chosen(launch(1), launch(1, shared=2**16)) is None
    assert chosen(Launch("kernel", (1, 1), (3, 1), 0, ())) is None  # threads that don't make up a block
    assert chosen(Launch("kernel", (1, 1), (2, 1), 0, ())) is not None
    assert chosen(Launch("kernel", (1, 1), (2, 1), 16, ())) is None  # that meet, and are no warp
    monkeypatch.setattr(together, "LARGEST", 1.0)
    assert chosen(launch(1)) is None


def test_moving_many_numbers_is_left_to_launches() -> None:
    moved = ops.leaf((int(2 * together.LARGEST),), np.float32)
    plan: Any = SimpleNamespace(fusion=SimpleNamespace(custom=[], order=[moved]))
    assert together.choose(plan, [launch(1)], BATCH, 132) is None
    assert together.choose(plan, [launch(1)] * 3, BATCH, 132) is not None


def test_operations_of_plugins_are_left_to_launches() -> None:
    """They ask the hardware which thread they are."""
    plan: Any = SimpleNamespace(fusion=SimpleNamespace(custom=[], order=[]))
    assert together.choose(plan, [launch(1)], BATCH, 132) is not None
    plan.fusion.custom.append("an operation")
    assert together.choose(plan, [launch(1)], BATCH, 132) is None


def test_arguments_lie_in_the_table() -> None:
    given = Launch("kernel", (5, 2), (BLOCK, 1), 64, (7, 0.5, (8, 9), float("-inf")))
    table, reals = together.Together([given], 1).table()
    assert table.tolist() == [[0, 5, 2, BLOCK, 1, 64, 7, 0, 8, 9, 0]]
    assert reals[0, [7, 10]].tolist() == [0.5, float("-inf")]
    texts = together._given(given.types)
    assert texts == "card, table[at + 6], reals[at + 7], (table[at + 8], table[at + 9],), reals[at + 10]"
