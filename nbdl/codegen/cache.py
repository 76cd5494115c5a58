"""Generated source in files, so that Numba finds the machine code again in another process.

A file's name is the hash of its text, and files never change: processes may write the same one at once. The folder's
name is a hash of everything that the machine code depends on besides the text (the kernels' sources, the versions, the
processor), so code that was compiled from older kernels is never found.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from nbdl.errors import NbdlError
from nbdl.kernels.version import cuda_version, kernel_version
from nbdl.paths import cache_dir


@cache
def program_dir() -> Path:
    """The folder of generated programs for these kernels, versions and this processor."""
    folder = cache_dir() / "programs" / kernel_version()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def is_known(text: str) -> bool:
    """Whether generated source has been loaded before, on this machine, so that its machine code need not be made."""
    return _path(text).exists()


def cuda_program_dir() -> Path:
    """The folder of programs for cards."""
    folder = cache_dir() / "programs" / cuda_version()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _path(text: str, folder: Path | None = None) -> Path:
    return (folder or program_dir()) / f"program_{hashlib.sha256(text.encode()).hexdigest()[:24]}.py"


def load_source(text: str, folder: Path | None = None) -> ModuleType:
    """Write generated source into its file (in `folder`, or in that of programs for this processor), unless it is
    there, and import it.

    Raises `NbdlError` if it can't be written.
    """
    path = _path(text, folder)
    name = path.stem
    if name in sys.modules:
        return sys.modules[name]
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        _write(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NbdlError(f"the generated program {path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _write(path: Path, text: str) -> None:
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".program_", suffix=".py")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        raise NbdlError(
            f"the generated program can't be written to {path.parent} ({error}); set NBDL_CACHE_DIR to a folder that "
            f"can"
        ) from error
