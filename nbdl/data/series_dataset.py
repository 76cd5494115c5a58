"""From a table whose rows follow one another in time to a data set of forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nbdl.data.checks import check_share
from nbdl.data.csv_dataset import find_targets
from nbdl.data.csv_file import read_csv
from nbdl.data.dataset import SPLITS, Dataset, Split
from nbdl.data.fit import INDICATOR_SHARE, fit_category
from nbdl.data.preprocessing import NumberColumn
from nbdl.data.series import SeriesWindows, horizons_of, number_column
from nbdl.data.table import Table, find_kind, numbers
from nbdl.data.table_dataset import WHY_LEFT_OUT
from nbdl.data.times import times_of
from nbdl.errors import DataError


def load_series(
    name: str,
    path: Path,
    *,
    target: str | None = None,
    columns: Sequence[str] = (),
    window: int = 24,
    horizon: int | Sequence[int] = 1,
    step: int = 1,
    unit: str = "",
    validation_fraction: float = 0.1,
    test_fraction: float = 0.2,
) -> Dataset:
    """Make a data set of forecasts from a CSV file; options as in the data set `series`.

    The parts follow one another in time. A window belongs to the part in which its targets lie; it may look back into
    the part before. Means and scales are those of the known values in the training part.

    Raises:
        DataError: no such column, text among numbers, too few rows for a window, an option out of its range.
    """
    for option, value in (("window", window), ("step", step)):
        if value < 1:
            raise DataError(f"{option} must be at least 1, not {value}.")
    check_share("validation_fraction", validation_fraction)
    check_share("test_fraction", test_fraction, least=0.0)
    check_share("validation_fraction + test_fraction", validation_fraction + test_fraction)
    table = read_csv(path)
    held_out = (validation_fraction + test_fraction, test_fraction)
    ends = [len(table) - round(len(table) * share) for share in held_out]
    series = _find_series(table, target)
    found = _find_columns(table, series, columns)
    fitted = _fit(table.take(range(ends[0])), series, found, window, horizons_of(horizon), step, unit)
    x, y, last = fitted.cut(table)
    first_target, last_target = last + min(fitted.horizons), last + max(fitted.horizons)
    splits: dict[str, Split] = {}
    when, times = times_of(table)[last[:, None] + np.array(fitted.horizons)], {}
    for part, begin, end in zip(SPLITS, (0, *ends), (*ends, len(table)), strict=True):
        rows = np.flatnonzero((first_target >= begin) & (last_target < end))
        if rows.size:
            splits[part] = Split(x[rows[0] : rows[-1] + 1], y[rows[0] : rows[-1] + 1])
            times[part] = when[rows[0] : rows[-1] + 1]
        elif end > begin:
            raise DataError(f"{path}: of {len(table)} rows, the {end - begin} of the {part} part hold no target of a "
                            f"window of {window}, {max(fitted.horizons)} further on.")
    return Dataset(name, "regression", splits["train"], splits.get("validation"), splits.get("test"),
                   features=fitted.channels, preprocessing=fitted, notes=found.notes, times=times)


@dataclass
class _Columns:
    """What the columns of a table are used for, and the notes for a person."""

    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _find_series(table: Table, target: str | None) -> str:
    """Return the column to forecast: the one that is named, or the only one that holds numbers."""
    if target is None:
        candidates = [name for name in table.names if find_kind(table, name) == "number"]
        if len(candidates) == 1:
            return candidates[0]
    found = find_targets(table, target)
    if len(found) > 1:
        raise DataError(f"{table.path}: one column is forecast, not {len(found)} ({', '.join(found)}).")
    return found[0]


def _find_columns(table: Table, series: str, wanted: Sequence[str]) -> _Columns:
    for name in wanted:
        table.column(name)  # refuses one that isn't there
    columns = _Columns()
    for name in dict.fromkeys((series, *(wanted or table.names))):
        kind = find_kind(table, name)
        if kind == "category":
            columns.categories.append(name)
        elif kind == "number" or (name in (series, *wanted) and kind == "row counter"):
            columns.numbers.append(name)
            missing = int(np.isnan(numbers(table, name)).sum())
            if missing:
                columns.notes.append(f"{name}: {missing} missing values are taken as the last known one before")
        elif name in (series, *wanted):
            raise DataError(f"{table.path}: the column {name!r} can't be used: {WHY_LEFT_OUT[kind]}.")
        else:
            columns.notes.append(f"{name} is left out: {WHY_LEFT_OUT[kind]}")
    if series in columns.categories:
        numbers(table, series)  # says which cell is no number
    return columns


def _fit(train: Table, series: str, columns: _Columns, window: int, horizons: tuple[int, ...],
         step: int, unit: str) -> SeriesWindows:
    fitted = []
    for name in columns.numbers:
        column = _fit_number(train, name)
        if column is None and name == series:
            raise DataError(f"{train.path}: {name!r} is the same in all rows of the training part, or has no values "
                            "there; there is nothing to learn.")
        if column is None:
            columns.notes.append(f"{name} is left out: it is the same in all rows of the training part, or missing")
        else:
            fitted.append(column)
    categories = tuple(fit_category(train, name) for name in columns.categories)
    return SeriesWindows(series, tuple(fitted), categories, window, horizons, step, unit)


def _fit_number(train: Table, name: str) -> NumberColumn | None:
    values = numbers(train, name)
    known = values[~np.isnan(values)]
    if not known.size or known.min() == known.max():
        return None
    is_marked = len(values) - len(known) >= INDICATOR_SHARE * len(values)
    return number_column(name, float(known.mean()), float(known.std()), is_marked)
