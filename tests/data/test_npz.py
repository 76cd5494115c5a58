"""NPZ files: tables and images, given parts, new rows; no pickle, no memory for what isn't there."""

import io
import zipfile

import numpy as np
import pytest

from nbdl.data import load, preprocessing_from_state, read_rows
from nbdl.errors import DataError

RNG = np.random.default_rng(0)
TABLE = RNG.normal(5, 3, (50, 4))
LABELS = np.arange(50) % 3
IMAGES = RNG.integers(0, 256, (50, 6, 5)).astype(np.uint8)


@pytest.fixture
def save(tmp_path):
    def make(**arrays):
        np.savez(tmp_path / "d.npz", **arrays)
        return tmp_path / "d.npz"

    return make


def test_a_table_is_standardised(save):
    data = load(save(x=TABLE, y=LABELS))
    assert (data.task, data.outputs, data.classes) == ("classification", 3, ("0", "1", "2"))
    np.testing.assert_allclose(data.train.x.mean(axis=0), 0, atol=1e-6)  # float32 of values of size one
    assert (len(data.train), len(data.test)) == (40, 10)


def test_images_keep_their_shape_and_are_scaled(save):
    data = load(save(X=IMAGES, Y=np.array(["cat", "dog"])[LABELS % 2]), validation_fraction=0.1)
    assert data.input_shape == (6, 5)
    assert data.classes == ("cat", "dog")
    assert 0.99 < data.train.x.max() <= 1
    assert {part: len(split) for part, split in data.splits().items()} == {"train": 35, "validation": 5, "test": 10}


def test_given_parts_are_kept(save):
    for x in (TABLE, IMAGES):
        data = load(save(x_train=x[:30], y_train=LABELS[:30], x_val=x[30:40], y_val=LABELS[30:40], x_test=x[40:],
                         y_test=LABELS[40:]))
        assert [len(split) for split in data.splits().values()] == [30, 10, 10]
        assert data.test.y.tolist() == LABELS[40:].tolist()


def test_target_by_name_and_values(save):
    data = load(save(features=IMAGES, price=TABLE[:, :2]), target="price")
    assert (data.task, data.outputs) == ("regression", 2)
    np.testing.assert_allclose(data.train.y.mean(axis=0), 0, atol=1e-6)
    rows = TABLE[:, :2]
    for row in data.inverse_target(data.train.y):  # float32, scaled and scaled back
        assert np.abs(rows - row).max(axis=1).min() < 1e-5 * np.abs(rows).max()


@pytest.mark.parametrize("x", [TABLE, IMAGES])
def test_new_rows_after_a_round_trip(save, x):
    data = load(save(x=x, y=LABELS), test_fraction=0)
    again = preprocessing_from_state(*data.preprocessing.to_state())
    path = save(x=x[:7], y=LABELS[:7])
    rows, y = read_rows(path, again)
    np.testing.assert_array_equal(rows, data.preprocessing.transform(x[:7]))
    assert y.tolist() == LABELS[:7].tolist()
    assert read_rows(save(x=x[:7]), again)[1] is None


@pytest.mark.parametrize(("arrays", "options", "message"), [
    ({"x": TABLE}, {}, r"has x \(50, 4\); x and y"),
    ({"x": TABLE, "y": LABELS[:40]}, {}, "x has 50 rows and y has 40"),
    ({"x": np.where(TABLE > 8, np.nan, TABLE), "y": LABELS}, {}, r"d.npz \(train\): column \d is NaN in row"),
    ({"x": TABLE, "y": np.where(LABELS, 0.5, np.nan)}, {}, "y is nan in row 1"),
    ({"x": TABLE, "y": LABELS}, {"target": "z"}, "no array 'z'; it has x"),
    ({"a": TABLE, "b": TABLE, "z": LABELS}, {"target": "z"}, "which array holds the features"),
    ({"x": TABLE, "y": np.zeros(50, dtype=int)}, {"task": "classification"}, "one class only"),
    ({"x": TABLE, "y": np.eye(3)[LABELS]}, {"task": "classification"}, "argmax"),
    ({"x": TABLE.astype("U5"), "y": LABELS}, {}, "has to hold numbers"),
    ({"x": TABLE, "y": np.array([object()] * 50)}, {}, "Python objects"),
    ({"x": IMAGES, "y": LABELS[:, None, None]}, {}, "y has shape"),
])
def test_mistakes(save, arrays, options, message):
    with pytest.raises(DataError, match=message):
        load(save(**arrays), **options)


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"PK\3\4" + b"junk" * 100])
def test_no_npz_file(write, content):
    with pytest.raises(DataError, match="can't be read as an NPZ file"):
        load(write(content, "d.npz"))


def test_cut_npz(save, write):
    whole = save(x=TABLE, y=LABELS).read_bytes()
    with pytest.raises(DataError, match="can't be read as an NPZ file"):
        load(write(whole[:-50], "cut.npz"))


def test_a_huge_claim_takes_no_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match="'x' claims 8796093022208 bytes"):
        load(tmp_path / "d.npz")


def test_rows_of_another_size(save):
    data = load(save(x=IMAGES, y=LABELS))
    with pytest.raises(DataError, match=r"rows of shape \(4,\) hold 4 values each; .* 30 values"):
        data.preprocessing.transform(TABLE)
