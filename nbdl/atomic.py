"""Files that are either as they were or wholly new, whatever happens in between."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".part"


@contextmanager
def atomic_write(path: Path | str) -> Iterator[BinaryIO]:
    """Open a temporary file next to `path` for writing; put it in the place of `path` when the block ends well.

    The bytes are on the disk before the name changes, so a power cut leaves the old file or the new one too.
    When the block raises, the temporary file is removed and `path` is untouched.

    Raises:
        OSError: the disk is full, the folder isn't writable, ...
    """
    path = Path(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _permissions(path))
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk. Windows has no such call; there a rename is durable on its own."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that were killed. Call it while nobody else writes to the folder."""
    for leftover in folder.glob(f".*{SUFFIX}"):
        with suppress(OSError):
            leftover.unlink()


def _permissions(path: Path) -> int:
    """What the file has now, or what a newly made one would have: `mkstemp` makes them readable to the owner only."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
