"""metrics.csv: one row an epoch, appended as it happens, readable after a kill in the middle of a row."""

import csv
import errno
import io
import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import BinaryIO, cast

from nbdl.atomic import atomic_write
from nbdl.errors import RunError
from nbdl.tensor_files import reading, writing

Row = dict[str, float]


class MetricsTable:
    """A table of numbers in a CSV file; a value that wasn't measured is an empty field and absent from its row.

    An appended row is handed to the operating system at once, so it survives the end of the process; `sync` puts
    it on the disk as well.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] = []
        self._file: BinaryIO | None = None

    def rows(self) -> list[Row]:
        """Read the rows; one that was cut off is left out.

        Raises:
            RunError: there is something else than numbers, or a row without its epoch.
        """
        return self._read()[1]

    def _read(self) -> tuple[list[str], list[Row]]:
        if not self.path.exists():
            return [], []
        with reading(self.path):
            text = self.path.read_bytes().decode("utf-8", errors="replace")
        complete = text[: text.rfind("\n") + 1]
        try:
            lines = list(csv.reader(io.StringIO(complete)))
        except csv.Error as error:
            raise RunError(f"{self.path} can't be read as CSV: {error}") from None
        columns = lines[0] if lines else []
        return columns, [self._row(columns, line, number) for number, line in enumerate(lines[1:], start=2)]

    def _row(self, columns: Sequence[str], line: Sequence[str], number: int) -> Row:
        try:
            row = {column: _number(field) for column, field in zip(columns, line, strict=True) if field}
        except ValueError:
            raise RunError(f"{self.path}, line {number}: {','.join(line)!r} isn't a row of numbers") from None
        if "epoch" not in row:
            raise RunError(f"{self.path}, line {number}: {','.join(line)!r} doesn't say which epoch it is")
        return row

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row; a column that is new gets a place in the rows before as well, empty.

        Raises:
            RunError: the disk is full, ...
        """
        with writing(self.path):
            if self._file is None or not set(row) <= set(self._columns):
                self._reopen(row)
            assert self._file is not None
            line = _line(self._columns, row).encode()
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _reopen(self, row: Mapping[str, float]) -> None:
        """Open the file for appending, without a row that was cut off, and with all columns of `row`."""
        columns, rows = self._read()
        self._columns = columns + [name for name in row if name not in columns]
        self._rewrite(rows)
        self._file = cast(BinaryIO, self.path.open("ab", buffering=0))

    def _rewrite(self, rows: Sequence[Mapping[str, float]]) -> None:
        self.close()
        text = ",".join(self._columns) + "\n" + "".join(_line(self._columns, row) for row in rows)
        with atomic_write(self.path) as file:
            file.write(text.encode())

    def truncate(self, epochs: int) -> None:
        """Keep the rows of the first `epochs` epochs: what came after a checkpoint is done again.

        Rows are told apart by their column `epoch`, which counts from 0.
        """
        columns, rows = self._read()
        kept = [row for row in rows if row.get("epoch", 0) < epochs]
        if columns and len(kept) < len(rows):
            self._columns = columns
            with writing(self.path):
                self._rewrite(kept)

    def sync(self) -> None:
        """Put the rows on the disk."""
        if self._file is not None:
            with writing(self.path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            with writing(self.path):
                self._file.close()
            self._file = None


def _number(field: str) -> float:
    try:
        return int(field)
    except ValueError:
        return float(field)


def _line(columns: Sequence[str], row: Mapping[str, float]) -> str:
    # `repr` of a float is the shortest text that gives the same float again.
    return ",".join(repr(_plain(row[name])) if name in row else "" for name in columns) + "\n"


def _plain(value: float) -> float:
    return int(value) if isinstance(value, Integral) else float(value)
