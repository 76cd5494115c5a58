"""What is drawn: a run, of which each picture asks what it needs."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nbdl.data import Dataset, Split
from nbdl.data.arrays import ArrayScaling
from nbdl.data.preprocessing import TablePreprocessing
from nbdl.nn import Module
from nbdl.train import RunFolder
from nbdl_cli.answers import class_shares, predict_rows
from nbdl_cli.config import Config
from nbdl_cli.figures import lightness, shortened
from nbdl_cli.network import OpenRun, given_to, open_run
from nbdl_cli.run_data import DataFacts, held_out_rows, load_data

SCANNED = 1000  # rows whose pixels say from where to where images go


class Subject:
    """A run that is drawn. Weights, data and predictions are read when a picture first asks for them, and once.

    Raises:
        RunError: there is no run in the folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self.folder = RunFolder.open(path)
        self.name = shortened(path.resolve().name, 40)
        self.data_changed = False  # as far as they were read

    # --- the network ---

    @cached_property
    def opened(self) -> OpenRun:
        """The run with its network. Raises `RunError` where weights or configuration can't be read."""
        return open_run(self.path)

    @property
    def config(self) -> Config:
        """The run's configuration."""
        return self.opened.config

    @property
    def facts(self) -> DataFacts:
        """What the data are like."""
        return self.opened.facts

    @property
    def net(self) -> Module:
        """The network with its weights."""
        return self.opened.net

    def method(self, name: str) -> Callable[..., Any] | None:
        """Return a method that a network may offer, such as `encode`; None if this one doesn't."""
        found = getattr(self.net, name, None)
        return found if callable(found) else None

    # --- the data ---

    @cached_property
    def dataset(self) -> Dataset:
        """The data. Raises `DataError` where they can't be read any more."""
        dataset = load_data(self.config)
        self.data_changed = self.facts.tell_of_changes(dataset, self.folder.path)
        return dataset

    @cached_property
    def held_out(self) -> tuple[str, Split]:
        """The part that training hasn't seen: its name and its rows."""
        return held_out_rows(self.dataset, self.config)

    @property
    def part(self) -> str:
        """The name of the part that training hasn't seen."""
        return self.held_out[0]

    @property
    def rows(self) -> Split:
        """The rows that training hasn't seen."""
        return self.held_out[1]

    @cached_property
    def predicted(self) -> np.ndarray:
        """What the network says about those rows."""
        return self.predict(self.rows)

    def predict(self, rows: Split) -> np.ndarray:
        """Return what the network says about rows."""
        return predict_rows(self.opened, rows)

    def inputs(self, rows: Split) -> tuple[np.ndarray, ...]:
        """Return what the network's methods take for rows: x, and the lengths of rows if it takes them."""
        x = given_to(self.net, rows)[0]
        return x if isinstance(x, tuple) else (x,)

    def shares(self, predicted: np.ndarray) -> tuple[str, np.ndarray]:
        """Return what outputs mean, `probability` or `score`, and a column for each class."""
        return class_shares(self.opened, predicted.reshape(len(predicted), -1))

    @cached_property
    def decisions(self) -> np.ndarray:
        """The class that the network takes for the likeliest, for each row that training hasn't seen."""
        decided: np.ndarray = self.shares(self.predicted)[1].argmax(axis=1)
        return decided

    def title(self, more: str = "") -> str:
        """Return the run's name, which rows are drawn, and what else is to be said."""
        rest = f", {more}" if more else ""
        return f"{self.name}: {len(self.rows):,} {self.part} rows{rest}"

    # --- names ---

    @property
    def classes(self) -> list[str]:
        """The names of the classes, short enough for labels."""
        return [shortened(name) for name in self.facts.classes or ()]

    @property
    def targets(self) -> list[str]:
        """The names of what is predicted."""
        return [shortened(name) for name in self.facts.preprocessing.target.names]

    def feature(self, place: int) -> tuple[str, float, float]:
        """Return the name of a column of x, and the mean and scale that bring it back to the units of the data."""
        preprocessing = self.facts.preprocessing
        names = self.dataset.features
        name = shortened(names[place]) if names else f"x{place + 1}"
        if isinstance(preprocessing, TablePreprocessing) and place < len(preprocessing.numbers):
            column = preprocessing.numbers[place]
            return name, column.mean, column.scale
        scale = preprocessing.scale if isinstance(preprocessing, ArrayScaling) else 1.0
        return name, 0.0, 1 / scale

    # --- time ---

    def times(self, target: int) -> np.ndarray:
        """Return when each row's target is, in the part that training hasn't seen: moments, or numbers of rows."""
        known = self.dataset.times.get(self.part)
        return np.arange(1, len(self.rows) + 1) if known is None else known[:, target]

    @property
    def unit(self) -> str:
        """The unit of what is predicted, if it is known."""
        return str(getattr(self.facts.preprocessing, "unit", ""))

    # --- images ---

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Height, width and channels if the rows are images."""
        return image_shape(self.facts)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The values of black and white."""
        values = self.dataset.train.values[:SCANNED]
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 1:
            return 0.0, 1.0
        return low, max(high, low + 1e-6)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Return rows as images that can be drawn: see `lightness`."""
        shape = self.image_shape
        assert shape is not None, "pictures of images are offered for images only"
        return lightness(rows, shape, self.limits)


def image_shape(facts: DataFacts) -> tuple[int, int, int] | None:
    """Return height, width and channels if rows are images: `(h, w, 1)`, `(h, w, 3)`, or pixels without channels."""
    if facts.tokens is not None or facts.lengths:
        return None
    shape = facts.input_shape
    if len(shape) == 3 and shape[-1] in (1, 3):
        return shape[0], shape[1], shape[2]
    pixels = isinstance(facts.preprocessing, ArrayScaling) and facts.preprocessing.scale != 1
    return (shape[0], shape[1], 1) if len(shape) == 2 and pixels else None
