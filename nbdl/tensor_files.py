"""Named arrays in a safetensors file: written all or nothing, read without trusting a byte of it."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from nbdl.atomic import atomic_write
from nbdl.errors import RunError

# safetensors' names of the dtypes that NumPy has as well, with their sizes.
ITEM_SIZES = {
    **{"BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "F16": 2},
    **{"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8},
}
MAX_HEADER = 100_000_000
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
META = "nbdl"


def save_tensors(path: Path | str, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any] | None = None) -> None:
    """Write named arrays and plain values to a safetensors file; it is replaced as a whole or left as it was.

    Args:
        path: the file.
        tensors: the arrays, of any shape; booleans, integers and floats of NumPy.
        meta: values that JSON can hold.

    Raises:
        RunError: an array of another dtype; a full disk, a folder that can't be written.
    """
    content = _encode(tensors, meta or {})
    with writing(path), atomic_write(path) as file:
        file.write(content)


def _encode(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    # safetensors copies the raw buffer, so what is strided must be laid out first; `asarray` keeps 0-d arrays 0-d.
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise RunError(f"array {name!r} has the dtype {array.dtype}; booleans, integers and floats can be saved")
    return save(arrays, metadata={META: json.dumps(meta)})


def load_tensors(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file that `save_tensors` (or anyone's safetensors) wrote: the arrays, and the plain values.

    Raises:
        RunError: the file is missing, truncated, or something else; found out before memory is taken for its arrays.
    """
    path = Path(path)
    with reading(path):
        meta = read_meta(path)
        try:
            return load_file(path), meta
        except SafetensorError as error:
            raise RunError(damaged(path, str(error))) from None


def read_meta(path: Path | str) -> dict[str, Any]:
    """Check the header of a safetensors file against the file's size and return the plain values saved in it.

    Raises:
        RunError: as `load_tensors`.
    """
    path = Path(path)
    with reading(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        header_size = int.from_bytes(file.read(8), "little")
        if size < 8 or not 0 < header_size <= min(MAX_HEADER, size - 8):
            raise RunError(damaged(path, "its header is cut off"))
        try:
            header = json.loads(file.read(header_size))
            meta = json.loads(header.pop("__metadata__", {}).get(META, "{}"))
            expected = max((_end_of(name, entry) for name, entry in header.items()), default=0)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise RunError(damaged(path, f"its header can't be read: {error}")) from None
        if expected != size - 8 - header_size:
            raise RunError(damaged(path, f"its arrays take {expected} bytes and it holds {size - 8 - header_size}"))
        if not isinstance(meta, dict):
            raise RunError(damaged(path, "its values aren't a table"))
        return meta


def _end_of(name: str, entry: Mapping[str, Any]) -> int:
    """Return where an array's bytes end, if its place has the size that its shape and dtype say."""
    if entry["dtype"] not in ITEM_SIZES:
        raise ValueError(f"array {name!r} has the dtype {entry['dtype']}, which NumPy lacks")
    start, end = entry["data_offsets"]
    size = ITEM_SIZES[entry["dtype"]]
    for length in entry["shape"]:
        if not isinstance(length, int) or length < 0:
            raise ValueError(f"array {name!r} has the shape {entry['shape']}")
        size *= length
    if not 0 <= start <= end or end - start != size:
        raise ValueError(f"array {name!r} should take {size} bytes, its place is {start} to {end}")
    return int(end)


def damaged(path: Path, cause: str) -> str:
    """Return the message for a file that can't be used."""
    return f"{path} is damaged or isn't a safetensors file: {cause}"


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn what the operating system says while `path` is written into one clear sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise RunError(
                f"the disk is full: {path} can't be written; what was saved before is untouched. "
                f"Free some space or save to another disk"
            ) from error
        raise RunError(f"{path} can't be written: {error.strerror or error}") from error


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn what the operating system says while `path` is read into one clear sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"there is no file {path}") from error
    except OSError as error:
        raise RunError(f"{path} can't be read: {error.strerror or error}") from error
