"""Masks of lengths and of the future."""

import numpy as np
import pytest

from nbdl import nn
from nbdl.errors import DtypeError, ShapeError
from nbdl.ir import ops
from nbdl.ir.shapes import Batch
from nbdl.tensor import Tensor


def test_length_mask():
    expected = [[True, False, False, False], [True, True, True, True], [False] * 4]
    assert nn.length_mask(np.array([1, 4, 0]), 4).tolist() == expected
    traced = nn.length_mask(Tensor.wrap(ops.leaf((Batch(),), np.int64)), 4)
    assert (traced.shape, traced.dtype) == ((Batch(), 4), bool)


def test_causal_mask():
    assert (nn.causal_mask(4).numpy() == np.tri(4, dtype=bool)).all()
    assert (nn.causal_mask(2, 5).numpy() == np.tri(2, 5, dtype=bool)).all()


def test_lengths_that_are_none():
    with pytest.raises(ShapeError, match=r"one number for each row, \(n,\), not \(2, 1\)"):
        nn.length_mask(np.ones((2, 1), int), 3)
    with pytest.raises(DtypeError, match="lengths are whole numbers, not float32"):
        nn.length_mask(np.ones(2, np.float32), 3)
