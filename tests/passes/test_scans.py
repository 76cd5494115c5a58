"""Passes over loops: what they compute stays, and what they are for happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import Tensor
from nbdl.autodiff import expand_gradients
from nbdl.errors import ShapeError, VerifyError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.interpret import interpret
from nbdl.ir.scan import Body, inner_nodes, result, scan
from nbdl.ir.shapes import Batch, Shape
from nbdl.ir.verify import verify
from nbdl.passes import PASSES, run_passes
from nbdl.passes.scan_steps import MOST_WRITTEN_OUT
from nbdl.passes.scan_tools import scans_of
from tests.scans import CASES, N

ROWS, TIME = 3, 4


def traced(name: str) -> tuple[list[Node], dict[Node, np.ndarray]]:
    """What a case computes on a symbolic batch, gradients included, and values of its leaves."""
    case = CASES[name]
    leaves: dict[Node, np.ndarray] = {}
    for key, array in case.arrays(ROWS).items():
        shape = (Batch(), *array.shape[1:]) if case.shapes[key][:1] == (N,) else array.shape
        leaves[ops.leaf(shape, array.dtype, name=key, differentiable=array.dtype.kind == "f")] = array
    outputs = [each.node for each in case.outputs(nbdl.scan, *map(Tensor.wrap, leaves))]
    loss = nbdl.zeros((), np.float64)
    for each in map(Tensor.wrap, outputs):
        loss = loss + (nbdl.mean(nbdl.sin(each)) if each.dtype.kind == "f" else 0)
    gradients = [ops.gradient(loss.node, leaf) for leaf in leaves if leaf.dtype.kind == "f"]
    return [*outputs, *gradients], leaves


@pytest.mark.parametrize("name", CASES)
def test_every_pass_keeps_what_is_computed(name: str) -> None:
    outputs, values = traced(name)
    place = PASSES.index(expand_gradients) + 1
    for each in PASSES[:place]:
        outputs = each(outputs)
    wanted = interpret(outputs, values, rows=ROWS)
    for each in PASSES[place:]:
        outputs = each(outputs)
        verify(outputs)
        for got, one in zip(interpret(outputs, values, rows=ROWS), wanted, strict=True):
            # the same operations, added up and multiplied in another order
            np.testing.assert_allclose(got, one, rtol=1e-10, atol=1e-12, err_msg=each.__name__)


def leaf(name: str, *shape: Any) -> Tensor:
    sizes: Shape = tuple(Batch() if size == N else size for size in shape)
    return Tensor.wrap(ops.leaf(sizes, np.float64, name=name, differentiable=True))


def improved(*outputs: Tensor) -> tuple[list[Node], list[Node]]:
    """The outputs after all passes, and their scans."""
    made = run_passes([each.node for each in outputs])
    return made, scans_of(made)


def cell(w: Tensor) -> Any:
    return lambda h, x: (nbdl.tanh(nbdl.matmul(h, w) + x), h)


def kinds(outputs: Sequence[Node]) -> set[str]:
    found: set[str] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node.name == "result":
            found.add(node.param("kind"))
        stack.extend(node.inputs)
    return found


def test_a_network_and_its_derivative_run_each_loop_once() -> None:
    x, w = leaf("x", TIME, N, 3), leaf("w", 3, 3)
    last, _ = nbdl.scan(cell(w), nbdl.zeros_like(x[0]), x)
    loss = nbdl.mean(last)
    _, scans = improved(loss, *[Tensor.wrap(ops.gradient(loss.node, each.node)) for each in (x, w)])
    assert [each.param("reverse") for each in scans] == [False, True]


def test_equal_loops_are_one() -> None:
    x, w = leaf("x", TIME, N, 3), leaf("w", 3, 3)
    first, second = (nbdl.scan(cell(w), x[0], x) for _ in range(2))
    _, scans = improved(first[0], second[1])
    assert len(scans) == 1


def test_what_nobody_reads_is_left_out() -> None:
    x, w, unused = leaf("x", TIME, N, 3), leaf("w", 3, 3), leaf("unused", 3)

    def step(state: Any, element: Any) -> Any:
        h, idle = state
        return (nbdl.tanh(nbdl.matmul(h, w) + element[0]), idle * unused), (element[1] * 2, h)

    last, _ = nbdl.scan(step, (x[0], x[1]), (x, x * 3))
    _, (only,) = improved(last[0])
    body: Body = only.param("body")
    assert [len(each) for each in (body.states, body.elements, body.constants, body.stacks)] == [1, 1, 1, 0]


def test_loops_that_only_feed_what_is_left_out_are_left_out() -> None:
    x, w = leaf("x", TIME, N, 3), leaf("w", 3, 3)
    _, unread = nbdl.scan(cell(w), x[0], x)
    last, _ = nbdl.scan(lambda h, element: (h + element[0], element[1]), x[0], (x, unread))
    assert len(improved(last)[1]) == 1


def test_two_slots_are_enough_for_a_last_state() -> None:
    x, w = leaf("x", TIME, N, 3), leaf("w", 3, 3)
    last, seen = nbdl.scan(cell(w), x[0], x)
    assert kinds(improved(last)[0]) == {"pair"}
    assert kinds(improved(last, seen)[0]) == {"state"}


def test_states_are_not_kept_a_second_time() -> None:
    x = leaf("x", TIME, N, 3)

    def step(h: Any, x: Any) -> Any:
        return nbdl.tanh(h + x), (h, x, nbdl.tanh(h + x), nbdl.exp(h), nbdl.exp(h))

    _, (only,) = improved(*nbdl.scan(step, x[0], x)[1])
    assert len(only.param("body").stacks) == 1


def test_what_is_the_same_in_every_step_is_computed_before() -> None:
    x, w = leaf("x", TIME, N, 3), leaf("w", 3, 3)
    last, _ = nbdl.scan(lambda h, x: (nbdl.tanh(nbdl.matmul(h, w) / nbdl.exp(w[0]) + x), h), x[0], x)
    loss = nbdl.mean(last)
    _, scans = improved(*[Tensor.wrap(ops.gradient(loss.node, each.node)) for each in (x, w)])
    products = [each for one in scans for each in inner_nodes(one) if each.name == "matmul"]
    assert len(products) == 2
    assert not any(each.param("transpose_y") for each in products)
    assert not any(each.name == "exp" for one in scans for each in inner_nodes(one))


def test_numbers_that_are_known_become_part_of_the_step() -> None:
    x = leaf("x", TIME, N, 3)
    zeros, ones = nbdl.zeros((TIME, 3), np.float64), nbdl.ones((3,), np.float64)
    last, _ = nbdl.scan(lambda h, element: (nbdl.tanh(h * ones + element[0] + element[1]), None), x[0], (x, zeros))
    _, (only,) = improved(last)
    body: Body = only.param("body")
    assert (len(body.elements), len(body.constants)) == (1, 0)
    assert [each.name for each in body.order if each.inputs] == ["add", "tanh"]


def test_rows_that_meet_in_each_step_are_written_out() -> None:
    x = leaf("x", TIME, N, 3)
    last, _ = nbdl.scan(lambda h, x: (h - nbdl.mean(h, axis=0) + x, None), x[0], x)
    assert not improved(last)[1]
    long = leaf("x", MOST_WRITTEN_OUT, N, 3)
    last, _ = nbdl.scan(lambda h, x: (h - nbdl.mean(h, axis=0) + x, None), long[0], long)
    with pytest.raises(ShapeError, match="20000 steps adds up over the rows of the batch in each of them"):
        improved(last)


def test_a_step_that_takes_something_from_outside_is_refused() -> None:
    state, stranger = ops.leaf((3,), np.float64, name="h"), ops.leaf((3,), np.float64, name="stranger")
    body = Body((state,), (), (), (state + stranger,))
    with pytest.raises(VerifyError, match="from outside, not as a constant"):
        verify([result(scan(body, [state], 2), "final", 0)])
    whole = replace(body, constants=(stranger,))
    verify([result(scan(whole, [state, stranger], 2), "final", 0)])
