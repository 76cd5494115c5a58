"""A lock on a folder, so that two runs don't write to one."""

import os
from pathlib import Path
from typing import IO

from nbdl.errors import RunError
from nbdl.file_lock import BUSY, lock
from nbdl.tensor_files import writing


class FolderLock:
    """Hold a folder for one process.

    Raises:
        RunError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        with writing(folder):
            self._file = (folder / ".lock").open("a+")
        try:
            lock(self._file)
        except OSError as error:
            holder = _holder(self._file)
            self._file.close()
            if error.errno in BUSY:
                raise RunError(
                    f"{folder} is in use by another run{holder}; wait for its end, or choose another --out"
                ) from None
            raise RunError(f"{folder} can't be locked: {error.strerror}") from error
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let go of the folder. The file stays: removing it would let two others hold two files of one name."""
        self._file.close()


def _holder(file: IO[str]) -> str:
    file.seek(0)
    process = file.read().strip()
    return f" (process {process})" if process.isdigit() else ""
