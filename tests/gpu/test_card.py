"""A real card against NumPy and the CPU: run with `pytest -m gpu`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.cards import examine_cuda
from nbdl.plugins import Registered

if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    pytest.skip("the simulator is no card", allow_module_level=True)

from tests.codegen.cases import CASES
from tests.codegen.test_images import CASES as IMAGES
from tests.codegen.test_scans import make as make_scan
from tests.gpu import walk
from tests.gpu.registered import (  # noqa: F401 - pytest collects them here
    test_activation,
    test_layer,
    test_loss,
    test_optimizer,
)
from tests.gpu.runner import check
from tests.gpu.walk import registered
from tests.scans import CASES as SCANS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not examine_cuda()["usable"], reason=str(examine_cuda()["verdict"])),
]
FLOAT32 = 1e-3
"""Sums of up to 33 rows of products of numbers around 1, in another order than NumPy's."""


@pytest.fixture(autouse=True)
def launched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are compiled one by one, each once for many tests, but where a test asks for many steps in one launch."""
    from nbdl.codegen.cuda import stepping

    monkeypatch.setattr(stepping, "TOGETHER", False)


@pytest.mark.parametrize("blocks", [1, 8])
@pytest.mark.parametrize("name", ["matrix_products_of_all_kinds", "statistics_of_a_batch", "gradients_of_maxima"])
def test_many_steps_in_one_launch(name: str, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbdl.codegen.cuda import stepping, together

    def choose(*arguments: Any) -> together.Together:
        found = together.choose(*arguments)
        assert found is not None  # these are small
        return replace(found, blocks=blocks)

    monkeypatch.setattr(stepping, "TOGETHER", True)
    monkeypatch.setattr(stepping, "choose", choose)
    check(CASES[name], "float32", FLOAT32)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_case(name: str, dtype: str) -> None:
    check(CASES[name], dtype, FLOAT32 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", IMAGES)
def test_images(name: str, dtype: str) -> None:
    check(IMAGES[name], dtype, FLOAT32 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("name", SCANS)
def test_scan(name: str) -> None:
    made = make_scan(name)
    walk.run(made.variables, made.arrays, batch=3)


@pytest.mark.parametrize("thing", registered("models"), ids=lambda each: each.name)
def test_model(thing: Registered) -> None:
    for rows in walk.rows_for(thing):
        walk.run(*walk.model_program(thing, rows))


def trained(device: str, optimizer: str) -> tuple[Any, nn.Module]:
    """100 steps of a small classifier."""
    nbdl.set_seed(0)
    random = np.random.default_rng(0)
    x = random.standard_normal((640, 784), np.float32)
    y = (x[:, :10] ** 2).argmax(1)
    net = nn.Sequential(nn.Dense(64, activation="relu"), nn.Dropout(0.1), nn.Dense(64, activation="relu"), nn.Dense(10))
    net.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return net.fit(x, y, epochs=5, batch_size=32, seed=1, device=device, verbose=False), net


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_hundred_steps_agree(optimizer: str) -> None:
    (cpu, _), (card, _) = trained("cpu", optimizer), trained("cuda", optimizer)
    for one, other in zip(cpu.rows, card.rows, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-2)  # rounding grows from step to step


def test_the_same_seed_gives_the_same_bits() -> None:
    (_, first), (_, second) = trained("cuda", "adam"), trained("cuda", "adam")
    for name, value in first.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], value, err_msg=name)


def test_all_ways_to_run_steps_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many in one launch, with several blocks and with one; as replays of a graph; launch by launch."""
    from nbdl.codegen.cuda import stepping, together
    from nbdl.kernels.cuda import graphs

    monkeypatch.setattr(stepping, "TOGETHER", True)
    _, wanted = trained("cuda", "adam")
    ways: list[tuple[Any, str, Any]] = [
        (together, "TURNS", 1e9), (stepping, "TOGETHER", False), (graphs, "WANTED", False),
    ]  # fmt: skip
    for thing, name, value in ways:
        monkeypatch.setattr(thing, name, value)
        _, other = trained("cuda", "adam")
        for parameter, values in wanted.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[parameter], values, err_msg=f"{name}: {parameter}")


@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (33, 65, 17), (128, 128, 128), (1000, 10, 784), (784, 64, 2048), (513, 257, 1025)]
)
def test_matrix_product(m: int, n: int, k: int) -> None:
    from nbdl.ir import ops
    from tests.codegen.maker import Maker

    def product(make: Maker) -> None:
        x, y = make.state("x", m, k), make.state("y", k, n)
        make.result(ops.matmul(x, y), ops.product_of(x, y, True, True) if m == n == k else x)

    check(product, "float32", FLOAT32, runs=(1,))


@pytest.mark.parametrize(("precision", "bits"), [("tf32", 11), ("bf16", 8)])
@pytest.mark.parametrize(("m", "n", "k"), [(128, 128, 64), (300, 200, 100), (1000, 513, 785)])
def test_product_of_tensor_cores(m: int, n: int, k: int, precision: str, bits: int) -> None:
    from nbdl.codegen.cuda.program import CudaProgram
    from nbdl.ir import ops
    from tests.codegen.maker import Maker

    make = Maker(dtype=np.float32)
    make.result(ops.matmul(make.state("x", m, k), make.state("y", k, n)))
    arrays = {name: array.copy() for name, array in make.arrays.items()}
    bound = CudaProgram(make.variables, "a product").bind(arrays, precision=precision)
    bound.run(np.zeros(1, np.int64), 0, 1)
    bound.pull()
    error = np.abs(arrays["result_0"] - arrays["x"].astype(np.float64) @ arrays["y"])
    allowed = 2.0 ** (1 - bits) * (np.abs(arrays["x"]) @ np.abs(arrays["y"])) + 1e-4
    assert (error <= allowed).all()


def test_what_does_not_fit_is_refused_with_numbers() -> None:
    from nbdl.codegen.cuda.program import _allocate
    from nbdl.errors import NbdlError

    with pytest.raises(NbdlError, match=r"this needs .* GiB on the card, which has .* GiB free: .*for data"):
        _allocate(2**50, {"data": 2**50})
