"""The data of the whole programs, the same for everybody, made or read without any framework."""

from __future__ import annotations

import numpy as np

ROWS = 10_000
SIDE = 28


def matrices() -> tuple[np.ndarray, np.ndarray]:
    """Normal 2x2 matrices as rows of four numbers, and their exponentials.

    With s the half of the trace, B = A - s I has the square q**2 I, so exp(A) = exp(s) (cosh(q) I + sinh(q) / q B).
    """
    x = np.random.default_rng(0).standard_normal((ROWS, 2, 2)).astype(np.float32)
    a = x.astype(np.complex128)
    s = np.trace(a, axis1=1, axis2=2)[:, None, None] / 2
    b = a - s * np.eye(2)
    q = np.sqrt(-np.linalg.det(b))[:, None, None]
    y = np.exp(s) * (np.cosh(q) * np.eye(2) + np.sinh(q) / q * b)
    return x.reshape(ROWS, 4), y.real.astype(np.float32).reshape(ROWS, 4)


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """MNIST: images `(rows, 28, 28, 1)` in [0, 1] and classes, for training and for the test.

    Raises `ImportError` where the files aren't: nothing is downloaded while the clock runs.
    """
    from nbdl.data.files import search_folders
    from nbdl.data.idx import read_idx

    for folder in search_folders("mnist"):
        names = [
            f"{part}-{kind}.gz" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
        ]
        if all((folder / name).is_file() for name in names):
            x, y, test_x, test_y = (read_idx(folder / name) for name in names)
            return _images(x), y.astype(np.int64), _images(test_x), test_y.astype(np.int64)
    raise ImportError("MNIST isn't here: name the folder with its files in NBDL_DATA")


def _images(pixels: np.ndarray) -> np.ndarray:
    return (pixels.reshape(-1, SIDE, SIDE, 1) / np.float32(255)).astype(np.float32)
