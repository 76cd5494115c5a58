"""Cutting rows: nothing lost, nothing twice, every class in its share, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbdl.data import split_by_seed, split_rows
from nbdl.errors import DataError


@given(rows=st.integers(10, 300), test=st.floats(0, 0.4), validation=st.floats(0, 0.4), seed=st.integers(0, 5),
       classes=st.integers(0, 4))
def test_parts_are_a_partition_with_each_class_in_its_share(rows, test, validation, seed, classes):
    labels = np.random.default_rng(seed).integers(0, classes, rows) if classes else None
    options = {"test_fraction": test, "validation_fraction": validation, "seed": seed, "labels": labels}
    parts = split_rows(rows, **options)
    assert sorted(np.concatenate(parts)) == list(range(rows))
    assert all(np.array_equal(a, b) for a, b in zip(parts, split_rows(rows, **options), strict=True))
    if labels is not None:
        for part in parts:
            for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
                share = count * len(part) / rows
                # The cut through rows sorted by (rank + 1/2) / count can be off by one row at either end.
                assert abs((labels[part] == label).sum() - share) <= 2


def test_another_seed_cuts_otherwise_and_order_is_random():
    first, second = (split_rows(100, seed=seed).train for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, np.sort(first))


def test_a_sorted_file_is_mixed():
    train = split_by_seed(np.zeros((90, 1)), np.repeat([0, 1, 2], 30)).train.y
    assert len(set(train[-18:])) == 3  # a tail cut off for validation has every class


def test_a_rare_label_gets_its_share():
    parts = split_by_seed(np.zeros((100, 1)), np.arange(100) % 10 == 0)
    assert (parts.train.y.sum(), parts.test.y.sum()) == (8, 2)


def test_values_are_not_stratified_and_empty_parts_are_none():
    parts = split_by_seed(np.zeros((10, 1)), np.zeros((10, 2)), test_fraction=0)
    assert parts.test is None
    assert parts.validation is None
    assert len(parts.train) == 10


@pytest.mark.parametrize("fractions", [(1.0, 0.0), (-0.1, 0.0), (0.5, 0.5)])
def test_fractions_that_leave_nothing(fractions):
    with pytest.raises(DataError, match="nothing to train on"):
        split_rows(10, test_fraction=fractions[0], validation_fraction=fractions[1])


def test_too_few_rows():
    with pytest.raises(DataError, match="1 rows can't be cut"):
        split_rows(1)
