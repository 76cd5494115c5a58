"""`tensor[...]` means what it means in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nbdl
from nbdl import Tensor, testing
from nbdl.errors import DtypeError, ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), shape=SHAPES)
def test_basic_indices(data: st.DataObject, shape: tuple[int, ...]):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    found = Tensor(x)[key].numpy()
    expected = x[key]
    assert found.shape == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
def test_gradients_of_basic_indices(data: st.DataObject, shape: tuple[int, ...]):
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    testing.check_gradients(lambda x: x[key], np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("rows", [[2, 0, 2], np.array([1, 1]), np.array([[0, 1], [2, 0]]), []])
def test_rows_by_integers(rows):
    x = np.random.default_rng(0).normal(size=(3, 2))
    expected = x[np.asarray(rows, np.int64)]
    np.testing.assert_array_equal(Tensor(x)[rows].numpy(), expected)
    np.testing.assert_array_equal(Tensor(x)[Tensor(np.asarray(rows, np.int64))].numpy(), expected)
    testing.check_gradients(lambda tensor: tensor[rows], x)


def test_rows_of_a_vector():
    assert Tensor([1.0, 2.0, 3.0])[[2, 0]].tolist() == [3.0, 1.0]


def test_iteration_gives_rows():
    assert [row.tolist() for row in Tensor([[1.0, 2.0], [3.0, 4.0]])] == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (5, r"index 5 is out of range for axis 0 of \(3, 4\)"),
        (3, "index 3 is out of range"),
        (-4, "index -4 is out of range"),
        ((0, -5), "index -5 is out of range for axis 1"),
        ((0, 0, 0), "3 indices are too many"),
        ((..., 0, ...), r"only one \.\.\."),
        ("a", "can't index with 'a'"),
        (1.0, "can't index with 1.0"),
        ((0, [1, 2]), "can't index with"),
    ],
)
def test_what_is_refused(key, words: str):
    with pytest.raises(ShapeError, match=words):
        Tensor(np.zeros((3, 4)))[key]


def test_a_mask_is_refused():
    with pytest.raises(DtypeError, match="integer indices, not bool"):
        Tensor(np.zeros((2, 4)))[np.array([True, False])]


class TestBatch:
    """While a program is traced the first axis is symbolic."""

    def traced(self) -> Tensor:
        return Tensor.wrap(ops.leaf((Batch(), 4), np.float32))

    def test_columns_can_be_taken(self):
        assert self.traced()[:, 1:3].shape == (Batch(), 2)
        assert self.traced()[..., -1].shape == (Batch(),)
        assert self.traced()[:, None].shape == (Batch(), 1, 4)

    @pytest.mark.parametrize(
        ("key", "words"),
        [(0, "one row of the batch can't be picked"), (slice(1, None), "the batch axis can't be sliced")],
    )
    def test_rows_cannot(self, key, words: str):
        with pytest.raises(ShapeError, match=words):
            self.traced()[key]

    def test_rows_of_a_table_by_a_column_of_the_batch(self):
        numbers = Tensor.wrap(ops.leaf((Batch(),), np.int64))
        assert nbdl.take(np.zeros((10, 3), np.float32), numbers).shape == (Batch(), 3)
