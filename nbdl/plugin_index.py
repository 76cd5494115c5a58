"""Which hooks each installed plugin implements, remembered between processes.

`nbdl --help` must know the commands that plugins add without importing all of them: importing a plugin may take
seconds. The index is a cache: what it doesn't know, or knows about another version, is found out by importing.
"""

import json
import os
import sys
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbdl.atomic import atomic_write
from nbdl.errors import NbdlError
from nbdl.paths import cache_dir

FORMAT = 1


class PluginIndex:
    """A JSON file for this environment (`sys.prefix`): each plugin's hooks, and the state in which they were seen."""

    def __init__(self) -> None:
        self._file: Path | None = None
        self._entries: dict[str, Any] = {}
        self._changed = False
        with suppress(OSError, ValueError, NbdlError, TypeError, AttributeError):
            self._file = cache_dir() / f"plugins-{zlib.crc32(sys.prefix.encode()):08x}.json"
            content = json.loads(self._file.read_text("utf-8"))
            if content["format"] == FORMAT:
                self._entries = dict(content["plugins"])

    def hooks(self, key: str, stamp: str) -> frozenset[str] | None:
        """Return the hooks of a plugin, or `None` if they aren't known for what is installed now.

        Args:
            key: which plugin.
            stamp: its entry point, version and the time of its metadata; another stamp is another plugin.
        """
        with suppress(TypeError, KeyError, OSError):
            entry = self._entries[key]
            if entry["stamp"] == stamp and entry["file_time"] == os.stat(entry["file"]).st_mtime_ns:
                return frozenset(entry["hooks"])
        return None

    def remember(self, key: str, stamp: str, hooks: Iterable[str], file: str) -> None:
        """Note the hooks of a plugin that has just been imported from `file`.

        The file's time belongs to the state: an editable install changes without its metadata changing.
        """
        try:
            entry = {"stamp": stamp, "file": file, "file_time": os.stat(file).st_mtime_ns, "hooks": sorted(hooks)}
        except OSError:  # a plugin inside a zip file; it is imported each time
            return
        if self._entries.get(key) != entry:
            self._entries[key] = entry
            self._changed = True

    def save(self) -> None:
        """Write what has changed. A cache that can't be written is no reason to fail."""
        if not self._changed or self._file is None:
            return
        with suppress(OSError), atomic_write(self._file) as file:
            file.write(json.dumps({"format": FORMAT, "plugins": self._entries}, indent=1).encode())
        self._changed = False
