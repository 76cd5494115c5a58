"""The built-in data sets: what they hold, by seed, and where files are looked for."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from nbdl.data import load, preprocessing_from_state
from nbdl.errors import DataError

BUILT_IN = {
    "digits": ("classification", 1797, (8, 8, 1), 10),
    "iris": ("classification", 150, (4,), 3),
    "wine": ("classification", 178, (13,), 3),
    "breast_cancer": ("classification", 569, (30,), 2),
    "diabetes": ("regression", 442, (10,), 1),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_they_hold(name):
    data = load(name)
    rows = sum(map(len, data.splits().values()))
    assert (data.task, rows, data.input_shape, data.outputs) == BUILT_IN[name]
    assert len(data.test) == round(0.2 * rows)
    assert data.train.x.dtype == np.float32
    again, other = load(name), load(name, seed=1)
    assert np.array_equal(data.test.x, again.test.x)
    assert not np.array_equal(data.test.x, other.test.x)


@pytest.mark.parametrize("name", BUILT_IN)
def test_preprocessing_survives(name):
    data = load(name)
    again = preprocessing_from_state(*data.preprocessing.to_state())
    raw = np.random.default_rng(0).normal(size=(3, *data.input_shape))
    np.testing.assert_array_equal(again.transform(raw), data.preprocessing.transform(raw))


def test_classes_are_right():
    from sklearn.datasets import load_breast_cancer

    data = load("breast_cancer", test_fraction=0)
    assert data.classes == ("benign", "malignant")
    assert (data.train.y == 1).sum() == (load_breast_cancer().target == 0).sum()
    assert data.features[0] == "mean radius"


def test_digits_are_scaled_to_one():
    x = load("digits").train.x
    assert (x.min(), x.max()) == (0, 1)


@pytest.mark.data
def test_mnist(real_data, tmp_path, monkeypatch):
    monkeypatch.delenv("NBDL_DATA", raising=False)
    data = load("mnist", data_dir=real_data / "mnist")
    assert (data.input_shape, data.outputs, len(data.train), len(data.test)) == ((28, 28, 1), 10, 60000, 10000)
    assert data.train.x.max() == 1
    assert data.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    assert len(load("mnist", data_dir=real_data).test) == 10000
    monkeypatch.setenv("NBDL_DATA", str(real_data))
    assert len(load("mnist", data_dir=tmp_path).test) == 10000


@pytest.mark.data
def test_fashion_is_not_taken_from_the_files_of_mnist(real_data, tmp_path, monkeypatch):
    import nbdl_datasets.idx_images as idx_images

    monkeypatch.delenv("NBDL_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    for file in (real_data / "mnist").iterdir():
        shutil.copy(file, tmp_path / file.name)
    assert idx_images._find(idx_images.MNIST, tmp_path) is not None
    assert idx_images._find(idx_images.FASHION_MNIST, tmp_path) is None
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert idx_images._find(idx_images.MNIST, tmp_path) is None


def test_labels_outside_the_range(tmp_path, monkeypatch):
    import nbdl_datasets.idx_images as idx_images

    def idx(array):
        sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
        return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes()

    for file in idx_images.MNIST.files:
        images = "images" in file.name
        array = np.zeros((3, 28, 28), np.uint8) if images else np.array([0, 1, 10], np.uint8)
        (tmp_path / file.name.removesuffix(".gz")).write_bytes(idx(array))
    with pytest.raises(DataError, match=r"mnist \(train\): label 10 in row 3 is outside the range 0 to 9"):
        load("mnist", data_dir=tmp_path)


def test_importing_data_is_light():
    code = ("import sys, nbdl.data, nbdl_datasets; "
            "print([name for name in ('numba', 'sklearn', 'matplotlib', 'urllib.request') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
