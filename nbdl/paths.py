"""Where nbdl keeps what it can make again: compiled programs and the index of plugins."""

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from nbdl.errors import NbdlError

# Marks a folder as a cache, for backup programs (https://bford.info/cachedir/) and for `clear_cache`.
TAG = "CACHEDIR.TAG"
TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by nbdl; everything in here can be made again.\n"


def cache_dir() -> Path:
    """Return the folder for caches, made if it isn't there: `$NBDL_CACHE_DIR`, or `nbdl` in the user's cache folder.

    Where that can't be written (a read-only home, a container without one) it is a folder in the system's temporary
    directory that belongs to this user alone: compiled code is loaded from it.

    Raises:
        NbdlError: no folder is writable.
    """
    wanted = os.path.abspath(os.path.expanduser(os.environ.get("NBDL_CACHE_DIR") or _user_cache()))
    if _usable(Path(wanted)):
        return Path(wanted)
    fallback = Path(tempfile.gettempdir()) / f"nbdl-cache-{_user()}"
    if _usable(fallback, private=True):
        return fallback
    raise NbdlError(
        f"neither {wanted} nor {fallback} can be used as cache folder; set NBDL_CACHE_DIR to a folder you can write to"
    )


def clear_cache() -> None:
    """Remove everything in the cache folder.

    Raises:
        NbdlError: the folder wasn't made by nbdl (NBDL_CACHE_DIR may name any folder), so it may hold other things.
    """
    folder = cache_dir()
    if not (folder / TAG).is_file():
        raise NbdlError(f"{folder} wasn't made by nbdl (it has no {TAG}), so it isn't emptied; remove what you know")
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name != TAG:
            entry.unlink(missing_ok=True)


def _user_cache() -> str:
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local"), "nbdl")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "nbdl")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "nbdl")


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def _usable(folder: Path, *, private: bool = False) -> bool:
    # In an account without a home "~" stays as it is, and would become a folder of that name right here.
    if "~" in folder.parts:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        if private and not _mine_alone(folder):
            return False
        if not any(folder.iterdir()):
            (folder / TAG).write_text(TAG_TEXT)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _mine_alone(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
