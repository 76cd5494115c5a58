"""mnist and fashion_mnist: 60,000 + 10,000 grey images of 28×28 in ten classes, from four idx files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nbdl.data.arrays import ArrayScaling
from nbdl.data.dataset import Dataset, Split
from nbdl.data.download import Pinned, fetch
from nbdl.data.files import search_folders, user_folder
from nbdl.data.idx import read_idx
from nbdl.data.target import label_encoding

SIDE = 28


@dataclass(frozen=True)
class IdxImages:
    """One data set in the idx files of MNIST: its files (training images and labels, test images and labels)."""

    name: str
    classes: tuple[str, ...]
    files: tuple[Pinned, Pinned, Pinned, Pinned]
    mirrors: tuple[str, ...]


def _files(*pins: tuple[int, str]) -> tuple[Pinned, Pinned, Pinned, Pinned]:
    names = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
             "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    first, second, third, fourth = (Pinned(name, *pin) for name, pin in zip(names, pins, strict=True))
    return first, second, third, fourth


MNIST = IdxImages(
    "mnist",
    tuple("0123456789"),
    _files(
        (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    ("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"),
)

FASHION_MNIST = IdxImages(
    "fashion_mnist",
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    _files(
        (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    ("https://fashion-mnist.s3.eu-central-1.amazonaws.com",
     "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"),
)


def mnist(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Handwritten digits: 60,000 training and 10,000 test images, `(rows, 28, 28, 1)` in [0, 1].

    The four idx files are looked for in `data_dir`, `NBDL_DATA` and the user's data folder, there or in a folder
    `mnist`; failing that they are downloaded (11 MB). The split is the official one: `seed` has nothing to choose.

    Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist/.
    """
    return _load(MNIST, data_dir)


def fashion_mnist(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Pictures of clothes, in the form of MNIST: 60,000 training and 10,000 test images, `(rows, 28, 28, 1)` in [0, 1].

    Files are found as for `mnist`, in a folder `fashion_mnist`, or downloaded (31 MB). `seed` has nothing to choose.

    Source: Xiao, Rasul, Vollgraf, https://arxiv.org/abs/1708.07747.
    """
    return _load(FASHION_MNIST, data_dir)


def _load(source: IdxImages, data_dir: Path | None) -> Dataset:
    folder = Path(data_dir or user_folder()) / source.name
    paths = _find(source, data_dir) or fetch(source.files, source.mirrors, folder)
    scaling = ArrayScaling((SIDE, SIDE, 1), 1 / 255, label_encoding(source.classes))
    train, test = (
        Split(scaling.transform(read_idx(images, (None, SIDE, SIDE))), read_idx(labels, (None,)).astype(np.int64))
        for images, labels in (paths[:2], paths[2:])
    )
    return Dataset(source.name, "classification", train, test=test, classes=source.classes, preprocessing=scaling)


def _find(source: IdxImages, data_dir: Path | None) -> list[Path] | None:
    """The four files, gzipped or not, in the first folder that has them all."""
    for folder in search_folders(source.name, data_dir):
        either = [(folder / file.name, folder / file.name.removesuffix(".gz")) for file in source.files]
        found = [path for pair in either for path in [next(filter(Path.is_file, pair), None)] if path is not None]
        if len(found) == len(source.files) and not _belongs_to_other(found[1], source):
            return found
    return None


def _belongs_to_other(labels: Path, source: IdxImages) -> bool:
    """Both data sets use the same file names; the small file of labels tells them apart."""
    return any(other.files[1].matches(labels) for other in (MNIST, FASHION_MNIST) if other is not source)
