"""Preprocessing of tables: fitted once to the training rows, kept with the run, applied to any new rows.

Numbers become (value - mean) / scale after missing ones were filled with the median, with an indicator column where
that pays. Categories become one column a value (one-hot); rare values share a column, unknown ones are all zeros.
scikit-learn does the fitting (`nbdl.data.fit`); applying it is NumPy alone, so predictions need no scikit-learn.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.table import Table, by_cell, is_missing, numbers, text_cells
from nbdl.data.table_rows import read_table_rows
from nbdl.data.target import TargetEncoding
from nbdl.errors import DataError, suggest

MISSING_VALUE = ""  # no cell of a file: an empty one counts as missing as well
STATE_VERSION = 1


@dataclass(frozen=True)
class NumberColumn:
    """One column of numbers; `indicator` adds a column that is 1 where the value was missing."""

    name: str
    fill: float
    mean: float
    scale: float
    indicator: bool = False


@dataclass(frozen=True)
class CategoryColumn:
    """One column of categories: `values` get a column each, all of `rare` one together; "" stands for missing."""

    name: str
    values: tuple[str, ...]
    rare: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many features come from this column."""
        return len(self.values) + bool(self.rare)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that come from it."""
        names = [f"{self.name}={value or '(missing)'}" for value in self.values]
        return (*names, *([f"{self.name}=(rare)"] if self.rare else []))

    def to_state(self) -> dict[str, Any]:
        """Return plain values, for `from_state`."""
        return {"name": self.name, "values": list(self.values), "rare": list(self.rare)}

    @classmethod
    def from_state(cls, values: dict[str, Any]) -> "CategoryColumn":
        """Make again what `to_state` described."""
        return cls(values["name"], tuple(values["values"]), tuple(values["rare"]))


@dataclass(frozen=True, eq=False)
class TablePreprocessing:
    """How rows of a table become rows of numbers.

    `columns` are the names in the file the fit was made on, in order, targets included: they place the cells of files
    without a header. Only the columns in `numbers` and `categories` are used.
    """

    columns: tuple[str, ...]
    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    target: TargetEncoding

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of x: numbers, then indicators, then categories."""
        names = [column.name for column in self.numbers]
        names += [f"{column.name} is missing" for column in self.numbers if column.indicator]
        return (*names, *(name for column in self.categories for name in column.feature_names))

    def transform(self, rows: Table | NDArray[Any]) -> NDArray[np.float32]:
        """Return features, float32 `(rows, len(feature_names))`, of a table with or without its targets.

        A two-dimensional array stands for a table of numbers in the order of `columns`.
        Raises `DataError` for a missing column, a number of columns that doesn't fit, a text among numbers.
        """
        table = self.align(rows)
        x = np.zeros((len(table), len(self.feature_names)), dtype=np.float32)
        place = len(self.numbers)
        for position, number in enumerate(self.numbers):
            values = numbers(table, number.name)
            absent = np.isnan(values)
            x[:, position] = (np.where(absent, number.fill, values) - number.mean) / number.scale
            if number.indicator:
                x[:, place] = absent
                place += 1
        for category in self.categories:
            one_hot(table, category, x[:, place : place + category.width])
            place += category.width
        return x

    def targets(self, rows: Table | NDArray[Any]) -> NDArray[Any] | None:
        """Return encoded targets, or None when the table has no target column."""
        table = self.align(rows)
        return self.target.encode(table) if set(self.target.names) <= set(table.names) else None

    def inverse_target(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return predictions in the units of the file."""
        return self.target.inverse(y)

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return x and y of a CSV, NPZ or NPY file. Raises `DataError` when it lacks what the training data had."""
        return read_table_rows(path, self, self.columns, with_targets=with_targets)

    def align(self, rows: Table | NDArray[Any]) -> Table:
        """Return the table with the names of `columns`: matched by name if it has a header, else by position."""
        table = rows if isinstance(rows, Table) else _table_of(rows)
        used = [column.name for column in self.numbers] + [column.name for column in self.categories]
        if table.header and (set(table.names) & set(self.columns)):
            for name in used:
                if name not in table.names:
                    raise DataError(f"{table.path} has no column {name!r}, which the training data had; "
                                    f"{suggest(name, table.names)}")
            return table
        features = tuple(name for name in self.columns if name not in self.target.names)
        for names in (self.columns, features):
            if len(table.names) == len(names):
                return Table(table.path, names, table.columns, table.lines, header=True)
        raise DataError(f"{table.path} has {len(table.names)} columns; the training data had {len(self.columns)} with "
                        f"the target and {len(features)} without: {', '.join(features[:8])}"
                        f"{', ...' if len(features) > 8 else ''}.")

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values (for TOML or JSON) and float64 arrays (for safetensors), for `from_state`."""
        target, arrays = self.target.to_state()
        values = {
            "kind": "table",
            "version": STATE_VERSION,
            "columns": list(self.columns),
            "numbers": [column.name for column in self.numbers],
            "indicators": [column.name for column in self.numbers if column.indicator],
            "categories": [column.to_state() for column in self.categories],
            "target": target,
        }
        for part in ("fill", "mean", "scale"):
            arrays[f"number_{part}"] = np.array([getattr(column, part) for column in self.numbers], dtype=np.float64)
        return values, arrays

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "TablePreprocessing":
        """Make again what `to_state` described."""
        statistics = [arrays[f"number_{part}"].tolist() for part in ("fill", "mean", "scale")]
        fitted = tuple(NumberColumn(name, fill, mean, scale, name in values["indicators"])
                       for name, fill, mean, scale in zip(values["numbers"], *statistics, strict=True))
        categories = tuple(CategoryColumn.from_state(column) for column in values["categories"])
        return cls(tuple(values["columns"]), fitted, categories, TargetEncoding.from_state(values["target"], arrays))


def _table_of(rows: Any) -> Table:
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.dtype.kind not in "fiub":
        raise DataError(f"new rows have shape {rows.shape} and dtype {rows.dtype}; a table of numbers has shape "
                        "(rows, columns). Categories have to come from a CSV file.")
    return Table.from_array(rows)


def one_hot(table: Table, column: CategoryColumn, x: NDArray[np.float32]) -> None:
    """Set the 1 of each row in x, shape (rows, column.width), which holds zeros."""
    cells = text_cells(table.column(column.name))
    place = {value: number for number, value in enumerate(column.values)}
    place |= {value: len(column.values) for value in column.rare}
    found = {cell: place.get(category(cell), -1) for cell in set(cells)}
    places = by_cell(cells, found, np.dtype(np.int64))
    known = np.flatnonzero(places >= 0)
    x[known, places[known]] = 1.0


def category(cell: str) -> str:
    """Return the category that a cell stands for: itself, or the one of missing values."""
    return MISSING_VALUE if is_missing(cell) else cell
