"""digits: 1,797 handwritten digits of 8×8, the small relative of MNIST that comes with scikit-learn."""

from pathlib import Path

import numpy as np

from nbdl.data.arrays import ArrayScaling
from nbdl.data.dataset import Dataset
from nbdl.data.split import split_by_seed
from nbdl.data.target import label_encoding

BRIGHTEST = 16  # each pixel counts the inked dots among 4×4


def digits(*, data_dir: Path | None = None, seed: int = 0, test_fraction: float = 0.2,
           validation_fraction: float = 0.0) -> Dataset:
    """Handwritten digits: 1,797 images `(rows, 8, 8, 1)` in [0, 1], ten classes. Part of scikit-learn: no download.

    Args:
        data_dir: not needed.
        seed: which rows are for testing.
        test_fraction: share of the rows for testing.
        validation_fraction: share of the rows for validation.

    Source: Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, https://doi.org/10.24432/C50P49.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    scaling = ArrayScaling((8, 8, 1), 1 / BRIGHTEST, label_encoding("0123456789"))
    parts = split_by_seed(scaling.transform(bunch.data), bunch.target.astype(np.int64), test_fraction=test_fraction,
                          validation_fraction=validation_fraction, seed=seed)
    return Dataset("digits", "classification", *parts, classes=scaling.target.classes, preprocessing=scaling)
