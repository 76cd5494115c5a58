"""Data sets of pairs of texts, such as sentences and their translations: from one, make the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.checks import NOTHING, TOKENS, Array, check_share
from nbdl.data.dataset import Dataset, Split
from nbdl.data.lines import padded
from nbdl.data.split import split_rows
from nbdl.data.target import TargetEncoding, label_encoding
from nbdl.data.text_file import read_lines
from nbdl.data.vocabulary import END, PADDING, Unit, Vocabulary
from nbdl.errors import DataError

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class PairTokens:
    """How pairs become rows: x is the source and padding, y the target, its end and nothing (-1).

    Both vocabularies have 0 for padding, 1 for the start and 2 for the end; neither x nor y holds the start.

    >>> pairs = PairTokens(Vocabulary.of(["ab"], special=True), Vocabulary.of(["xy"], special=True), 3, 4)
    >>> pairs.sources(["ba"]).tolist(), pairs.targets(["yx"]).tolist()
    ([[4, 3, 0]], [[4, 3, 2, -1]])
    """

    source: Vocabulary
    target_vocabulary: Vocabulary
    source_time: int
    target_time: int

    @property
    def target(self) -> TargetEncoding:
        """The classes: the target's tokens."""
        return label_encoding(self.target_vocabulary.tokens, "target token")

    def sources(self, texts: Sequence[str], where: Sequence[str] = ()) -> Array:
        """Return x. Raises `DataError` for a text that is too long or has no token, or characters not known."""
        rows = _encode(self.source, texts, where, self.source_time)
        return padded(rows, self.source_time, PADDING, TOKENS)

    def targets(self, texts: Sequence[str], where: Sequence[str] = ()) -> NDArray[np.int64]:
        """Return y. Raises `DataError` for a text that is too long or has no token, or characters not known."""
        rows = _encode(self.target_vocabulary, texts, where, self.target_time - 1)
        return padded([np.concatenate([row, [END]]) for row in rows], self.target_time, NOTHING, np.int64)

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[Array, Array | None]:
        """Return x and y of a file with a pair a line, a tab between; without targets a line may be a source alone.

        Raises `DataError` for a file without text, a line without a tab, or texts that don't fit.
        """
        lines = read_lines(path)
        where = [f"{path}, line {number}" for number, _ in lines]
        if not with_targets:
            return self.sources([line.split("\t")[0].strip() for _, line in lines], where), None
        pairs = [split_pair(line, place) for (_, line), place in zip(lines, where, strict=True)]
        return self.sources([pair[0] for pair in pairs], where), self.targets([pair[1] for pair in pairs], where)

    def decode(self, tokens: Array) -> list[str]:
        """Return the texts of rows of target tokens."""
        return [self.target_vocabulary.decode(row) for row in tokens]

    def decode_source(self, tokens: Array) -> list[str]:
        """Return the texts of rows of source tokens."""
        return [self.source.decode(row) for row in tokens]

    def inverse_target(self, y: Array) -> Array:
        """Return class numbers as they are."""
        return y

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values and arrays, for `from_state`."""
        return {"kind": "pairs", "source": self.source.to_state(), "target": self.target_vocabulary.to_state(),
                "times": [self.source_time, self.target_time]}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, Array]) -> "PairTokens":
        """Make again what `to_state` described."""
        return cls(Vocabulary.from_state(values["source"]), Vocabulary.from_state(values["target"]),
                   *map(int, values["times"]))


def _encode(vocabulary: Vocabulary, texts: Sequence[str], where: Sequence[str], most: int) -> list[Array]:
    rows = []
    for number, text in enumerate(texts):
        place = where[number] if where else f"row {number + 1}"
        tokens = vocabulary.encode(text, place)
        if not 0 < len(tokens) <= most:
            raise DataError(f"{place}: {text[:40]!r} has {len(tokens)} {vocabulary.unit}; the network takes from 1 to "
                            f"{most}.")
        rows.append(tokens)
    return rows


def split_pair(line: str, where: str) -> Pair:
    """Return source and target of a line with a tab between them; what stands behind another tab is left aside.

    Raises `DataError` for a line without a tab, or with nothing before or behind it.
    """
    source, tab, rest = line.partition("\t")
    target = rest.split("\t")[0]
    if not tab:
        raise DataError(f"{where} has no tab: {line[:40]!r}; a line is a source, a tab and a target.")
    if not source.strip() or not target.strip():
        raise DataError(f"{where} has nothing {'behind' if source.strip() else 'before'} the tab.")
    return source.strip(), target.strip()


def read_pairs(path: Path) -> list[Pair]:
    """Return the pairs in a file. Raises `DataError` as `split_pair`, and for a file without text."""
    return [split_pair(line, f"{path}, line {number}") for number, line in read_lines(path)]


def pairs_dataset(
    name: str,
    pairs: Sequence[Pair],
    *,
    unit: Unit = "characters",
    most_words: int = 10_000,
    test_fraction: float = 0.1,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Make a data set of pairs of texts; options as in the data set `pairs`.

    Of pairs that come again one is kept, and all targets of one source go to the same part: no source of a test pair
    occurs in training.

    Raises:
        DataError: too few pairs, a share out of its range.
    """
    check_share("test_fraction", test_fraction, least=0.0)
    check_share("validation_fraction", validation_fraction, least=0.0)
    different = list(dict.fromkeys(pairs))
    sources = list(dict.fromkeys(pair[0] for pair in different))
    parts = split_rows(len(sources), test_fraction=test_fraction, validation_fraction=validation_fraction, seed=seed)
    part_of = {sources[row]: part for part, rows in parts._asdict().items() for row in rows}
    # The vocabulary is that of all pairs: a test sentence may have a letter that no other has.
    source, target = (Vocabulary.of([pair[side] for pair in different], unit, special=True, most=most_words)
                      for side in (0, 1))
    longest = [max(len(vocabulary.encode(pair[side])) for pair in different)
               for side, vocabulary in enumerate((source, target))]
    preprocessing = PairTokens(source, target, longest[0], longest[1] + 1)
    x = preprocessing.sources([pair[0] for pair in different])
    y = preprocessing.targets([pair[1] for pair in different])
    splits = {}
    for part in parts._fields:
        rows = np.array([row for row, pair in enumerate(different) if part_of[pair[0]] == part], np.int64)
        if rows.size:
            splits[part] = Split(x[rows], y[rows])
    repeated = len(pairs) - len(different)
    notes = [f"{repeated:,} pairs that come again are left out"] if repeated else []
    return Dataset(name, "sequence", splits["train"], splits.get("validation"), splits.get("test"),
                   classes=target.tokens, preprocessing=preprocessing, notes=notes,
                   tokens=len(source))
