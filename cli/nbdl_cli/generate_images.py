"""Images that a network generates, in a file: as one picture, or as an array."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from nbdl.errors import DataError, OptionError

if TYPE_CHECKING:
    from nbdl_cli.network import OpenRun

ENDINGS = (".png", ".npy")


class Generative(Protocol):
    """A network that makes rows like those that it learned from."""

    def generate(self, count: int, seed: int = 0) -> np.ndarray:
        """`count` rows, the same for the same seed."""


def makes_images(opened: "OpenRun") -> bool:
    """Whether a run's network generates rows like those that it learned from, and not text."""
    return opened.net.task is not None and callable(getattr(opened.net, "generate", None))


def save_images(opened: "OpenRun", count: int, seed: int, out: Path | None) -> Path:
    """Write what a run's network generates and return the file: `plots/generated.png` in the run's folder by default.

    A PNG file gets the images side by side, pixel by pixel; an NPY file the array of all rows, `(count, ...)`, images
    in the units of the files that the network learned from: as `nbdl predict` takes them.

    Raises:
        OptionError: less than one image, or a file with another ending.
        DataError: what it generates are no images (for a PNG file).
        RunError: the file can't be written.
    """
    if count < 1:
        raise OptionError(f"--count must be at least 1, not {count}")
    path = opened.folder.plots / "generated.png" if out is None else out
    if path.suffix.lower() not in ENDINGS:
        raise OptionError(f"--out {path} needs one of the endings {', '.join(ENDINGS)}")
    rows = np.asarray(cast("Generative", opened.net).generate(count, seed=seed))  # asked by `makes_images`
    _write(path, _in_units(opened, rows) if path.suffix.lower() == ".npy" else _side_by_side(opened, rows))
    return path


def _in_units(opened: "OpenRun", rows: np.ndarray) -> np.ndarray:
    """Rows as files hold them, where that is known."""
    inverse = getattr(opened.facts.preprocessing, "inverse", None)
    return rows if inverse is None else np.asarray(inverse(rows))


def _side_by_side(opened: "OpenRun", rows: np.ndarray) -> np.ndarray:
    """All images as one, whole numbers from 0 to 255."""
    from nbdl_cli.figures import lightness, mosaic
    from nbdl_cli.pictures.subject import image_shape

    shape = image_shape(opened.facts)
    if shape is None or np.prod(shape) != np.prod(rows.shape[1:]):
        raise DataError(
            f"{opened.folder.path} generates rows of shape {rows.shape[1:]}, which are no images: write them as an "
            "array, with --out FILE.npy"
        )
    columns = int(np.ceil(np.sqrt(len(rows))))
    return np.rint(255 * mosaic(lightness(rows, shape), columns)).astype(np.uint8)


def _write(path: Path, array: np.ndarray) -> None:
    from nbdl.atomic import atomic_write
    from nbdl.tensor_files import writing

    with writing(path):
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            if path.suffix.lower() == ".npy":
                np.save(file, array)
            else:
                from PIL import Image

                Image.fromarray(array).save(file, "PNG")
