"""Reading NPZ files without pickle: what an array claims to be is checked before memory is taken for it."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from nbdl.errors import DataError

DEFLATE_LIMIT = 1032  # deflate can't shrink anything more than this many times (zlib's technical details)


def read_npz(path: Path | str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an NPZ file by name.

    Raises `DataError` for a file that is no NPZ file, is cut short, holds Python objects, or an array that claims
    more bytes than the file can have.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _check_member(archive, member, path)
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name a file in it.") from None
    except FileNotFoundError:
        raise DataError(f"there is no file {path}.") from None
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} can't be read as an NPZ file: {error}. Files written with numpy.savez can.") from error
    if not found:
        raise DataError(f"{path} has no arrays in it.")
    return found


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    name = member.filename.removesuffix(".npy")
    if dtype.hasobject:
        raise DataError(f"{path}: array {name!r} holds Python objects, which are not read (they can run code). "
                        "Save numbers or text: array.astype(str).")
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > member.file_size or member.file_size > DEFLATE_LIMIT * (member.compress_size + 1):
        raise DataError(f"{path}: array {name!r} claims {claimed} bytes (shape {shape}), but the file has fewer: "
                        "it is damaged.")
