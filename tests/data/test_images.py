"""Folders of images: what is read, parts, sizes, and files that are none."""

import numpy as np
import pytest
from PIL import Image

from nbdl.data import load, preprocessing_from_state, read_rows
from nbdl.errors import DataError


def write_images(folder, names=("cat", "dog"), count=5, size=(6, 4), ending="png"):
    """Write images for each class into folders; return their pixels, `(classes, count, height, width, 3)`."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (len(names), count, *size, 3), dtype=np.uint8)
    for name, rows in zip(names, pixels, strict=True):
        (folder / name).mkdir(parents=True)
        for number, row in enumerate(rows):
            Image.fromarray(row).save(folder / name / f"{number}.{ending}")
    return pixels


def test_colours(tmp_path):
    pixels = write_images(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("no image")
    data = load("images", folder=tmp_path / "pets", test_fraction=0.0)
    assert (data.name, data.classes, data.input_shape) == ("pets", ("cat", "dog"), (6, 4, 3))
    order = np.lexsort(data.train.values.reshape(10, -1).T)
    expected = pixels.reshape(10, -1) / np.float32(255)
    np.testing.assert_array_equal(data.train.values.reshape(10, -1)[order], expected[np.lexsort(expected.T)])
    labels = {row.tobytes(): number // 5 for number, row in enumerate(expected.astype(np.float32))}
    assert [labels[row.tobytes()] for row in data.train.values] == data.train.y.tolist()


def test_gray_and_another_size(tmp_path):
    write_images(tmp_path, ending="jpg")
    data = load("images", folder=tmp_path, size=(3, 5), color="gray")
    assert data.input_shape == (3, 5, 1)
    assert (len(data.train), len(data.test)) == (8, 2)
    assert 0 <= data.train.values.min() < data.train.values.max() <= 1


def test_folders_of_parts(tmp_path):
    write_images(tmp_path / "train")
    write_images(tmp_path / "val", count=2)
    write_images(tmp_path / "test", count=3, names=("dog",))
    data = load("images", folder=tmp_path)
    assert [len(part) for part in data.splits().values()] == [10, 4, 3]
    assert data.test.y.tolist() == [1, 1, 1]


def test_new_images(tmp_path):
    pixels = write_images(tmp_path / "pets")
    data = load("images", folder=tmp_path / "pets")
    again = preprocessing_from_state(*data.preprocessing.to_state())
    x, y = read_rows(tmp_path / "pets", again)
    np.testing.assert_array_equal(x, pixels.reshape(10, 6, 4, 3) / np.float32(255))
    np.testing.assert_array_equal(np.rint(again.inverse(x)), pixels.reshape(10, 6, 4, 3))
    assert y.tolist() == [0] * 5 + [1] * 5
    for path, rows in ((tmp_path / "pets" / "dog", 5), (tmp_path / "pets" / "dog" / "3.png", 1)):
        x, y = read_rows(path, again, with_targets=False)
        assert (len(x), y) == (rows, None)
    np.testing.assert_array_equal(x[0], pixels[1, 3] / np.float32(255))
    write_images(tmp_path / "others", names=("cat", "fox"))
    with pytest.raises(DataError, match=r"fox is named as none of the 2 classes \(cat, dog\)"):
        read_rows(tmp_path / "others", again)


def test_a_broken_image_is_named(tmp_path):
    write_images(tmp_path, size=(40, 40))
    path = tmp_path / "dog" / "1.png"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match=r"dog/1\.png can't be read as an image"):
        load("images", folder=tmp_path)
    path.write_text("no image at all")
    with pytest.raises(DataError, match=r"dog/1\.png can't be read as an image"):
        load("images", folder=tmp_path)


def test_an_image_of_another_size_is_named(tmp_path):
    write_images(tmp_path)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "dog" / "9.png")
    with pytest.raises(DataError, match=r"dog/9\.png has 5×5 pixels, others 6×4; the option size brings all to"):
        load("images", folder=tmp_path)
    assert len(load("images", folder=tmp_path, size=(6, 4), test_fraction=0.0).train) == 11


def test_what_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        load("images", folder=tmp_path / "absent")
    with pytest.raises(DataError, match="has no folders in it; each class needs a folder with its images"):
        load("images", folder=tmp_path)
    write_images(tmp_path, names=("cat",))
    with pytest.raises(DataError, match="one class only"):
        load("images", folder=tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match=r"dog has no images in it \(\.png, \.jpg, \.jpeg\)"):
        load("images", folder=tmp_path)
    with pytest.raises(DataError, match="is a file; name the folder that it is in"):
        load("images", folder=tmp_path / "cat" / "0.png")
    with pytest.raises(DataError, match="size is a height and a width of at least 1"):
        load("images", folder=tmp_path, size=(0, 4))
