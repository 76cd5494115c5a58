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


def find_in_folders(name: str, file: str, data_dir: Path | str | None = None) -> Path:
    """Return a file of the data set `name`, from the first of its `search_folders` that has it.

    Raises `DataError`, saying where it was looked for, if none has.
    """
    folders = search_folders(name, data_dir)
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    raise DataError(f"{name}: there is no file {file} in {', '.join(map(str, folders))}; say with --data-dir (or "
                    "NBDL_DATA) where it is.")


def find_file(path: Path | str, data_dir: Path | str | None = None) -> Path:
    """Return a readable file: `path` itself, or below `data_dir` or `NBDL_DATA`.

    Raises `DataError` when there is none, or a folder in its place.
    """
    for candidate in _candidates(path, data_dir):
        if candidate.is_file():
            return candidate
    path = Path(path).expanduser()
    if path.is_dir():
        raise DataError(f"{path} is a folder; name one of its files{_listing(path)}.")
    folder = path.parent if path.parent.is_dir() else Path()
    there = _listing(folder, path.suffix) or " is none with that ending"
    raise DataError(f"there is no file {path}{_elsewhere(data_dir)}; in {folder.resolve()}{there}.")


def find_folder(path: Path | str, data_dir: Path | str | None = None) -> Path:
    """Return a folder: `path` itself, or below `data_dir` or `NBDL_DATA`. Raises `DataError` when there is none."""
    for candidate in _candidates(path, data_dir):
        if candidate.is_dir():
            return candidate
    raise DataError(f"{path} is a file; name the folder that it is in." if Path(path).expanduser().is_file()
                    else f"there is no folder {path}{_elsewhere(data_dir)}.")


def find_rows(path: Path | str, data_dir: Path | str | None = None) -> Path:
    """Return a file or a folder with rows: as `find_folder` for one that is there, else as `find_file`."""
    return next((each for each in _candidates(path, data_dir) if each.is_dir()), None) or find_file(path, data_dir)


def _bases(data_dir: Path | str | None) -> list[Path]:
    return [Path(base).expanduser() for base in (data_dir, os.environ.get("NBDL_DATA")) if base]


def _candidates(path: Path | str, data_dir: Path | str | None) -> list[Path]:
    path = Path(path).expanduser()
    return [path] + ([] if path.is_absolute() else [base / path for base in _bases(data_dir)])


def _elsewhere(data_dir: Path | str | None) -> str:
    bases = _bases(data_dir)
    return f" (also looked in {', '.join(map(str, bases))})" if bases else ""


def _listing(folder: Path, suffix: str = "", most: int = 8) -> str:
    try:
        names = sorted(entry.name for entry in folder.iterdir()
                       if entry.is_file() and entry.name.endswith(suffix) and not entry.name.startswith("."))
    except OSError:
        return ""
    return f": {', '.join(names[:most])}{', ...' if len(names) > most else ''}" if names else ""
