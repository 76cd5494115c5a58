"""`scan`: against the loop written out in Python; derivatives, compilation, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import nbdl
from nbdl import Tensor, nn, testing
from nbdl.errors import NumericsError, ShapeError, UntraceableError
from nbdl.ir.cost import operations
from nbdl.testing import interpreted
from tests.scans import CASES, Case, Scan, by_time, written_out

EXACT = 1e-12
"""float64, and the same operations: only sums over steps are added up in another order."""
ROWS = 3


def weighted(case: Case, scan: Scan, tensors: list[Tensor]) -> Tensor:
    """A sum of everything that a case returns, each element with a weight of its own."""
    total = nbdl.asarray(0.0, np.float64)
    for each in case.outputs(scan, *tensors):
        if each.dtype.kind == "f":
            weights = np.cos(np.arange(np.prod(each.shape, dtype=int)) + 0.5).reshape(each.shape)
            total = total + nbdl.sum(nbdl.sin(each) * weights)
    return total


def float_places(arrays: list[np.ndarray]) -> list[int]:
    return [place for place, array in enumerate(arrays) if array.dtype.kind == "f"]


def gradients(case: Case, scan: Scan, arrays: list[np.ndarray]) -> list[np.ndarray]:
    function = nbdl.grad(lambda *tensors: weighted(case, scan, list(tensors)), float_places(arrays))
    return [each.numpy() for each in function(*map(Tensor, arrays))]


def assert_equal(got: list[Any], wanted: list[Any], tolerance: float = EXACT) -> None:
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@interpreted()
def test_values(case: Case) -> None:
    tensors = [Tensor(array) for array in case.arrays(ROWS).values()]
    assert_equal(case.outputs(nbdl.scan, *tensors), case.outputs(written_out, *tensors))


@interpreted()
def test_gradients(case: Case) -> None:
    arrays = list(case.arrays(ROWS).values())
    assert_equal(gradients(case, nbdl.scan, arrays), gradients(case, written_out, arrays))


@interpreted()
def test_second_derivatives(case: Case) -> None:
    arrays = list(case.arrays(2).values())
    places = float_places(arrays)

    def slope(scan: Scan) -> list[np.ndarray]:
        inner = nbdl.grad(lambda *tensors: weighted(case, scan, list(tensors)), places)

        def norm(*tensors: Tensor) -> Tensor:
            total = nbdl.asarray(0.0, np.float64)
            for each in inner(*tensors):
                total = total + nbdl.sum(each * np.sin(np.arange(np.prod(each.shape, dtype=int))).reshape(each.shape))
            return total

        return [each.numpy() for each in nbdl.grad(norm, places)(*map(Tensor, arrays))]

    assert_equal(slope(nbdl.scan), slope(written_out))


@pytest.mark.parametrize(
    "name", ["a_number", "trees", "backwards", "gates", "of_each_row_and_single", "attention", "a_loop_in_a_loop"]
)
def test_gradients_against_differences(name: str) -> None:
    case = CASES[name]
    testing.check_gradients(lambda *tensors: weighted(case, nbdl.scan, list(tensors)), *case.arrays(2).values())


# --- compiled ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a_known_number", "backwards", "a_loop_in_a_loop"])
def test_compiled_by_jit(name: str) -> None:
    case, arrays = CASES[name], list(CASES[name].arrays(ROWS).values())

    @nbdl.jit
    def everything(*tensors: Tensor) -> Any:
        slopes = nbdl.grad(lambda *tensors: weighted(case, nbdl.scan, list(tensors)), float_places(arrays))
        return case.outputs(nbdl.scan, *tensors), slopes(*tensors)

    outputs, slopes = everything(*arrays)
    tensors = [Tensor(array) for array in arrays]
    assert_equal(outputs, case.outputs(written_out, *tensors), 1e-9)
    assert_equal(list(slopes), gradients(case, written_out, arrays), 1e-9)


def test_gradients_flow_through_what_jit_compiled() -> None:
    w = Tensor(np.array([0.5, -1.0]), requires_grad=True)
    loop = nbdl.jit(lambda x: nbdl.scan(lambda h, x: (nbdl.tanh(h * w + x), None), x[0], x)[0])
    x = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, -0.6]])
    nbdl.sum(loop(x)).backward()
    (wanted,) = nbdl.grad(lambda w: nbdl.sum(written_out(lambda h, x: (nbdl.tanh(h * w + x), None), x[0], x)[0]), (0,))(
        w.numpy()
    )
    assert w.grad is not None
    assert_equal([w.grad], [wanted])


def test_a_loop_that_comes_back_is_compiled_and_stays_the_same() -> None:
    x = np.linspace(-1, 1, 6).reshape(3, 2)
    results = [
        nbdl.scan(lambda h, x: (nbdl.tanh(h + x), h * x), Tensor(x[0] + number), x)[1].numpy() for number in range(12)
    ]
    wanted = written_out(lambda h, x: (nbdl.tanh(h + x), h * x), Tensor(x[0] + 11), x)[1]
    assert_equal([results[11]], [wanted], 1e-9)


class Trail(nn.Module):
    """A network with a loop that shows its values."""

    def __init__(self, seen: list[float], *, diverge: bool = False):
        self.seen = seen
        self.diverge = diverge
        self.drop = nn.Dropout(0.5)

    def build(self, *shapes: Any) -> None:
        self.w = self.parameter("w", (2, 2))

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs

        def step(h: Tensor, x: Tensor) -> Any:
            h = nbdl.tanh(nbdl.matmul(h, self.w) + self.drop(x))
            if self.seen is not None:
                self.seen.append(float(nbdl.sum(h)))
            return h / (0.0 if self.diverge else 1.0), None

        return nbdl.scan(step, nbdl.zeros_like(x[:, 0]), by_time(x))[0]


def test_debugging_runs_each_step() -> None:
    x, y = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32), np.zeros((8, 2), np.float32)
    seen: list[float] = []
    losses = []
    for debug in (True, False):
        nbdl.set_seed(1)
        net = Trail(seen if debug else None).compile({"name": "sgd", "lr": 0.5}, "mse", debug=debug)  # type: ignore[arg-type]
        losses.append(net.fit(x, y, batch_size=8, epochs=3, verbose=False, seed=3)["loss"])
    assert len(set(seen)) >= 9, "three steps in each of three epochs"
    np.testing.assert_allclose(*losses, rtol=1e-5)  # float32; dropout draws the same numbers


@pytest.mark.parametrize("debug", [True, False])
def test_numbers_that_are_not_finite_are_found_inside_of_loops(debug: bool) -> None:
    net = Trail(None, diverge=True).compile("sgd", "mse", debug=debug)  # type: ignore[arg-type]
    with pytest.raises(NumericsError, match="divide in trail gives"):
        net.fit(np.ones((8, 3, 2), np.float32), np.zeros((8, 2), np.float32), verbose=False)


# --- trees, names and numbers -----------------------------------------------------------------------------------------


class Both(NamedTuple):
    h: Any
    c: Any


def test_what_comes_back_is_like_what_was_given() -> None:
    last, seen = nbdl.scan(
        lambda state, x: (Both(state.h + x["a"], state.c), {"h": state.h, "note": "kept"}),
        Both(nbdl.asarray(0.0), [1.0, 2.0]),
        {"a": np.arange(3, dtype=np.float32)},
    )
    assert isinstance(last, Both)
    assert (float(last.h), last.c.numpy().tolist()) == (3.0, [1.0, 2.0])
    assert (seen["h"].numpy().tolist(), seen["note"]) == ([0.0, 0.0, 1.0], "kept")


def test_random_numbers_are_drawn_once() -> None:
    _, seen = nbdl.scan(lambda h, _: (h, nbdl.random.uniform((2,))), nbdl.asarray(0.0), length=3)
    assert (seen.numpy() == seen.numpy()[0]).all()


def test_work_is_counted() -> None:
    x = nbdl.zeros((5, 2, 3))
    last, _ = nbdl.scan(lambda h, x: (nbdl.tanh(h + x), None), x[0], x)
    assert operations(last.node.inputs[0], rows=1) == 5 * 2 * 6


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nbdl.scan(lambda h, x: (h, x), 0.0, [np.zeros(3), np.zeros(4)]), r"can't go 3 steps .*\(3,\), \(4,\)"),
        (lambda: nbdl.scan(lambda h, x: (h, x), 0.0, np.zeros(0)), r"can't go 0 steps through elements \(0,\)"),
        (lambda: nbdl.scan(lambda h, x: (h, x), 0.0, np.zeros(3), length=4), r"can't go 4 steps through elements"),
        (lambda: nbdl.scan(lambda h, x: (h, x), 0.0, length=0), "can't go 0 steps"),
        (lambda: nbdl.scan(lambda h, x: (h, x), 0.0), "needs elements, or the number of steps"),
        (lambda: nbdl.scan(lambda h, x: (h, x), 0.0, 1.0), "one of them has no axis there"),
        (
            lambda: nbdl.scan(lambda h, x: (nbdl.concat([h, h]), x), np.zeros(2), np.zeros(3)),
            r"state 'state' of a scan must keep its shape and dtype: float64\(2,\) .* float64\(4,\) after it",
        ),
        (
            lambda: nbdl.scan(lambda h, x: (h + x, x), nbdl.zeros(2), Tensor(np.zeros(3), np.float64)),
            r"float32\(2,\) before the step, float64\(2,\) after it",
        ),
    ],
)
def test_wrong_shapes(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        call()


def test_elements_that_lie_row_by_row() -> None:
    class Net(nn.Module):
        def forward(self, *inputs: Tensor) -> Any:
            return nbdl.scan(lambda h, x: (h + x, None), nbdl.zeros((2,)), inputs[0])[0]

    net = Net().compile("sgd", "mse")
    with pytest.raises(ShapeError, match="one of them has the batch axis there"):
        net.fit(np.zeros((4, 2), np.float32), np.zeros((4, 2), np.float32), verbose=False)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda h, x: h, r"returns \(state, output\), not Tensor"),
        (lambda h, x: ((h, x), x), r"a state like the one that it was given: a tensor, not \(a tensor, a tensor\)"),
        (lambda h, x: (h + (1 if float(h) > 0 else 2), x), "a value was asked for"),
    ],
)
def test_steps_that_cannot_be_recorded(step: Callable[..., Any], words: str) -> None:
    with pytest.raises(UntraceableError, match=words):
        nbdl.scan(step, nbdl.asarray(0.0), np.zeros(3))


def test_whole_numbers_are_constants() -> None:
    with pytest.raises(
        UntraceableError, match=r"\{'n': 0 \(a constant: .* nbdl.asarray\(0\)\)\}, not \{'n': a tensor\}"
    ):
        nbdl.scan(lambda state, x: ({"n": state["n"] + x}, None), {"n": 0}, np.zeros(3))
