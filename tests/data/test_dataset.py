"""What a data set accepts, what it makes of it, and what it refuses in which words."""

import numpy as np
import pytest

from nbdl.data import Dataset, Split, load
from nbdl.errors import DataError, PluginError
from nbdl.hookspecs import hookimpl
from nbdl.plugins import isolated_plugins

X = np.arange(12.0).reshape(4, 3)


def classification(x=X, y=(0, 1, 0, 1), **options):
    return Dataset("toy", "classification", Split(x, np.asarray(y)), **options)


def test_features_become_float32_and_labels_int64():
    data = classification(y=np.array([0.0, 1, 2, 1]))
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int64
    assert (data.outputs, data.classes, data.input_shape) == (3, ("0", "1", "2"), (3,))


def test_bytes_stay_bytes():
    assert classification(X.astype(np.uint8)).train.x.dtype == np.uint8


def test_regression_targets_become_columns():
    data = Dataset("toy", "regression", Split(X, np.arange(4)), test=Split(X, np.arange(4.0)))
    assert data.train.y.shape == (4, 1)
    assert data.train.y.dtype == np.float32
    assert (data.outputs, data.classes) == (1, None)


def test_describe_is_plain():
    import json

    facts = classification(features=("a", "b", "c")).describe()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["rows"] == {"train": 4}
    assert facts["train_rows_per_class"] == [2, 2]


def test_not_finite_names_column_count_and_row():
    x = X.copy()
    x[2:, 1] = np.nan
    with pytest.raises(DataError, match=r"toy \(train\): 'b' is NaN in row 3; 2 rows of that column and 1 columns"):
        classification(x, features=("a", "b", "c"))
    with pytest.raises(DataError, match="column 1 is infinite in row 1"):
        classification(np.where(X == 0, 1e300, X))


@pytest.mark.parametrize(("y", "message"), [
    ([0, 1, 1, 5], "label 5 in row 4 is outside the range 0 to 1"),
    ([0, -1, 0, 1], "label -1 in row 2 is outside"),
    ([0, 0.5, 1, 1], "not whole numbers"),
    (["a", "b", "a", "b"], "not whole numbers"),
    ([0, np.nan, 1, 1], "not whole numbers"),
    ([[0, 1], [1, 0], [0, 1], [1, 0]], "argmax"),
])
def test_labels_that_do_not_fit(y, message):
    with pytest.raises(DataError, match=message):
        classification(y=y, classes=("no", "yes"))


def test_rows_have_to_agree():
    with pytest.raises(DataError, match="x has 4 rows and y has 3"):
        Split(X, np.zeros(3))
    with pytest.raises(DataError, match="empty"):
        Split(np.zeros((0, 3)), np.zeros(0))
    with pytest.raises(DataError, match=r"x.reshape\(-1, 1\)"):
        Split(np.zeros(3), np.zeros(3))
    with pytest.raises(DataError, match=r"toy \(test\): a row has shape \(2,\)"):
        classification(test=Split(X[:, :2], np.zeros(4, dtype=int)))


def test_other_refusals():
    with pytest.raises(DataError, match="2 feature names for 3 columns"):
        classification(features=("a", "b"))
    with pytest.raises(DataError, match="one class only"):
        classification(classes=("yes",))
    with pytest.raises(DataError, match="task is 'ranking'"):
        Dataset("toy", "ranking", Split(X, np.zeros(4)))
    with pytest.raises(DataError, match="dtype <U1"):
        classification(X.astype("U1"))
    with pytest.raises(DataError, match="'target 1' is NaN in row 1"):
        Dataset("toy", "regression", Split(X, np.array([np.nan, 0, 0, 0])))


# --- sequences -------------------------------------------------------------------------------------------------------

TOKENS = np.array([[1, 2, 3], [3, 0, 0]], dtype=np.uint8)


def sequences(y, tokens=4, **options):
    return Dataset("toy", "sequence", Split(TOKENS, np.asarray(y)), tokens=tokens, **options)


def test_tokens_and_a_class_for_each_position():
    data = sequences([[2, 3, 0], [3, -1, -1]])
    assert (data.train.values.dtype, data.train.y.dtype) == (np.int32, np.int64)
    assert (data.outputs, data.tokens, data.input_shape) == (4, 4, (3,))
    assert data.describe()["tokens"] == 4


@pytest.mark.parametrize(("y", "message"), [
    ([[2, 3, 0], [3, -2, -1]], "class -2 in row 2 at position 2 is outside the range 0 to 3 of the 4 classes; -1"),
    ([[2, 4, 0], [3, -1, -1]], "class 4 in row 1 at position 2 is outside the range 0 to 3"),
    ([[2, 3, 0], [-1, -1, -1]], "row 2 has nothing to predict at any position"),
    ([0, 1], r"targets have dtype int64 and shape \(2,\); sequences need whole numbers of shape \(rows, time\)"),
    ([[0.0, 1.0], [1.0, 0.0]], "targets have dtype float64"),
])
def test_sequences_that_do_not_fit(y, message):
    with pytest.raises(DataError, match=message):
        sequences(y, classes=("a", "b", "c", "d"))


def test_tokens_outside_the_vocabulary():
    with pytest.raises(DataError, match=r"token 3 in row 1 at position 3 is outside the vocabulary of 3, whose numbers "
                                        "go from 0 to 2"):
        sequences([[0, 1], [1, 0]], tokens=3)
    with pytest.raises(DataError, match="tokens are whole numbers of shape"):
        Dataset("toy", "classification", Split(X, np.array([0, 1, 0, 1])), tokens=4)


VALUES = np.array([[[1.0], [2.0], [0.0]], [[3.0], [0.0], [0.0]]])


def padded(lengths, values=VALUES, **options):
    return Dataset("toy", "classification", Split((values, np.asarray(lengths)), np.array([0, 1])), **options)


def test_rows_with_lengths_of_their_own():
    data = padded([2, 1])
    values, lengths = data.train.x
    assert (values.dtype, lengths.dtype, data.input_shape) == (np.float32, np.int64, (3, 1))
    assert data.describe()["lengths"] == [1, 2]
    other = data.train.take([1])
    assert (other.lengths.tolist(), other.y.tolist(), len(other.arrays)) == ([1], [1], 3)


@pytest.mark.parametrize(("lengths", "message"), [
    ([0, 1], "row 1 has the length 0; lengths go from 1 to 3"),
    ([2, 4], "row 2 has the length 4"),
    ([1, 1], "row 1 has values behind its length of 1; rows are padded with zeros"),
    ([2.0, 1.0], "the lengths have dtype float64"),
    ([2], "a whole number for each of the 2 sequences"),
])
def test_lengths_that_do_not_fit(lengths, message):
    with pytest.raises(DataError, match=message):
        padded(lengths)


def test_all_parts_have_lengths_or_none_has():
    with pytest.raises(DataError, match="all splits have lengths of rows, or none has"):
        padded([2, 1], test=Split(VALUES, np.array([0, 1])))


def test_an_epoch_needs_rows():
    with pytest.raises(DataError, match="an epoch of toy has 0 rows"):
        classification(epoch_rows=0)


def test_a_plugin_that_makes_something_else_is_named():
    class Odd:
        @hookimpl
        def nbdl_datasets(self, register):
            register("odd", lambda *, data_dir, seed: [1, 2, 3])

    with isolated_plugins(Odd()), pytest.raises(PluginError, match=r"'odd'.* is made as list"):
        load("odd")
