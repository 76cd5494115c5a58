"""From a CSV file to a data set: types found out, rows split, mistakes told; and the real tables."""

from pathlib import Path

import numpy as np
import pytest

from nbdl.data import load
from nbdl.errors import DataError, OptionError, UnknownNameError

PEOPLE = "id,name,age,town,grade,const\n" + "".join(
    f"{i},person {i},{20 + i % 7 if i % 5 else ''},{'Bern' if i % 3 else 'Rome'},{i % 2},x\n" for i in range(1, 31))


def test_types_are_found_out(write):
    data = load(write(PEOPLE), target="grade")
    assert data.task == "classification"
    assert data.classes == ("0", "1")
    assert data.features == ("age", "age is missing", "town=Bern", "town=Rome")
    notes = " | ".join(data.notes)
    assert "age: 6 missing values" in notes
    for name, reason in (("id", "counts the rows"), ("name", "tells rows apart"), ("const", "the same in every row")):
        assert f"{name} is left out: " in notes
        assert reason in notes
    assert {part: len(split) for part, split in data.splits().items()} == {"train": 24, "test": 6}


def test_numbers_called_id_that_do_not_count_rows_are_kept(write):
    data = load(write("id,x,y\n" + "".join(f"{1 + i * i % 31},{i}.5,{i % 2}\n" for i in range(30))), target="y")
    assert data.features == ("id", "x")


