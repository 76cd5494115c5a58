"""Locks on files that the operating system lets go when their process ends, however it ends."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
"""What network file systems without locks say; there everybody goes on without."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if it isn't there; wait for whoever holds it.

    The file stays: to remove it would let two others hold two files of one name.

    Raises:
        OSError: the file can't be opened, or (on Windows, after ten seconds) locked.
    """
    with path.open("a+b") as file:
        lock(file, wait=True)
        yield


def lock_within(file: IO[Any], seconds: float) -> bool:
    """Lock an open file until it is closed, if whoever holds the lock lets it go in time; return whether."""
    end = time.monotonic() + seconds
    while True:
        try:
            lock(file)
        except OSError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.005)
        else:
            return True


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file."""
    try:
        with path.open("r+b") as file:
            lock(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in BUSY
    return False


if os.name == "nt":
    import msvcrt

    def lock(file: IO[Any], *, wait: bool = False) -> None:
        """Lock an open file until it is closed; an OSError says that another process holds it."""
        # Windows locks bytes, and nobody else can read a locked one: take one far behind what is written.
        file.seek(1 << 20)
        mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined, unused-ignore]
        msvcrt.locking(file.fileno(), mode, 1)  # type: ignore[attr-defined, unused-ignore]

else:
    import fcntl

    def lock(file: IO[Any], *, wait: bool = False) -> None:
        """Lock an open file until it is closed; an OSError says that another process holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
