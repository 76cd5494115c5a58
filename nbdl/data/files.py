"""Where data files are looked for: the folder that was given, `NBDL_DATA`, the folder of the user."""

import os
import sys
from pathlib import Path

from nbdl.errors import DataError


def user_folder() -> Path:
    """Return the folder where this system keeps a user's application data, for nbdl (it need not exist)."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "nbdl"


def search_folders(name: str, data_dir: Path | str | None = None) -> list[Path]:
    """Return the folders that may hold the files of data set `name`, in the order they are looked at."""
    folders = []
    for base in (data_dir, os.environ.get("NBDL_DATA")):
        if base:
            folders += [Path(base).expanduser(), Path(base).expanduser() / name]
    return [*folders, user_folder() / name]


def find_file(path: Path | str, data_dir: Path | str | None = None) -> Path:
    """Return a readable file: `path` itself, or below `data_dir` or `NBDL_DATA`.

    Raises `DataError` when there is none, or a folder in its place.
    """
    path = Path(path).expanduser()
    bases = [Path(base).expanduser() for base in (data_dir, os.environ.get("NBDL_DATA")) if base]
    candidates = [path] + ([] if path.is_absolute() else [base / path for base in bases])
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if path.is_dir():
        raise DataError(f"{path} is a folder; name one of its files{_listing(path)}.")
    elsewhere = f" (also looked in {', '.join(map(str, bases))})" if bases else ""
    folder = path.parent if path.parent.is_dir() else Path()
    there = _listing(folder, path.suffix) or " is none with that ending"
    raise DataError(f"there is no file {path}{elsewhere}; in {folder.resolve()}{there}.")


def _listing(folder: Path, suffix: str = "", most: int = 8) -> str:
    try:
        names = sorted(entry.name for entry in folder.iterdir()
                       if entry.is_file() and entry.name.endswith(suffix) and not entry.name.startswith("."))
    except OSError:
        return ""
    return f": {', '.join(names[:most])}{', ...' if len(names) > most else ''}" if names else ""
