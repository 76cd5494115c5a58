"""Data sets of labelled sequences: `.ts` files, scaled by channel, padded where lengths differ."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.checks import Array, Inputs, check_share
from nbdl.data.dataset import Dataset, Split
from nbdl.data.files import find_file
from nbdl.data.split import split_rows
from nbdl.data.target import TargetEncoding, label_encoding
from nbdl.data.ts_file import LabelledSequences, read_ts
from nbdl.errors import DataError


@dataclass(frozen=True, eq=False)
class SequenceScaling:
    """How labelled sequences become rows: `(rows, time, channels)`, padded with zeros at the end.

    Values become (value - mean) / scale, by channel; missing ones 0, which is the mean. x is `(values, lengths)` if
    lengths differ (`padded`).
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    time: int
    padded: bool
    classes: tuple[str, ...]

    @property
    def target(self) -> TargetEncoding:
        """The classes."""
        return label_encoding(self.classes)

    def transform(self, found: LabelledSequences) -> Inputs:
        """Return x of sequences. Raises `DataError` for other channels, or other lengths than there can be."""
        if found.channels != len(self.mean):
            raise DataError(f"{found.path} has sequences of {found.channels} channels; the training data had "
                            f"{len(self.mean)}.")
        lengths = np.array([len(sequence) for sequence in found.sequences])
        wrong = np.flatnonzero(lengths > self.time if self.padded else lengths != self.time)
        if wrong.size:
            most = "at most " if self.padded else ""
            raise DataError(f"{found.path}, line {found.lines[wrong[0]]}: the sequence has {lengths[wrong[0]]} steps; "
                            f"the network takes {most}{self.time}.")
        values = np.zeros((len(lengths), self.time, len(self.mean)), np.float32)
        for row, sequence in enumerate(found.sequences):
            values[row, : len(sequence)] = np.nan_to_num((sequence - self.mean) / self.scale)
        return (values, lengths) if self.padded else values

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[Inputs, Array | None]:
        """Return x and y of a .ts file. Raises `DataError` for one that doesn't fit, or for unknown labels."""
        found = read_ts(path)
        known = with_targets and found.classes is not None
        return self.transform(found), label_numbers(found, self.classes) if known else None

    def inverse_target(self, y: Array) -> Array:
        """Return class numbers as they are."""
        return y

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values and arrays, for `from_state`."""
        values = {"kind": "sequences", "time": self.time, "padded": self.padded, "classes": list(self.classes)}
        return values, {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, Array]) -> "SequenceScaling":
        """Make again what `to_state` described."""
        return cls(arrays["mean"], arrays["scale"], int(values["time"]), bool(values["padded"]),
                   tuple(values["classes"]))


def label_numbers(found: LabelledSequences, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the class numbers of labels. Raises `DataError` for one that is none of the classes."""
    places = {label: number for number, label in enumerate(classes)}
    for label, line in zip(found.labels, found.lines, strict=True):
        if label not in places:
            raise DataError(f"{found.path}, line {line}: label {label!r} is none of the {len(classes)} classes "
                            f"({', '.join(classes[:10])}).")
    return np.array([places[label] for label in found.labels], np.int64)


def load_ts(
    path: Path,
    *,
    test_file: Path | None = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    data_dir: Path | None = None,
    seed: int = 0,
) -> Dataset:
    """Make a data set of a .ts file: labelled sequences, one or several channels, of one length or of several.

    x is `(rows, time, channels)`, standardised by channel with mean and standard deviation of the training sequences;
    where lengths differ, rows are padded with zeros and x is a tuple of them and their lengths.

    Args:
        path: the file, also looked for below `data_dir` and `NBDL_DATA`.
        test_file: a file with the test sequences; `NAME_TEST.ts` beside `NAME_TRAIN.ts` is found by itself.
        test_fraction: share of the sequences for testing, if there is no file with them.
        validation_fraction: share of the other sequences for validation.
        data_dir: folder to look for files in.
        seed: which sequences go where.

    Raises:
        DataError: no such file, one that is cut off, has no labels, or other channels in the test file.
    """
    path = find_file(path, data_dir)
    found = read_ts(path)
    if found.classes is None:
        raise DataError(f"{path} has no class labels (@classLabel true ...) to learn.")
    test = find_file(test_file, data_dir) if test_file else _beside(path)
    check_share("test_fraction", test_fraction, least=0.0)
    check_share("validation_fraction", validation_fraction, least=0.0)
    parts = _split(found, 0.0 if test else test_fraction, validation_fraction, seed)
    if test:
        parts["test"] = read_ts(test)
    scaling = _fit(parts, found.classes)
    splits = {part: Split(scaling.transform(each), label_numbers(each, found.classes)) for part, each in parts.items()}
    channels = tuple(f"channel {number + 1}" for number in range(found.channels))
    return Dataset(found.name, "classification", splits["train"], splits.get("validation"), splits.get("test"),
                   features=channels, classes=found.classes, preprocessing=scaling)


def _beside(path: Path) -> Path | None:
    """The test file that belongs to a training file."""
    other = path.with_name(path.name.replace("_TRAIN", "_TEST").replace("_train", "_test"))
    return other if other != path and other.is_file() else None


def _split(found: LabelledSequences, tests: float, validations: float, seed: int) -> dict[str, LabelledSequences]:
    """Cut sequences into parts that have each class in about its share; each keeps the order of the file."""
    labels = label_numbers(found, found.classes or ())
    rows = split_rows(len(labels), test_fraction=tests, validation_fraction=validations, seed=seed, labels=labels)
    return {part: LabelledSequences(found.path, found.name, found.classes,
                                    *([values[row] for row in sorted(chosen)]
                                      for values in (found.sequences, found.labels, found.lines)))
            for part, chosen in rows._asdict().items() if len(chosen)}


def _fit(parts: dict[str, LabelledSequences], classes: tuple[str, ...]) -> SequenceScaling:
    steps = np.concatenate(parts["train"].sequences)
    if np.isnan(steps).all(axis=0).any():
        raise DataError(f"{parts['train'].path}: a channel has no values.")
    scale = np.nanstd(steps, axis=0)
    lengths = {len(sequence) for each in parts.values() for sequence in each.sequences}
    return SequenceScaling(np.nanmean(steps, axis=0), np.where(scale > 0, scale, 1.0), max(lengths), len(lengths) > 1,
                           classes)
