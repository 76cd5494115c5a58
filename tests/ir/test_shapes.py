"""Shapes with a symbolic batch axis, and the shape rules against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch, broadcast, concrete, has_batch, normalize_axes, product, show_shape

N = Batch()


@settings(max_examples=200, deadline=None)
@given(shapes=st.lists(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3), min_size=1, max_size=3))
def test_broadcast_as_numpy(shapes: list[tuple[int, ...]]):
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError, match="can't be broadcast together"):
            broadcast(*shapes)
    else:
        assert broadcast(*shapes) == expected


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (((N, 3), (3,)), (N, 3)),
        (((N, 1), (1, 4)), (N, 4)),
        (((N,), ()), (N,)),
        (((1,), (N,)), (N,)),
        (((N, 3), (N, 1)), (N, 3)),
    ],
)
def test_broadcast_with_the_batch(shapes, expected):
    assert broadcast(*shapes) == expected


@pytest.mark.parametrize("shapes", [((N,), (5,)), ((N,), (Batch(2),)), ((N, 3), (N, 4))])
def test_what_does_not_broadcast_with_the_batch(shapes):
    with pytest.raises(ShapeError, match="can't be broadcast together"):
        broadcast(*shapes)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((N, 4, 3), (N, -1), (N, 12)),
        ((N, 4, 3), (-1, 12), (N, 12)),
        ((N, 4, 3), (-1, 3), (Batch(4), 3)),
        ((Batch(4), 3), (N, -1), (N, 12)),
        ((N,), (N, 1), (N, 1)),
        ((N, 1), (-1,), (N,)),
        ((6, 2), (3, -1), (3, 4)),
        ((2, 3), (-1,), (6,)),
        ((0, 3), (0, 5), (0, 5)),
        ((), (1, 1), (1, 1)),
    ],
)
def test_reshape(old, new, expected):
    assert ops.reshape(ops.leaf(old, np.float32), new).shape == expected


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ((6,), (4, -1), "6 elements don't divide by 4"),
        ((6,), (4,), "6 against 4 elements"),
        ((6,), (-1, -1), "only one size can be -1"),
        ((0,), (0, -1), "don't divide by 0"),
        ((N, 3), (6,), "3n against 6"),
        ((6,), (N, -1), "don't divide by n"),
        ((N, 3), (N, N), "has the batch axis twice"),
    ],
)
def test_reshapes_that_are_refused(old, new, words: str):
    with pytest.raises(ShapeError, match=words):
        ops.reshape(ops.leaf(old, np.float32), new)


def test_sizes():
    assert product((N, 2, 3)) == Batch(6)
    assert product(()) == 1
    assert concrete((Batch(2), 3), 5) == (10, 3)
    assert has_batch((3, N))
    assert not has_batch((3,))
    assert show_shape((Batch(2), 3)) == "(2n, 3)"
    assert show_shape((N,)) == "(n,)"
    with pytest.raises(ShapeError, match="has the batch axis twice"):
        product((N, N))


@pytest.mark.parametrize(
    ("axes", "rank", "expected"), [(None, 2, (0, 1)), (-1, 3, (2,)), ((0, -1), 3, (0, 2)), ((), 2, ())]
)
def test_axes(axes, rank: int, expected: tuple[int, ...]):
    assert normalize_axes(axes, rank) == expected


@pytest.mark.parametrize(
    ("axes", "words"), [(2, "lies outside a tensor with 2 axes"), (-3, "lies outside"), ((0, -2), "one axis twice")]
)
def test_axes_that_do_not_exist(axes, words: str):
    with pytest.raises(ShapeError, match=words):
        normalize_axes(axes, 2)
