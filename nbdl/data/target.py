"""What is to be predicted: labels to class numbers, values to standardised values, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbdl.data.table import Table, by_cell, is_missing, is_number, missing_cells, number_text, numbers, text_cells
from nbdl.errors import DataError

Task = Literal["classification", "regression"]

FEW_CLASSES = 20
ROWS_PER_CLASS = 5


@dataclass(frozen=True, eq=False)
class TargetEncoding:
    """The target columns of a table: `classes` for a classification, `mean` and `scale` `(targets,)` for a regression.

    Class numbers follow the order of `classes`; values become (value - mean) / scale.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...] | None
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @property
    def task(self) -> Task:
        """Which kind of problem this is."""
        return "classification" if self.classes else "regression"

    def encode(self, table: Table) -> NDArray[Any]:
        """Return int64 class numbers `(rows,)` or standardised float32 values `(rows, targets)`.

        A label that is not known is tried without a trailing dot (the test file of the adult data has one).
        Raises `DataError` for a missing target or a label that is none of the classes.
        """
        if self.classes is None:
            values = np.stack([numbers(table, name) for name in self.names], axis=1)
            _refuse_missing(table, np.isnan(values), self.names)
            return ((values - self.mean) / self.scale).astype(np.float32)
        column = table.column(self.names[0])
        _refuse_missing(table, missing_cells(column), self.names)
        cells = text_cells(column)
        position = {label: number for number, label in enumerate(self.classes)}
        found = {cell: _find_label(cell, position) for cell in set(cells)}
        if None in found.values():
            row = next(row for row, cell in enumerate(cells) if found[cell] is None)
            raise DataError(f"{table.path}, line {table.lines[row]}: label {cells[row]!r} is none of the "
                            f"{len(self.classes)} classes ({', '.join(self.classes[:10])}).")
        return by_cell(cells, found, np.dtype(np.int64))

    def inverse(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return standardised values `(rows, targets)` in the units of the file; class numbers are left alone."""
        if self.classes is not None:
            return y
        return (np.asarray(y, dtype=np.float64) * self.scale + self.mean).astype(np.float32)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values and arrays for `from_state`."""
        values = {"names": list(self.names), "classes": list(self.classes or ())}
        return values, {"target_mean": self.mean, "target_scale": self.scale}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "TargetEncoding":
        """Make again what `to_state` described."""
        return cls(tuple(values["names"]), tuple(values["classes"]) or None,
                   np.asarray(arrays["target_mean"]), np.asarray(arrays["target_scale"]))


def label_encoding(classes: Sequence[str], name: str = "label") -> TargetEncoding:
    """Return the encoding of labels that are known beforehand."""
    return TargetEncoding((name,), tuple(classes), np.zeros(1), np.ones(1))


def _find_label(cell: str, position: dict[str, int]) -> int | None:
    candidates = [cell, cell.removesuffix(".")]
    if is_number(cell) and np.isfinite(float(cell)):
        candidates.append(number_text(float(cell)))
    return next((position[candidate] for candidate in candidates if candidate in position), None)


def _refuse_missing(table: Table, absent: NDArray[np.bool_], names: Sequence[str]) -> None:
    if absent.any():
        rows = np.unique(np.nonzero(absent)[0])
        raise DataError(f"{table.path}, line {table.lines[rows[0]]}: there is no value for the target "
                        f"{', '.join(names)} ({len(rows)} rows have none).")


def find_task(table: Table, names: Sequence[str]) -> Task:
    """Find out whether a target is a label or a value.

    Text is a label; so are whole numbers with two values, or with at most 20 values of which each has 5 rows on
    average. Everything else, and several targets, are values.
    """
    column = table.column(names[0])
    cells = {cell for cell in set(text_cells(column)) if not is_missing(cell)}
    if len(names) > 1:
        return "regression"
    if not all(map(is_number, cells)):
        return "classification"
    whole = all(float(cell).is_integer() for cell in cells)
    few = len(cells) == 2 or len(cells) <= min(FEW_CLASSES, len(table) // ROWS_PER_CLASS)
    return "classification" if whole and few else "regression"


def find_classes(table: Table, name: str) -> tuple[str, ...]:
    """Return the labels of a column in order: by value if all are numbers, else by letter.

    Raises `DataError` when there is one only.
    """
    labels = {cell for cell in set(text_cells(table.column(name))) if not is_missing(cell)}
    if labels and all(map(is_number, labels)):
        ordered = [number_text(value) for value in sorted({float(label) for label in labels})]
    else:
        ordered = sorted(labels)
    if len(ordered) < 2:
        raise DataError(f"{table.path}: the target {name!r} has {'one class only' if ordered else 'no label'}"
                        f"{f' ({ordered[0]})' if ordered else ''}; telling classes apart needs two.")
    return tuple(ordered)


def fit_target(table: Table, names: Sequence[str], classes: tuple[str, ...] | None) -> TargetEncoding:
    """Fit the encoding to the training rows; `classes` (None for a regression) are those of all rows."""
    if classes is not None:
        return label_encoding(classes, names[0])
    values = np.stack([numbers(table, name) for name in names], axis=1)
    _refuse_missing(table, np.isnan(values), names)
    scale = values.std(axis=0)
    for name, spread in zip(names, scale, strict=True):
        if spread == 0:
            raise DataError(f"{table.path}: the target {name!r} is {values[0, list(names).index(name)]:g} in every "
                            "training row; there is nothing to learn.")
    return TargetEncoding(tuple(names), None, values.mean(axis=0), scale)
