"""Data sets of folders of images: a folder for each class, PNG and JPEG files read with Pillow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbdl.data.checks import Array, check_share
from nbdl.data.dataset import Dataset, Split
from nbdl.data.split import split_by_seed
from nbdl.data.target import TargetEncoding, label_encoding
from nbdl.errors import DataError

Color = Literal["gray", "rgb"]
ENDINGS = (".png", ".jpg", ".jpeg")
MODES = {"gray": ("L", 1), "rgb": ("RGB", 3)}
BRIGHTEST = 255
PART_FOLDERS = {"train": ("train", "training"), "validation": ("validation", "val"), "test": ("test", "testing")}


@dataclass(frozen=True, eq=False)
class ImageScaling:
    """How image files become rows: float32 `(rows, height, width, channels)` in [0, 1].

    Images of another size are brought to it if they may be `resized`, else refused.
    """

    size: tuple[int, int]
    color: Color
    resized: bool
    classes: tuple[str, ...]

    @property
    def target(self) -> TargetEncoding:
        """The classes: the names of the folders."""
        return label_encoding(self.classes)

    def transform(self, paths: Sequence[Path]) -> NDArray[np.float32]:
        """Return the images in files. Raises `DataError` for a file that is broken or has another size."""
        rows = np.empty((len(paths), *self.size, MODES[self.color][1]), np.float32)
        for row, path in enumerate(paths):
            rows[row] = read_image(path, self.color, self.size, resized=self.resized)
        rows /= BRIGHTEST
        return rows

    def inverse(self, x: Array) -> NDArray[np.float32]:
        """Return rows as pixels from 0 to 255."""
        return (x * np.float32(BRIGHTEST)).astype(np.float32, copy=False)

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[Array, Array | None]:
        """Return x of an image, or of a folder of images; y too if it has a folder for each class.

        Raises `DataError` for a folder without images, and as `transform`.
        """
        if not path.is_dir():
            return self.transform([path]), None
        if with_targets and any(entry.is_dir() for entry in path.iterdir()):
            return self.labelled(path)
        return self.transform(image_files(path)), None

    def labelled(self, folder: Path) -> tuple[Array, NDArray[np.int64]]:
        """Return x and y of a folder with folders of the classes. Raises `DataError` for one that is none of them."""
        found = class_files(folder)
        for name in found:
            if name not in self.classes:
                raise DataError(f"{folder / name} is named as none of the {len(self.classes)} classes "
                                f"({', '.join(self.classes[:10])}).")
        labels = np.repeat([self.classes.index(name) for name in found], [len(paths) for paths in found.values()])
        return self.transform([path for paths in found.values() for path in paths]), labels.astype(np.int64)

    def inverse_target(self, y: Array) -> Array:
        """Return class numbers as they are."""
        return y

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values and arrays, for `from_state`."""
        return {"kind": "images", "size": list(self.size), "color": self.color, "resized": self.resized,
                "classes": list(self.classes)}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, Array]) -> "ImageScaling":
        """Make again what `to_state` described."""
        height, width = map(int, values["size"])
        return cls((height, width), values["color"], bool(values["resized"]), tuple(values["classes"]))


def read_image(path: Path, color: Color, size: tuple[int, int] | None = None, *, resized: bool = False) -> Array:
    """Return an image as uint8 `(height, width, channels)`.

    Raises `DataError`, naming the file, for one that is broken, or that has another size than `size` and may not be
    `resized`.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert(MODES[color][0])
    except FileNotFoundError:
        raise DataError(f"there is no file {path}.") from None
    # Pillow answers to broken files with all of these.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} can't be read as an image: {str(error).splitlines()[0]}.") from error
    if size is not None and (image.height, image.width) != size:
        if not resized:
            raise DataError(f"{path} has {image.height}×{image.width} pixels, others {size[0]}×{size[1]}; the option "
                            "size brings all to one size.")
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(image.height, image.width, MODES[color][1])


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder, by name. Raises `DataError` if there are none."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths:
        raise DataError(f"{folder} has no images in it ({', '.join(ENDINGS)}).")
    return paths


def class_files(folder: Path) -> dict[str, list[Path]]:
    """Return the images in the folders inside of a folder, by the names of these. Raises `DataError` for none."""
    inside = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not inside:
        raise DataError(f"{folder} has no folders in it; each class needs a folder with its images.")
    return {entry.name: image_files(entry) for entry in inside}


def load_images(
    folder: Path,
    *,
    size: tuple[int, int] | None = None,
    color: Color = "rgb",
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """Make a data set of a folder of images; options as in the data set `images`.

    Raises:
        DataError: a folder without images, an image that is broken or has another size, less than two classes.
    """
    check_share("test_fraction", test_fraction, least=0.0)
    check_share("validation_fraction", validation_fraction, least=0.0)
    if size is not None and min(size) < 1:
        raise DataError(f"size is a height and a width of at least 1, not {size}.")
    parts = _part_folders(folder)
    found = class_files(parts.get("train", folder))
    first = next(iter(found.values()))[0]
    scaling = ImageScaling(size or read_image(first, color).shape[:2], color, size is not None, tuple(found))
    x, y = scaling.labelled(parts.get("train", folder))
    given = {part: Split(*scaling.labelled(path)) for part, path in parts.items() if part != "train"}
    cut = split_by_seed(x, y, test_fraction=0.0 if "test" in given else test_fraction,
                        validation_fraction=0.0 if "validation" in given else validation_fraction, seed=seed)
    return Dataset(folder.name, "classification", cut.train, given.get("validation", cut.validation),
                   given.get("test", cut.test), classes=scaling.classes, preprocessing=scaling)


def _part_folders(folder: Path) -> dict[str, Path]:
    """The folders of the parts, if there is one for training; empty if the folder holds the classes themselves."""
    inside = {entry.name.lower(): entry for entry in folder.iterdir() if entry.is_dir()}
    parts = {part: inside[name] for part, names in PART_FOLDERS.items() for name in names if name in inside}
    return parts if "train" in parts else {}
