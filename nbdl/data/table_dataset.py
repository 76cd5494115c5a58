"""From a table to a data set: which columns are used, how rows are split, what is fitted to the training rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nbdl.data.dataset import Dataset, Split
from nbdl.data.fit import fit_table
from nbdl.data.preprocessing import TablePreprocessing
from nbdl.data.split import Parts, split_rows
from nbdl.data.table import Table, find_kind, missing_cells, numbers
from nbdl.data.target import find_classes, find_task, fit_target
from nbdl.errors import DataError

TaskOption = Literal["classification", "regression"] | None
WHY_LEFT_OUT = {
    "identifier": "its text differs in nearly every row, so it tells rows apart but says nothing about new ones",
    "row counter": "it only counts the rows",
    "constant": "it is the same in every row",
    "empty": "it has no values",
}


@dataclass
class Columns:
    """What the columns of a table are used for, and the notes for a person."""

    targets: tuple[str, ...]
    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def table_dataset(
    name: str,
    table: Table,
    targets: tuple[str, ...],
    *,
    validation: Table | None = None,
    test: Table | None = None,
    task: TaskOption = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """Make a data set of a table; parts that aren't given are cut from it. Options as in `nbdl.data.load`.

    Raises `DataError` for anything in the table that can't be trained on.
    """
    columns = Columns(targets)
    find_columns(table, columns, drop, categorical)
    table = _rows_with_target(table, columns)
    classes = find_target_classes(table, targets, task)
    parts = split_table(table, targets, classes, 0.0 if test else test_fraction,
                        0.0 if validation else validation_fraction, seed)
    fitted = fit_table(parts.train, columns.numbers, columns.categories, fit_target(parts.train, targets, classes))
    others = {"validation": validation or parts.validation, "test": test or parts.test}
    splits = {part: make_split(rows, fitted) for part, rows in others.items() if rows}
    return Dataset(name, fitted.target.task, make_split(parts.train, fitted), splits.get("validation"),
                   splits.get("test"), features=fitted.feature_names, classes=classes, preprocessing=fitted,
                   notes=columns.notes)


def _rows_with_target(table: Table, columns: Columns) -> Table:
    absent = np.zeros(len(table), dtype=bool)
    for name in columns.targets:
        absent |= missing_cells(table.column(name))
    if absent.all():
        raise DataError(f"{table.path}: the target {', '.join(columns.targets)} is empty in every row.")
    if absent.any():
        columns.notes.append(f"{absent.sum()} rows without a value for {', '.join(columns.targets)} are left out")
        return table.take(np.flatnonzero(~absent))
    return table


def find_columns(table: Table, columns: Columns, drop: Sequence[str], categorical: Sequence[str]) -> None:
    """Decide what each column that is no target is used for. Raises `DataError` when nothing is left to learn from."""
    for name in (*drop, *categorical):
        table.column(name)  # refuses one that isn't there
    for name in table.names:
        if name in columns.targets or name in drop:
            continue
        kind = "category" if name in categorical else find_kind(table, name)
        if kind == "number":
            missing = int(np.isnan(numbers(table, name)).sum())
            columns.numbers.append(name)
            if missing:
                columns.notes.append(f"{name}: {missing} missing values are filled with the median")
        elif kind == "category":
            columns.categories.append(name)
        else:
            columns.notes.append(f"{name} is left out: {WHY_LEFT_OUT[kind]}")
    if not columns.numbers and not columns.categories:
        raise DataError(f"{table.path} has no column to learn from besides the target {', '.join(columns.targets)}"
                        f"{': ' if columns.notes else ''}{'; '.join(columns.notes)}.")


def split_table(table: Table, targets: Sequence[str], classes: tuple[str, ...] | None, test_fraction: float,
                validation_fraction: float, seed: int) -> Parts:
    """Cut a table into three (None for an empty part), stratified by class for a classification."""
    labels = fit_target(table, targets, classes).encode(table) if classes else None
    rows = split_rows(len(table), test_fraction=test_fraction, validation_fraction=validation_fraction, seed=seed,
                      labels=labels)
    return Parts(*(table.take(part) if len(part) else None for part in rows))


def find_target_classes(table: Table, targets: Sequence[str], task: TaskOption) -> tuple[str, ...] | None:
    """Return the labels of a classification, None for a regression; `task` None finds out which it is."""
    if (task or find_task(table, targets)) == "regression":
        for name in targets:
            numbers(table, name)  # refuses text while rows are still in the order of the file
        return None
    if len(targets) > 1:
        raise DataError(f"{table.path}: a classification has one target, not {len(targets)} ({', '.join(targets)}). "
                        "One-hot labels become numbers with y.argmax(axis=1).")
    return find_classes(table, targets[0])


def make_split(table: Table, fitted: TablePreprocessing) -> Split:
    """Return features and targets of a table. Raises `DataError` when it lacks a target column."""
    y = fitted.targets(table)
    if y is None:
        raise DataError(f"{table.path} has no column {', '.join(fitted.target.names)}, the target.")
    return Split(fitted.transform(table), y)
