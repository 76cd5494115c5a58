"""Preprocessing of time series: windows over columns that are scaled and filled, and later values of one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.checks import Array
from nbdl.data.csv_file import read_csv
from nbdl.data.preprocessing import CategoryColumn, NumberColumn, one_hot
from nbdl.data.table import Table, numbers
from nbdl.data.target import TargetEncoding
from nbdl.data.windows import windows
from nbdl.errors import DataError


def forward_fill(values: NDArray[np.float64], first: float) -> NDArray[np.float64]:
    """Return values with each missing one (NaN) replaced by the last known before it; `first` where there is none yet.

    >>> forward_fill(np.array([np.nan, 3.0, np.nan, np.nan, 5.0]), 1.0).tolist()
    [1.0, 3.0, 3.0, 3.0, 5.0]
    """
    known = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(known >= 0, values[np.maximum(known, 0)], first)


@dataclass(frozen=True, eq=False)
class SeriesWindows:
    """How a table whose rows follow one another in time becomes rows of a data set.

    x holds `window` steps of all channels, y the values of the column `series` the steps `horizons` further on.
    Numbers become (value - mean) / scale. A missing one is taken as the last known (the mean where there is none yet),
    and a channel of its own is 1 there if the column has an `indicator`. Categories are one-hot.
    """

    series: str
    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    window: int
    horizons: tuple[int, ...]
    step: int = 1
    unit: str = ""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels: numbers, then indicators, then categories."""
        names = [column.name for column in self.numbers]
        names += [f"{column.name} is missing" for column in self.numbers if column.indicator]
        return (*names, *(name for column in self.categories for name in column.feature_names))

    @property
    def target(self) -> TargetEncoding:
        """The values that are forecast, scaled as their column is."""
        column = self.numbers[self.place]
        return TargetEncoding(tuple(f"{self.series} +{steps}" for steps in self.horizons), None,
                              np.full(len(self.horizons), column.mean), np.full(len(self.horizons), column.scale))

    @property
    def place(self) -> int:
        """The channel of x that holds the series."""
        return [column.name for column in self.numbers].index(self.series)

    def scaled(self, table: Table) -> NDArray[np.float32]:
        """Return all channels of a table, `(rows, channels)`.

        Raises `DataError` for a missing column or a text among numbers.
        """
        x = np.zeros((len(table), len(self.channels)), dtype=np.float32)
        place = len(self.numbers)
        for position, column in enumerate(self.numbers):
            values = numbers(table, column.name)
            x[:, position] = (forward_fill(values, column.mean) - column.mean) / column.scale
            if column.indicator:
                x[:, place] = np.isnan(values)
                place += 1
        for category in self.categories:
            one_hot(table, category, x[:, place : place + category.width])
            place += category.width
        return x

    def cut(self, table: Table) -> tuple[Array, Array, NDArray[np.int64]]:
        """Return x, y and the row in which each window ends, for all windows whose targets are known.

        Raises `DataError` for a table that is too short for a window and its targets.
        """
        values = numbers(table, self.series)
        count = len(table) - self.window - max(self.horizons) + 1
        self._refuse_short(table, count, f", and a target {max(self.horizons)} further on")
        ends = np.arange(0, count, self.step) + self.window - 1
        column = self.numbers[self.place]
        y = (values[ends[:, None] + np.array(self.horizons)] - column.mean) / column.scale
        known = ~np.isnan(y).any(axis=1)
        x = windows(self.scaled(table), self.window, self.step)[: len(ends)]
        if not known.all():
            x, y, ends = x[known], y[known], ends[known]
        return x, y.astype(np.float32), ends

    def last(self, table: Table) -> tuple[Array, list[int]]:
        """Return all windows of a table, the last of which ends in its last row, and the lines in which they end."""
        count = len(table) - self.window + 1
        self._refuse_short(table, count, "")
        first = (count - 1) % self.step
        x = windows(self.scaled(table), self.window)[first :: self.step]
        return x, [table.lines[row] for row in range(first + self.window - 1, len(table), self.step)]

    def _refuse_short(self, table: Table, count: int, more: str) -> None:
        if count < 1:
            raise DataError(f"{table.path} has {len(table)} rows; a window takes {self.window}{more}.")

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[Array, Array | None]:
        """Return the windows of a CSV file and the scaled values that follow them; without targets, all windows.

        Raises `DataError` for a table that is too short or lacks a column.
        """
        table = self.table(path)
        return self.cut(table)[:2] if with_targets else (self.last(table)[0], None)

    def table(self, path: Path) -> Table:
        """Return the table in a CSV file."""
        columns: list[NumberColumn | CategoryColumn] = [*self.numbers, *self.categories]
        return read_csv(path, known_names=[column.name for column in columns])

    def baseline(self, x: Array) -> NDArray[np.float64]:
        """Return the persistence forecast, `(rows, targets)` in units: everything stays as it was last."""
        column = self.numbers[self.place]
        latest = x[:, -1, self.place].astype(np.float64) * column.scale + column.mean
        return np.repeat(latest[:, None], len(self.horizons), axis=1)

    def persistence_rmse(self, x: Array, y: Array) -> float:
        """Return the root of the mean squared error of the persistence forecast, in the units of the file."""
        error = self.baseline(x) - self.inverse_target(y).astype(np.float64)
        return float(np.sqrt(np.mean(error**2)))

    def inverse_target(self, y: Array) -> Array:
        """Return forecasts in the units of the file."""
        return self.target.inverse(y)

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values and arrays, for `from_state`."""
        values = {
            "kind": "series",
            "series": self.series,
            "numbers": [column.name for column in self.numbers],
            "indicators": [column.name for column in self.numbers if column.indicator],
            "categories": [column.to_state() for column in self.categories],
            "window": self.window,
            "horizons": list(self.horizons),
            "step": self.step,
            "unit": self.unit,
        }
        return values, {f"number_{part}": np.array([getattr(column, part) for column in self.numbers], np.float64)
                        for part in ("mean", "scale")}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, Array]) -> "SeriesWindows":
        """Make again what `to_state` described."""
        statistics = (arrays[f"number_{part}"].tolist() for part in ("mean", "scale"))
        columns = tuple(number_column(name, mean, scale, name in values["indicators"])
                        for name, mean, scale in zip(values["numbers"], *statistics, strict=True))
        categories = tuple(CategoryColumn.from_state(column) for column in values["categories"])
        return cls(values["series"], columns, categories, int(values["window"]),
                   tuple(map(int, values["horizons"])), int(values["step"]), str(values.get("unit", "")))


def number_column(name: str, mean: float, scale: float, indicator: bool) -> NumberColumn:
    """Return a column whose missing values are taken as the mean where none is known yet."""
    return NumberColumn(name, mean, mean, scale, indicator)


def horizons_of(horizon: int | Sequence[int]) -> tuple[int, ...]:
    """Return steps ahead as a tuple in order. Raises `DataError` unless they are whole numbers of at least 1."""
    steps = (horizon,) if isinstance(horizon, int) else tuple(sorted(set(horizon)))
    if not steps or min(steps) < 1:
        raise DataError(f"horizon is a number of steps ahead of at least 1, or several such as [1,2,3], not {horizon}.")
    return steps
