"""Reading CSV files into columns of text: separator and header are found out, every row is checked for its length."""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from nbdl.data.table import Table, is_missing, is_number, number_names
from nbdl.errors import DataError

SEPARATORS = (",", ";", "\t")
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
GZIP_MAGIC = b"\x1f\x8b"
SAMPLE_ROWS = 50


def read_csv(path: Path | str, *, header: bool | None = None, known_names: Collection[str] = ()) -> Table:
    """Read a CSV file, plain or gzipped, UTF-8, with `,`, `;` or a tab between the cells.

    Where the separator is not a comma, `3,14` is the number 3.14.

    Args:
        path: the file.
        header: whether the first row holds the names; None finds out.
        known_names: columns that are expected: a first row that names most of them is a header.

    Raises:
        DataError: the file is empty, cut short, no text, or has rows of different lengths.
    """
    path = Path(path)
    text = _read_text(path)
    separator = _find_separator(text)
    rows, lines = _read_rows(text, separator, path)
    if not rows:
        raise DataError(f"{path} is empty; a table needs at least one row.")
    if header is None:
        header = _names_most_of(rows[0], known_names) or _looks_like_header(rows)
    names = _header_names(rows[0], path) if header else number_names(len(rows[0]))
    body, lines = (rows[1:], lines[1:]) if header else (rows, lines)
    if not body:
        raise DataError(f"{path} has a header ({', '.join(names[:8])}) and no rows below it. If that row is data, "
                        "say header=False (on the command line --set data.header=false).")
    _check_lengths(body, lines, len(names), separator, path)
    return Table(str(path), names, tuple(zip(*body, strict=True)), tuple(lines), header)


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data[:2] == GZIP_MAGIC:
            data = gzip.decompress(data)
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name a file in it.") from None
    except FileNotFoundError:
        raise DataError(f"there is no file {path}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} can't be read: {error}. It may be cut short; "
                        "unpack it with gzip to see where.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start + 1} is {data[error.start]:#04x}). A table has "
                        "to be saved as UTF-8 CSV; an NPZ file needs the ending .npz.") from None
    if "\0" in text:
        raise DataError(f"{path} is no text: it has zero bytes in it. CSV and NPZ files can be read.")
    return text


def _records(text: str, separator: str) -> Any:
    # newline="" leaves line breaks inside quotes to the csv module.
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=separator != "\t")


def _find_separator(text: str) -> str:
    """The separator that cuts the first rows into the same number of cells, the most cells if several do."""
    def score(separator: str) -> tuple[bool, int]:
        try:
            widths = [len(row) for row in islice(_records(text, separator), SAMPLE_ROWS) if row]
        except csv.Error:
            return False, 0
        common = Counter(widths).most_common(1)[0][0] if widths else 0
        return common > 1 and len(set(widths)) == 1, common

    return max(SEPARATORS, key=score)


def _read_rows(text: str, separator: str, path: Path) -> tuple[list[list[str]], list[int]]:
    rows, lines = [], []
    reader = _records(text, separator)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if len(cells) > 1 or any(cells):  # blank lines are no rows
                rows.append(cells if separator == "," else [_with_point(cell) for cell in cells])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}. Often a quotation mark is never closed.") from None
    return rows, lines


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if "," in cell and DECIMAL_COMMA.fullmatch(cell) else cell


def _names_most_of(row: list[str], known_names: Collection[str]) -> bool:
    return sum(cell in known_names for cell in row) * 2 > len(row)


def _looks_like_header(rows: list[list[str]]) -> bool:
    """Compare the first row with those below.

    A number on top of a column of numbers means data, a text there means a header. If no column holds numbers, the
    first row is a header when none of its cells appears below it, each on its own column.
    """
    first, below = rows[0], rows[1:SAMPLE_ROWS]
    if not below:
        return not any(is_number(cell) for cell in first)
    columns = list(zip(*below, strict=False))
    tops = [cell for cell, column in zip(first, columns, strict=False)
            if _holds_numbers(column) and (is_number(cell) or not is_missing(cell))]
    if tops:
        return not any(is_number(cell) for cell in tops)
    everything = [{row[i] for row in rows[1:] if i < len(row)} for i in range(len(columns))]
    return len(set(first)) == len(first) and not any(
        cell in cells for cell, cells in zip(first, everything, strict=False))


def _holds_numbers(column: Sequence[str]) -> bool:
    present = [cell for cell in column if not is_missing(cell)]
    return bool(present) and sum(map(is_number, present)) >= 0.8 * len(present)


def _header_names(row: list[str], path: Path) -> tuple[str, ...]:
    names = [cell or f"column {number + 1}" for number, cell in enumerate(row)]
    for name, count in Counter(names).items():
        if count > 1:
            places = [str(number + 1) for number, other in enumerate(names) if other == name]
            raise DataError(f"{path} has {count} columns called {name!r} (numbers {', '.join(places)}); "
                            "names have to differ.")
    return tuple(names)


def _check_lengths(rows: list[list[str]], lines: list[int], width: int, separator: str, path: Path) -> None:
    if set(map(len, rows)) == {width}:
        return
    wrong = [number for number, row in enumerate(rows) if len(row) != width]
    shown = {",": "commas", ";": "semicolons", "\t": "tabs"}[separator]
    raise DataError(f"{path}, line {lines[wrong[0]]}: the row has {len(rows[wrong[0]])} cells, the first row has "
                    f"{width} (separated by {shown}); {len(wrong)} rows differ. A cell with the separator in it has to "
                    "be in quotation marks.")