def test_the_fit_sees_training_rows_only(write):
    text = "a,b,y\n" + "".join(f"{i * i},{i},{i * 1.5}\n" for i in range(40))
    data = load(write(text), target="y", validation_fraction=0.25)
    np.testing.assert_allclose(data.train.x.mean(axis=0), 0, atol=1e-6)  # float32 of values of size one
    np.testing.assert_allclose(data.train.x.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(data.train.y.mean(axis=0), 0, atol=1e-6)
    for part in (data.test, data.validation):
        assert abs(part.x.mean()) > 1e-3
        assert abs(part.y.mean()) > 1e-3


def test_regression_targets_are_scaled_and_come_back(write):
    text = "a,y,z\n" + "".join(f"{i},{100 + i * 1.5},{-i}\n" for i in range(40))
    data = load(write(text), target="y,z", test_fraction=0)
    assert (data.task, data.outputs) == ("regression", 2)
    np.testing.assert_allclose(data.train.y.std(axis=0), 1, rtol=1e-6)
    target = data.preprocessing.target
    assert target.mean == pytest.approx([100 + 19.5 * 1.5, -19.5])
    back = data.inverse_target(data.train.y)
    np.testing.assert_allclose(np.sort(back[:, 0]), 100 + 1.5 * np.arange(40), rtol=1e-6)


def test_options_override_what_is_found(write):
    data = load(write(PEOPLE), target="grade", task="regression", drop=("age",), categorical=("id",))
    assert data.task == "regression"
    assert not any(name.startswith("age") for name in data.features)
    assert any(name.startswith("id=") for name in data.features)


def test_few_whole_numbers_are_labels_and_many_are_values(write):
    few = "x,y\n" + "".join(f"{i}.5,{3 + i % 6}\n" for i in range(60))
    many = "x,y\n" + "".join(f"{i}.5,{i % 25}\n" for i in range(200))
    assert load(write(few), target="y").classes == ("3", "4", "5", "6", "7", "8")
    assert load(write(many), target="y").task == "regression"


def test_labels_sort_as_numbers_and_1_is_1_0(write):
    text = "x,y\n" + "".join(f"{i},{(2, 10, '10.0')[i % 3]}\n" for i in range(30))
    assert load(write(text), target="y").classes == ("2", "10")


def test_rows_without_a_target_are_left_out(write):
    data = load(write("x,y\n" + "1.5,a\n2.5,b\n" * 10 + "3.5,?\n"), target="y")
    assert sum(map(len, data.splits().values())) == 20
    assert "1 rows without a value for y are left out" in data.notes


def test_test_file_with_a_dot_behind_its_labels(write):
    train = write("39, x, <=50K\n28, z, >50K\n" * 10, "train.csv")
    test = write("39, z, <=50K.\n28, new, >50K.\n", "test.csv")
    data = load(train, target="-1", test_file=test)
    assert (len(data.train), len(data.test)) == (20, 2)
    assert data.test.y.tolist() == [0, 1]
    assert data.test.x[1, -2:].tolist() == [0, 0]  # a category that was never seen


def test_target_by_number_counts_from_one(write):
    path = write("1.5,0\n2.5,1\n" * 10)
    assert load(path, target="2").features == ("column 1",)
    assert load(path, target="1", task="regression").features == ("column 2",)
    assert load(path, target="column 2").features == ("column 1",)


def test_same_seed_same_rows(write):
    path = write(PEOPLE)
    first, again, other = (load(path, target="grade", seed=seed).train.x for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("text", "options", "message"), [
    (PEOPLE, {"target": "grad"}, "no column 'grad'; did you mean 'grade'"),
    (PEOPLE, {}, "which column is to be predicted"),
    (PEOPLE, {"target": "99"}, "no column number 99; columns are counted from 1 to 6"),
    ("1,0\n2,1\n", {"target": "y"}, "because it has no header"),
    (PEOPLE, {"target": "const"}, r"one class only \(x\)"),
    (PEOPLE, {"target": "name,age", "task": "classification"}, "one target, not 2"),
    (PEOPLE, {"target": "age,town"}, "line 2: column 'town' holds numbers, but here it says 'Bern'"),
    (PEOPLE, {"target": "grade", "drop": ("agee",)}, "no column 'agee'"),
    ("y,z\n1,x\n2,x\n3,x\n", {"target": "y"}, "no column to learn from besides the target y: z is left out"),
    ("x,y\n1,\n2,\n", {"target": "y"}, "the target y is empty in every row"),
    ("x,y\n1,5\n2,5\n3,5\n", {"target": "y", "task": "regression"}, "5 in every training row"),
    ("x,y\n1,1.5\n2,inf\n3,2.5\n4,3\n", {"target": "y"}, "line 3: column 'y' is infinite"),
])
def test_mistakes(write, text, options, message):
    with pytest.raises(DataError, match=message):
        load(write(text), **options)


def test_text_among_numbers_names_line_and_cell(write):
    text = "x,y\n" + "".join(f"{i if i != 30 else 'twelve'},{i % 2}\n" for i in range(50))
    with pytest.raises(DataError, match=r"line 32: column 'x' holds numbers, but here it says 'twelve' \(1 such"):
        load(write(text), target="y")
    assert "x=twelve" not in load(write(text), target="y", categorical=("x",)).features[0]


def test_mostly_text_is_a_category(write):
    text = "x,y\n" + "".join(f"{('1', '2+', 'many')[i % 3]},{i % 2}\n" for i in range(30))
    assert load(write(text), target="y").features == ("x=1", "x=2+", "x=many")


def test_names_paths_and_options(write, tmp_path, monkeypatch):
    write(PEOPLE, "people.csv")
    assert load("people.csv", target="grade", data_dir=tmp_path).name == "people"
    monkeypatch.setenv("NBDL_DATA", str(tmp_path))
    assert load("people.csv", target="grade").name == "people"
    with pytest.raises(DataError, match=r"there is no file peple.csv.*"):
        load("peple.csv", target="grade")
    with pytest.raises(DataError, match=r"is a folder; name one of its files: people.csv"):
        load(tmp_path, target="grade")
    with pytest.raises(OptionError, match="no option 'tes_fraction'; did you mean 'test_fraction'"):
        load("people.csv", target="grade", tes_fraction=0.1)
    with pytest.raises(UnknownNameError, match="'digts'; did you mean 'digits'"):
        load("digts")
    with pytest.raises(OptionError, match="has its own"):
        load("digits", target="y")


@pytest.mark.data
@pytest.mark.parametrize(("name", "options", "rows", "task", "outputs"), [
    ("adult/adult-train.csv.gz", {"target": "-1", "test_file": Path("adult/adult-test.csv.gz")}, (32561, 16281),
     "classification", 2),
    ("california_housing/housing.csv", {"target": "median_house_value"}, (16512, 4128), "regression", 1),
    ("wine_quality/winequality-red.csv", {"target": "12"}, (1279, 320), "classification", 6),
    ("timeseries/pollution.csv", {"target": "pm2.5"}, (33406, 8351), "regression", 1),
])
def test_real_tables(real_data, name, options, rows, task, outputs):
    data = load(name, data_dir=real_data, **options)
    assert (len(data.train), len(data.test)) == rows
    assert (data.task, data.outputs) == (task, outputs)
    assert np.abs(data.train.x).max() < 100


@pytest.mark.data
def test_what_the_real_tables_are_known_for(real_data):
    adult = load("adult/adult-train.csv.gz", target="15", data_dir=real_data)
    assert adult.classes == ("<=50K", ">50K")
    assert "column 14=(missing)" in adult.features  # "?" in the country of birth
    housing = load("california_housing/housing.csv", target="median_house_value", data_dir=real_data)
    assert "total_bedrooms: 207 missing values are filled with the median" in housing.notes
    assert "total_bedrooms is missing" in housing.features
