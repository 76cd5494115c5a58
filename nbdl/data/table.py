"""A table in memory, and what its cells can be: numbers, categories, identifiers, missing."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbdl.errors import DataError, suggest

MISSING = frozenset({"", "na", "n/a", "?", "nan", "null"})  # compared in lower case
LARGEST = float(np.finfo(np.float32).max)
MOSTLY_NUMBERS = 0.8  # with at least this share of numbers, a text among them is taken for a mistake
MOSTLY_UNIQUE = 0.9  # text with at least this share of different cells tells rows apart, not kinds of rows
COUNTER_NAMES = frozenset({"id", "index", "idx", "no", "no.", "nr", "row", "rownum", "column 1", "unnamed: 0"})

Kind = Literal["number", "category", "identifier", "row counter", "constant", "empty"]
Column = Sequence[str] | NDArray[Any]


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of one length: text cells as they stand in a file, or arrays of numbers.

    `lines` holds the line of the file that each row is on, for messages. Columns without a header are called
    "column 1", "column 2", ...
    """

    path: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[int, ...]
    header: bool = True

    @classmethod
    def from_array(cls, x: NDArray[Any], names: Sequence[str] | None = None, path: str = "array") -> "Table":
        """Make a table of a two-dimensional array of numbers."""
        x = np.asarray(x)
        names = number_names(x.shape[1]) if names is None else tuple(names)
        return cls(path, names, tuple(x.T), tuple(range(1, len(x) + 1)), header=False)

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> Column:
        """Return the cells of one column. Raises `DataError`, with near names, when there is none."""
        if name not in self.names:
            raise DataError(f"{self.path} has no column {name!r}; {suggest(name, self.names)}")
        return self.columns[self.names.index(name)]

    def take(self, rows: Iterable[int]) -> "Table":
        """Return a table of the given rows, in that order."""
        wanted = list(rows)
        columns = tuple(column[wanted] if isinstance(column, np.ndarray) else [column[row] for row in wanted]
                        for column in self.columns)
        return Table(self.path, self.names, columns, tuple([self.lines[row] for row in wanted]), self.header)


def number_names(count: int) -> tuple[str, ...]:
    """Return the names of columns that have none."""
    return tuple(f"column {number + 1}" for number in range(count))


def target_table(y: NDArray[Any], path: str) -> Table:
    """Return a table of the target columns."""
    columns = y.reshape(len(y), -1)
    names = [f"target {number + 1}" for number in range(columns.shape[1])] if columns.shape[1] > 1 else ["target"]
    return Table.from_array(columns, names, path)


def is_missing(cell: str) -> bool:
    """Tell whether a cell says that its value is not known: empty, NA, N/A, ?, nan or null."""
    return len(cell) <= 4 and cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number; digits grouped by underscores, which Python would read, are not."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def missing_cells(column: Column) -> NDArray[np.bool_]:
    """Return where values are missing, shape `(rows,)`: by the words of `is_missing`, or NaN in an array."""
    if isinstance(column, np.ndarray):
        return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)
    return by_cell(column, {cell: is_missing(cell) for cell in set(column)}, np.dtype(bool))


def by_cell(cells: Sequence[str], values: dict[str, Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the value of each cell: a column has far fewer different cells than rows, so each is judged once."""
    return np.fromiter(map(values.__getitem__, cells), dtype=dtype, count=len(cells))


def text_cells(column: Column) -> list[str]:
    """Return the cells as text; whole numbers have no decimal point, so 1, 1.0 and "1" are the same label.

    >>> text_cells(np.array([1.0, 2.5])), text_cells(["x"])
    (['1', '2.5'], ['x'])
    """
    if not isinstance(column, np.ndarray):
        return list(column)
    if column.dtype.kind not in "fiub":
        return [str(cell) for cell in column]
    return [number_text(float(cell)) for cell in column]


def number_text(value: float) -> str:
    """Write a number the way labels are written."""
    return str(int(value)) if value.is_integer() else str(value)


def numbers(table: Table, name: str) -> NDArray[np.float64]:
    """Return a column as float64, NaN where a value is missing.

    Raises `DataError` naming the first cell that is no number, or infinite, or too large, and what can be done.
    """
    column = table.column(name)
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        values = column.astype(np.float64)
    else:
        cells = text_cells(column)
        parsed = {cell: float(cell) if is_number(cell) else math.nan for cell in set(cells)}
        wrong = {cell for cell, value in parsed.items() if math.isnan(value) and not is_missing(cell)}
        if wrong:
            _refuse_text(table, name, cells, wrong)
        values = by_cell(cells, parsed, np.dtype(np.float64))
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(f"{table.path}, line {table.lines[row]}: column {name!r} is infinite; "
                        "leave the cell empty if the value is not known.")
    large = np.flatnonzero(np.abs(values) > LARGEST)
    if large.size:
        row = int(large[0])
        raise DataError(f"{table.path}, line {table.lines[row]}: column {name!r} holds {values[row]:g}, which is too "
                        f"large for float32 (at most {LARGEST:.2g}); leave the cell empty if the value is not known, "
                        "or give the column in another unit.")
    return values


def _refuse_text(table: Table, name: str, cells: list[str], wrong: set[str]) -> None:
    row = next(number for number, cell in enumerate(cells) if cell in wrong)
    count = sum(cell in wrong for cell in cells)
    raise DataError(f"{table.path}, line {table.lines[row]}: column {name!r} holds numbers, but here it says "
                    f"{cells[row]!r} ({count} such cells in {len(cells)} rows). Leave a cell empty if its value is not "
                    f"known, or train with the option categorical=[{name!r}] if the column holds categories "
                    f"(on the command line --set data.categorical=[{name}]).")


def find_kind(table: Table, name: str) -> Kind:
    """Find out what a column holds; a column of numbers may still have a text in it, which `numbers` refuses."""
    column = table.column(name)
    absent = missing_cells(column)
    present = len(column) - int(absent.sum())
    if present == 0:
        return "empty"
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return "constant" if present == len(column) and np.all(column == column[0]) else "number"
    counts = Counter(text_cells(column))
    if len(counts) == 1:
        return "constant"
    parsed = sum(count for cell, count in counts.items() if is_number(cell) and not is_missing(cell))
    if parsed >= MOSTLY_NUMBERS * present:
        return "row counter" if parsed == len(column) and _counts_rows(table, name) else "number"
    different = len(counts) - sum(is_missing(cell) for cell in counts)
    return "identifier" if different >= MOSTLY_UNIQUE * present else "category"


def _counts_rows(table: Table, name: str) -> bool:
    """Whether a column is called like a row number and goes up by one from 0 or 1."""
    if name.lower() not in COUNTER_NAMES or len(table) < 3:
        return False
    values = numbers(table, name)
    return bool(values[0] in (0, 1) and np.all(np.diff(values) == 1))
