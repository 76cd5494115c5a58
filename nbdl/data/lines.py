"""Data sets of short texts, one a line, such as names: to learn at each place what comes next, up to the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nbdl.data.checks import NOTHING, TOKENS, Array, check_share
from nbdl.data.dataset import Dataset
from nbdl.data.next_tokens import NextTokens
from nbdl.data.split import split_by_seed
from nbdl.data.text_file import read_lines
from nbdl.data.vocabulary import END, PADDING, START, Unit, Vocabulary
from nbdl.errors import DataError


def padded(rows: Sequence[Array], time: int, filling: int, dtype: Any) -> Array:
    """Return rows of different lengths as one array `(rows, time)`, filled up at the end."""
    array = np.full((len(rows), time), filling, dtype)
    for place, row in enumerate(rows):
        array[place, : len(row)] = row
    return array


@dataclass(frozen=True, eq=False)
class LineTokens(NextTokens):
    """How lines become rows: x is start, a, b, c and padding, y is a, b, c, end and nothing (-1).

    >>> lines = LineTokens(Vocabulary.of(["ab"], special=True), time=4)
    >>> x, y = lines.encode([(1, "ab"), (2, "b")], "names")
    >>> x.tolist(), y.tolist()
    ([[1, 3, 4, 0], [1, 4, 0, 0]], [[3, 4, 2, -1], [4, 2, -1, -1]])
    """

    time: int

    def encode(self, lines: Sequence[tuple[int, str]], where: str) -> tuple[Array, Array]:
        """Return x and y of numbered lines. Raises `DataError` for a line that is too long, or unknown characters."""
        rows = []
        for number, line in lines:
            tokens = self.vocabulary.encode(line, f"{where}, line {number}")
            if len(tokens) >= self.time:
                raise DataError(f"{where}, line {number} has {len(tokens)} {self.vocabulary.unit}; the network takes "
                                f"at most {self.time - 1}.")
            rows.append(tokens)
        x = padded([np.concatenate([[START], row]) for row in rows], self.time, PADDING, TOKENS)
        return x, padded([np.concatenate([row, [END]]) for row in rows], self.time, NOTHING, np.int64)

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[Array, Array | None]:
        """Return x and y of the lines of a text file. Raises `DataError` as `encode`, and for a file without text."""
        x, y = self.encode(read_lines(path), str(path))
        return x, y if with_targets else None

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values and arrays, for `from_state`."""
        return {"kind": "lines", "vocabulary": self.vocabulary.to_state(), "time": self.time}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, Array]) -> "LineTokens":
        """Make again what `to_state` described."""
        return cls(Vocabulary.from_state(values["vocabulary"]), int(values["time"]))


def load_lines(name: str, path: Path, *, unit: Unit = "characters", test_fraction: float = 0.1,
               validation_fraction: float = 0.1, seed: int = 0) -> Dataset:
    """Make a data set of the different lines of a text file; options as in the data set `names`.

    Raises:
        DataError: no such file, one without text, a share out of its range.
    """
    check_share("test_fraction", test_fraction, least=0.0)
    check_share("validation_fraction", validation_fraction, least=0.0)
    lines = read_lines(path)
    different = list({line: number for number, line in reversed(lines)}.items())[::-1]
    vocabulary = Vocabulary.of([line for line, _ in different], unit, special=True)
    longest = max(len(vocabulary.encode(line)) for line, _ in different)
    preprocessing = LineTokens(vocabulary, longest + 1)
    x, y = preprocessing.encode([(number, line) for line, number in different], str(path))
    parts = split_by_seed(x, y, test_fraction=test_fraction, validation_fraction=validation_fraction, seed=seed)
    repeated = len(lines) - len(different)
    notes = [f"{repeated:,} lines that come again are left out"] if repeated else []
    return Dataset(name, "sequence", *parts, classes=vocabulary.tokens, preprocessing=preprocessing, notes=notes,
                   tokens=len(vocabulary))
