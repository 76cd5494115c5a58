"""Downloads that are pinned by sha256, can be resumed, and never leave half a file under its final name."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbdl.errors import DataError

CHUNK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Pinned:
    """A file that is known byte by byte: its name, its size in bytes and its sha256 (hexadecimal)."""

    name: str
    size: int
    sha256: str

    def matches(self, path: Path) -> bool:
        """Tell whether `path` is this very file."""
        try:
            if path.stat().st_size != self.size:
                return False
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


def fetch(files: Sequence[Pinned], mirrors: Sequence[str], folder: Path,
          progress: Progress | None = None) -> list[Path]:
    """Return the paths of `files` in `folder`, after downloading those that aren't there.

    Each comes from the first mirror that delivers it. Bytes go to `NAME.part`, which an interrupted download leaves
    behind and the next one continues; the file gets its name once its sha256 is right.
    `progress(name, bytes so far, bytes)` is called after each chunk.

    Raises `DataError` when no mirror delivers a file, saying which files to put where by hand.
    """
    for number, file in enumerate(files):
        if file.matches(folder / file.name):
            continue
        failures = _download(file, mirrors, folder, progress)
        if failures:
            rest = "; ".join(f"{other.name} ({other.size} bytes, sha256 {other.sha256})"
                             for other in files[number:] if not other.matches(folder / other.name))
            raise DataError(f"{file.name} was not found and could not be downloaded: {' | '.join(failures)}. "
                            f"Without a connection, put these files into {folder} by hand: {rest}")
    return [folder / file.name for file in files]


def _download(file: Pinned, mirrors: Sequence[str], folder: Path, progress: Progress | None) -> list[str]:
    """Try the mirrors in turn; return why each failed, or nothing once the file is there."""
    part = folder / (file.name + ".part")
    failures = []
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + file.name
        try:
            _receive(url, part, file, progress)
        except OSError as error:  # URLError, timeouts, broken connections and a full disk are all OSErrors
            failures.append(f"{url}: {error}")
            continue
        if file.matches(part):
            os.replace(part, folder / file.name)
            return []
        if part.stat().st_size < file.size:
            failures.append(f"{url}: the connection ended early")
        else:
            failures.append(f"{url}: delivered other bytes than expected (sha256 differs)")
            part.unlink()
    return failures


def _receive(url: str, part: Path, file: Pinned, progress: Progress | None) -> None:
    """Continue `part` with what is missing; a mirror that ignores the range sends everything again."""
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    have = part.stat().st_size if part.exists() else 0
    if have >= file.size:
        if file.matches(part):
            return
        part.unlink()
        have = 0
    request = Request(url, headers={"User-Agent": "nbdl"} | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        with urlopen(request, timeout=TIMEOUT) as response:
            have = have if response.status == 206 else 0
            part.parent.mkdir(parents=True, exist_ok=True)  # not earlier: a failed attempt leaves no empty folder
            with part.open("ab" if have else "wb") as out:
                _copy(response, out, have, file, progress)
    except HTTPException as error:
        raise OSError(f"the connection broke ({error!r})") from error


def _copy(response: Any, out: Any, have: int, file: Pinned, progress: Progress | None) -> None:
    while chunk := response.read(CHUNK):
        have += len(chunk)
        if have > file.size:
            raise OSError(f"the mirror sends more than the {file.size} bytes expected")
        out.write(chunk)
        if progress:
            progress(file.name, have, file.size)
