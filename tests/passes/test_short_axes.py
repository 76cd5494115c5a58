"""Elementwise work on few channels goes along several axes at once, and computes the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nbdl.codegen.fusion import Fusion
from nbdl.codegen.work import Loop
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.ir.shapes import Batch, Shape
from nbdl.passes.short_axes import join_short_axes
from nbdl.passes.simplify import simplify

ROWS = 3
RNG = np.random.default_rng(0)


def leaf(*shape: int) -> Node:
    return ops.leaf((Batch(), *shape), np.float64, name="x")


def small(*shape: int) -> Node:
    return ops.value(RNG.normal(size=shape), name="small")


def improved(*outputs: Node) -> list[Node]:
    return simplify(join_short_axes(outputs))


def domains(*outputs: Node) -> list[Shape]:
    """What the loops over the batch go over."""
    loops = [each for each in Fusion(outputs, outputs).kernels if isinstance(each, Loop)]
    return [tuple(each.domain) for each in loops if Batch() in each.domain]


def rectified(x: Node, bias: Node) -> Node:
    added = ops.add(x, bias)
    return ops.where(ops.binary("less_equal", added, 0.0), 0.0, added)


@pytest.mark.parametrize(
    ("shape", "bias", "domain"),
    [
        ((14, 14, 6), (6,), (Batch(), 14, 84)),
        ((14, 14, 6), (1, 1, 1, 6), (Batch(), 14, 84)),
        ((14, 14, 6), (), (Batch(), 14, 84)),
        ((14, 14, 6), (14, 1), (Batch(), 14, 84)),  # a number for each pixel of a line
        ((14, 14, 6), (14, 1, 1), (Batch(), 14, 84)),  # and for each line
        ((8, 8, 3), (3,), (Batch(), 192)),  # 24 are few as well
        ((40, 2), (2,), (Batch(), 80)),
        ((13, 13, 31), (31,), (Batch(), 13, 403)),
        ((14, 14, 16), (16,), (Batch(), 14, 14, 16)),  # fills a vector
        ((14, 14, 70), (70,), (Batch(), 14, 14, 70)),
        ((5, 4, 3), (3,), (Batch(), 5, 4, 3)),  # not long even if all are joined
        ((14, 14, 1), (1,), (Batch(), 14, 14)),
        ((10,), (10,), (Batch(), 10)),  # rows stay apart
        ((14, 14, 6), (14, 14, 6), (Batch(), 14, 84)),
        ((8, 8, 3), (8, 1, 3), (Batch(), 192)),
        ((14, 14, 6), (14, 1, 6), (Batch(), 14, 14, 6)),  # would be as large as an image when repeated
    ],
    ids=str,
)
def test_axes_are_joined_until_they_are_long(shape: tuple[int, ...], bias: tuple[int, ...], domain: Shape) -> None:
    x, y = leaf(*shape), small(*bias)
    before = rectified(x, y)
    total = ops.reduce_sum(before, range(len(shape)))
    after = improved(before, total)
    assert set(domains(*after)) == {domain}
    array = RNG.normal(size=(ROWS, *shape))
    wanted = interpret([before, total], {x: array}, rows=ROWS)
    for one, other in zip(interpret(after, {x: array}, rows=ROWS), wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)


SUMS = {
    "channels": (0, 1, 2),
    "everything": (0, 1, 2, 3),
    "each row": (1, 2, 3),
    "channels of a row": (1, 2),
    "pixels": (0,),
    "lines": (0, 2, 3),
}


@pytest.mark.parametrize("axes", SUMS.values(), ids=SUMS)
@pytest.mark.parametrize("shape", [(14, 14, 6), (8, 4, 3)], ids=str)
def test_sums(axes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    x = leaf(*shape)
    before = ops.reduce_sum(ops.exp(x), axes)
    (after,) = improved(before)
    assert after.shape == before.shape
    array = RNG.normal(size=(ROWS, *shape))
    (one,), (other,) = interpret([after], {x: array}, rows=ROWS), interpret([before], {x: array}, rows=ROWS)
    np.testing.assert_allclose(one, other, rtol=1e-13)


def transposed(x: Node) -> Node:
    return ops.multiply(ops.exp(x), ops.transpose(ops.exp(x), (0, 2, 1, 3)))


def sliced(x: Node) -> Node:
    return ops.slice_axis(ops.exp(x), 1, 0, 7)


def largest(x: Node) -> Node:
    return ops.reduce_max(ops.exp(x), (3,))


def squeezed(x: Node) -> Node:
    return ops.multiply(ops.reshape(ops.exp(x), (Batch(), 1, 14, 14, 6)), small(2, 1, 1, 6))


def of_each_pixel(x: Node) -> Node:
    return ops.add(ops.exp(x), ops.reduce_sum(x, (3,)))


@pytest.mark.parametrize("function", [transposed, sliced, largest, squeezed, of_each_pixel])
def test_loops_are_not_cut_in_two(function: Callable[[Node], Node]) -> None:
    x = leaf(14, 14, 6)
    before = function(x)
    (after,) = improved(before)
    assert len(Fusion([after], [after]).kernels) <= len(Fusion([before], [before]).kernels)
    assert len(topological([after])) <= len(topological([before])) + 2
    array = RNG.normal(size=(ROWS, 14, 14, 6))
    (one,), (other,) = interpret([after], {x: array}, rows=ROWS), interpret([before], {x: array}, rows=ROWS)
    np.testing.assert_allclose(one, other, rtol=1e-13)


def test_arrays_of_known_size() -> None:
    before = ops.exp(small(4, 5, 6))
    assert join_short_axes([before]) == [before]
    (after,) = improved(ops.exp(small(40, 50, 6)))
    assert after.inputs[0].shape == (40, 300)
    assert after.shape == (40, 50, 6)
