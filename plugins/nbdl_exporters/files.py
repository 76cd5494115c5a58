"""What a run has trained, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from nbdl.atomic import atomic_write


def npz(run: Any, path: Path) -> None:
    """All weights and state by name, as NumPy's archive of arrays: `numpy.load(path)["layers.0.weight"]`.

    Source: NumPy's documentation of numpy.lib.format.
    """
    with atomic_write(path) as file, ZipFile(file, "w") as archive:
        for name, array in run.weights().items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def network(run: Any, path: Path) -> None:
    """The network with its weights, its compile settings and its optimizer, as a file that `nbdl.load(path)` reads.

    Raises:
        OptionError: a part of the network that a file can't hold.

    Source: the documentation of safetensors, in whose format it is.
    """
    run.net.save(path)
