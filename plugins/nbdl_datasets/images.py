"""images: a folder of images for each class."""

from pathlib import Path

from nbdl.data.dataset import Dataset
from nbdl.data.files import find_folder
from nbdl.data.images import Color, load_images


def images(*, folder: Path, data_dir: Path | None = None, seed: int = 0, size: tuple[int, int] | None = None,
           color: Color = "rgb", test_fraction: float = 0.2, validation_fraction: float = 0.0) -> Dataset:
    """Images in a folder for each class, PNG and JPEG: `(rows, height, width, channels)` in [0, 1].

    Folders `train`, `test` and `validation` in the folder, each with the classes' folders, are taken as the parts.

    Args:
        folder: the folder, also looked for below `data_dir` and `NBDL_DATA`.
        data_dir: folder to look for it in.
        seed: which images go where.
        size: height and width that all images are brought to; if none is given, all must have the same.
        color: `gray` for one channel, `rgb` for three.
        test_fraction: share of the images for testing, if there is no folder with them.
        validation_fraction: share of the images for validation, if there is no folder with them.

    Raises:
        DataError: a folder without images, an image that is broken or has another size, less than two classes.

    Source: Deng et al., ImageNet: A Large-Scale Hierarchical Image Database, CVPR 2009, for the layout.
    """
    return load_images(find_folder(folder, data_dir), size=size, color=color, test_fraction=test_fraction,
                       validation_fraction=validation_fraction, seed=seed)
