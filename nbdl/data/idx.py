"""Reading idx files, the format of MNIST and its relatives, plain or gzipped.

An idx file is: two zero bytes, one byte for the type, one for the number of axes, the size of each axis as a
big-endian 32-bit number, then the values in row-major order, big-endian.
Source: http://yann.lecun.com/exdb/mnist/ ("THE IDX FILE FORMAT").
"""

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from nbdl.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
MOST_AXES = 8
DEFLATE_LIMIT = 1032  # deflate can't shrink anything more than this many times (zlib's technical details)


def read_idx(path: Path | str, shape: Sequence[int | None] | None = None) -> NDArray[Any]:
    """Return the array in an idx file; `shape` says what is expected, None standing for any size.

    The header is compared with the size of the file before memory is taken.
    Raises `DataError` for a file that is no idx file, is cut short, is too long, or has another shape.
    """
    path = Path(path)
    try:
        packed = path.stat().st_size
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                return _read_values(raw, path, packed, shape, exact=True)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _read_values(cast(BinaryIO, stream), path, packed * DEFLATE_LIMIT, shape, exact=False)
    except (OSError, EOFError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise DataError(f"{path} can't be read as an idx file: {error}. If it was downloaded, "
                        "remove it and download it again.") from error


def _read_values(stream: BinaryIO, path: Path, room: int, shape: Sequence[int | None] | None,
                 exact: bool) -> NDArray[Any]:
    dtype, sizes = _read_header(stream, path)
    if shape is not None and (len(shape) != len(sizes) or any(
            want not in (None, size) for want, size in zip(shape, sizes, strict=True))):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise DataError(f"{path} holds an array of shape {sizes}; expected was ({wanted}). Is it another data set, "
                        "or labels in place of images?")
    expected = math.prod(sizes) * dtype.itemsize
    header = 4 + 4 * len(sizes)
    if header + expected > room or (exact and header + expected < room):
        raise DataError(f"{path} should have {header + expected} bytes for shape {sizes}, but the file has "
                        f"{'' if exact else 'at most '}{room}: it is {'cut short' if expected > room else 'damaged'}.")
    data = stream.read(expected + 1)
    if len(data) != expected:
        raise DataError(f"{path} has {'fewer' if len(data) < expected else 'more'} bytes than its header says "
                        f"({expected} for shape {sizes}): it is cut short or damaged.")
    return np.frombuffer(data, dtype=dtype).reshape(sizes).astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BinaryIO, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= magic[3] <= MOST_AXES:
        raise DataError(f"{path} is not an idx file: it starts with bytes {magic.hex(' ') or '(none)'} where "
                        "00 00 08 03 (images) or 00 00 08 01 (labels) was expected.")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path} is cut short: it ends inside its header.")
    return np.dtype(DTYPES[magic[2]]), tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
