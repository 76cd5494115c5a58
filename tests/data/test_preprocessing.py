"""Preprocessing: as scikit-learn does it, the same after a round trip through text and arrays, strict with new rows."""

import json
import tomllib

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nbdl.data import load, preprocessing_from_state, read_rows
from nbdl.data.fit import MOST_CATEGORIES, fit_table
from nbdl.data.preprocessing import TablePreprocessing
from nbdl.data.table import Table
from nbdl.data.target import fit_target, label_encoding
from nbdl.errors import DataError

NUMBER = st.one_of(st.just(""), st.floats(-1e6, 1e6, width=32).map(str), st.integers(-1000, 1000).map(str))
WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=6).map(str.strip)


@st.composite
def tables(draw):
    rows = draw(st.integers(3, 20))
    cells = [draw(st.lists(strategy, min_size=rows, max_size=rows)) for strategy in (NUMBER, WORD, NUMBER)]
    target = [str(i % 2) for i in range(rows)]
    return Table("t.csv", ("a", "b", "c", "y"), (*cells, target), tuple(range(2, rows + 2)))


def fit(table, task="classification"):
    classes = ("0", "1") if task == "classification" else None
    return fit_table(table, ["a", "c"], ["b"], fit_target(table, ["y"], classes))


@settings(deadline=None)  # scikit-learn is imported by the first example
@given(tables(), st.sampled_from(["classification", "regression"]))
def test_round_trip_through_toml_json_and_arrays(table, task):
    fitted = fit(table, task)
    values, arrays = fitted.to_state()
    for text in (json.loads(json.dumps(values)), tomllib.loads(tomli_w.dumps(values))):
        again = preprocessing_from_state(text, {name: array.copy() for name, array in arrays.items()})
        assert isinstance(again, TablePreprocessing)
        assert again.feature_names == fitted.feature_names
        np.testing.assert_array_equal(again.transform(table), fitted.transform(table))
        np.testing.assert_array_equal(again.targets(table), fitted.targets(table))
        np.testing.assert_array_equal(again.inverse_target(np.ones((2, 1))), fitted.inverse_target(np.ones((2, 1))))


@settings(deadline=None)
@given(tables())
def test_a_row_does_not_depend_on_the_others(table):
    fitted = fit(table)
    whole = fitted.transform(table)
    for row in range(len(table)):
        np.testing.assert_array_equal(fitted.transform(table.take([row])), whole[row : row + 1])


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    raw = rng.normal(3, 10, (400, 2))
    raw[rng.random((400, 2)) < 0.1] = np.nan
    words = [f"w{int(number)}" for number in rng.geometric(0.04, 400)]
    table = Table("t", ("a", "b", "c", "y"), (raw[:, 0], words, raw[:, 1], np.arange(400) % 2), tuple(range(400)))
    fitted = fit(table)
    numbers = StandardScaler().fit_transform(SimpleImputer(strategy="median").fit_transform(raw))
    encoder = OneHotEncoder(min_frequency=1, max_categories=MOST_CATEGORIES, sparse_output=False)
    one_hot = encoder.fit_transform(np.array(words, dtype=object).reshape(-1, 1))
    expected = np.hstack([numbers, np.isnan(raw), one_hot])
    # float32 against float64, values up to about 4
    np.testing.assert_allclose(fitted.transform(table), expected, atol=1e-6)


def test_many_values_are_limited_and_unknown_ones_are_zeros():
    words = [f"w{i % 200}" for i in range(1000)]
    table = Table("t", ("b", "y"), (words, np.arange(1000) % 2), tuple(range(1000)))
    fitted = fit_table(table, [], ["b"], label_encoding("01", "y"))
    assert len(fitted.feature_names) == MOST_CATEGORIES
    assert fitted.transform(table).sum(axis=1).tolist() == [1.0] * 1000
    new = Table("n", ("b",), (["never seen", ""],), (1, 2))
    assert not fitted.transform(new).any()


@pytest.fixture
def trained(write):
    text = "age,town,y\n" + "".join(f"{i % 9},{'Bern' if i % 3 else 'Rome'},{i * 0.5}\n" for i in range(40))
    return load(write(text, "train.csv"), target="y")


def test_new_rows_by_name_in_any_order_with_or_without_the_target(write, trained):
    fitted = trained.preprocessing
    x, y = read_rows(write("y,town,more,age\n4,Bern,z,5\n"), fitted)
    assert y.shape == (1, 1)
    assert fitted.inverse_target(y) == pytest.approx(np.array([[4.0]]))
    without, none = read_rows(write("town,age\nBern,5\n"), fitted)
    assert none is None
    np.testing.assert_array_equal(x, without)


def test_new_rows_by_position(write, trained):
    fitted = trained.preprocessing
    by_name = read_rows(write("age,town\n5,Bern\n"), fitted)[0]
    np.testing.assert_array_equal(read_rows(write("5,Bern\n"), fitted)[0], by_name)
    x, y = read_rows(write("5,Bern,4\n"), fitted)
    np.testing.assert_array_equal(x, by_name)
    assert fitted.inverse_target(y) == pytest.approx(np.array([[4.0]]))


def test_known_names_make_a_header(write):
    fitted = load(write("1,2\n" + "5.5,a\n6.5,b\n" * 5), target="2", header=True).preprocessing
    assert len(read_rows(write("2,1\na,5\n", "new.csv"), fitted)[0]) == 1
    assert len(read_rows(write("1\n5\n", "new.csv"), fitted)[0]) == 1


@pytest.mark.parametrize(("text", "message"), [
    ("ag,town\n5,Bern\n", "has no column 'age', which the training data had; did you mean 'ag'"),
    ("5\n", "has 1 columns; the training data had 3 with the target and 2 without: age, town"),
    ("age,town\n5,Bern\nold,Bern\n", "line 3: column 'age' holds numbers, but here it says 'old'"),
    ("age,town,y\n5,Bern,4\n5,Bern,\n", r"line 3: there is no value for the target y \(1 rows"),
])
def test_new_rows_that_do_not_fit(write, trained, text, message):
    with pytest.raises(DataError, match=message):
        read_rows(write(text), trained.preprocessing)


def test_unknown_label(write):
    data = load(write("x,y\n" + "1.5,a\n2.5,b\n" * 5), target="y")
    with pytest.raises(DataError, match=r"line 2: label 'c' is none of the 2 classes \(a, b\)"):
        read_rows(write("x,y\n1,c\n", "new.csv"), data.preprocessing)


def test_a_damaged_state():
    with pytest.raises(DataError, match="can't be read: KeyError"):
        preprocessing_from_state({"kind": "table"}, {})
    with pytest.raises(DataError, match="'other'"):
        preprocessing_from_state({"kind": "other"}, {})
