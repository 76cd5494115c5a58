"""The data of a run: loaded as its configuration says, cut into parts, described in the run's folder."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import typer

from nbdl.data import Dataset, Preprocessing, Split, load, preprocessing_from_state, split_rows
from nbdl.data.arrays import ArrayScaling
from nbdl.data.series import SeriesWindows
from nbdl.data.target import TargetEncoding, label_encoding
from nbdl.data.windows import elements
from nbdl.errors import DataError, RunError
from nbdl.tensor_files import load_tensors, save_tensors
from nbdl.train.runfolder import RunFolder
from nbdl_cli.config import Config


def load_data(config: Config) -> Dataset:
    """Load the data set that a configuration names, split by the configuration's seed."""
    options = {key: value for key, value in config["data"].items() if key not in ("name", "file")}
    name = config["data"].get("file") or config["data"]["name"]
    return load(name, seed=config["train"]["seed"], **options)


def training_rows(dataset: Dataset, config: Config) -> tuple[Split, Split | None]:
    """Return the rows to train on, and those for validation: the data set's own, or a share drawn by the seed."""
    share = config["train"]["validation_split"]
    if dataset.validation is not None or share == 0:
        return dataset.train, dataset.validation
    labels = dataset.train.y if dataset.task == "classification" else None
    if share * len(dataset.train) < 1:
        raise DataError(
            f"validation_split={share} of {len(dataset.train)} training rows is not a single row; "
            "give more rows, or --set train.validation_split=0"
        )
    parts = split_rows(
        len(dataset.train), test_fraction=0, validation_fraction=share, seed=config["train"]["seed"], labels=labels
    )
    return dataset.train.take(parts.train), dataset.train.take(parts.validation)


def held_out_rows(dataset: Dataset, config: Config) -> tuple[str, Split]:
    """Return the name and the rows of the part to evaluate on: test, or if there is none, validation."""
    if dataset.test is not None:
        return "test", dataset.test
    validation = training_rows(dataset, config)[1]
    if validation is None:
        raise DataError(f"the data set {dataset.name} has neither test nor validation rows; give rows with --data FILE")
    return "validation", validation


@dataclass(frozen=True)
class DataFacts:
    """What a network needs to know about its data, without the rows: kept in the run's folder."""

    name: str
    task: str
    outputs: int
    classes: tuple[str, ...] | None
    input_shape: tuple[int, ...]
    dtype: str
    preprocessing: Preprocessing
    fingerprint: int
    target_shape: tuple[int, ...] = ()
    tokens: int | None = None
    lengths: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Describe a data set; one without preprocessing gets one that changes nothing."""
        classes = None if dataset.classes is None else tuple(dataset.classes)
        preprocessing = dataset.preprocessing or _unchanged(dataset)
        return cls(
            dataset.name,
            dataset.task,
            dataset.outputs,
            classes,
            dataset.input_shape,
            dataset.train.values.dtype.name,
            preprocessing,
            _fingerprint(dataset),
            tuple(dataset.train.y.shape[1:]),
            dataset.tokens,
            dataset.train.lengths is not None,
        )

    def save(self, folder: RunFolder) -> None:
        """Write the facts to a run's folder, without pickle."""
        values, arrays = self.preprocessing.to_state()
        plain = {name: value for name, value in vars(self).items() if name != "preprocessing"}
        save_tensors(folder.data_file, arrays, {"data": plain, "preprocessing": values})

    @classmethod
    def read(cls, folder: RunFolder) -> Self:
        """Read what `save` wrote. Raises `RunError` if it is damaged."""
        arrays, meta = load_tensors(folder.data_file)
        try:
            given = dict(meta["data"])
            classes = None if given.pop("classes") is None else tuple(map(str, meta["data"]["classes"]))
            for name in ("input_shape", "target_shape"):
                given[name] = tuple(map(int, given[name]))
            preprocessing = preprocessing_from_state(meta["preprocessing"], arrays)
            return cls(**given, classes=classes, preprocessing=preprocessing)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{folder.data_file} is damaged: {type(error).__name__} {error}") from error

    def tell_of_changes(self, dataset: Dataset, run: Path) -> bool:
        """Return whether a run's data are others than it was trained on, and say on stderr what that means."""
        changed = self.fingerprint != _fingerprint(dataset)
        if changed:
            typer.echo(
                f"Warning: the data of {run} have changed since it was trained, and are split anew: rows that count as "
                "held out here may be rows it was trained on.",
                err=True,
            )
        return changed

    @property
    def is_forecast(self) -> bool:
        """Whether the targets are later values of a series, so that there is a naive forecast to compare with."""
        return self.series is not None

    @property
    def series(self) -> int | None:
        """The channel of x that the targets are later values of, on its scale; None if the data are no series."""
        return self.preprocessing.place if isinstance(self.preprocessing, SeriesWindows) else None

    def sample(self) -> Split:
        """Return one row of zeros and its target, in the shapes and dtypes of the data."""
        values = np.zeros((1, *self.input_shape), self.dtype)
        y = np.zeros((1, *self.target_shape), np.int64 if self.classes else np.float32)
        return Split((values, np.ones(1, np.int64)) if self.lengths else values, y)

    def check_rows(self, split: Split, where: str) -> None:
        """Raise `DataError` for rows of another shape than the network was trained on."""
        if self.lengths and split.lengths is None:
            raise DataError(f"{where} has rows of one length; the network was trained on rows with their lengths")
        if split.values.shape[1:] != self.input_shape:
            raise DataError(
                f"{where} has rows of shape {split.values.shape[1:]}; "
                f"the network was trained on rows of shape {self.input_shape}"
            )


def _unchanged(dataset: Dataset) -> ArrayScaling:
    if dataset.classes is not None:
        target = label_encoding(dataset.classes)
    else:
        names = (
            tuple(f"target {number + 1}" for number in range(dataset.outputs)) if dataset.outputs > 1 else ("target",)
        )
        target = TargetEncoding(names, None, np.zeros(dataset.outputs), np.ones(dataset.outputs))
    return ArrayScaling(dataset.input_shape, 1.0, target)


def _fingerprint(dataset: Dataset) -> int:
    """A checksum of all rows: a run goes on with the rows that it began with, or not at all."""
    total = 0
    for part in dataset.splits().values():
        for array in part.arrays:
            total = zlib.crc32(np.ascontiguousarray(elements(array)).data, total)
    return total


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return logs as JSON has them: arrays as lists, numbers that aren't finite as null."""
    return json.loads(json.dumps({name: _plain(value) for name, value in values.items()}))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value if np.isfinite(value) else None
