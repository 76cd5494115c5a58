"""Data sets for language models: windows over a text, each with the token that follows at every position."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbdl.data.checks import Array, check_share
from nbdl.data.dataset import Dataset, Split
from nbdl.data.next_tokens import NextTokens
from nbdl.data.text_file import read_text
from nbdl.data.vocabulary import Unit, Vocabulary
from nbdl.data.windows import windows
from nbdl.errors import DataError


@dataclass(frozen=True, eq=False)
class TextWindows(NextTokens):
    """How a text becomes rows: x is a window of tokens, y the tokens one place further on.

    >>> rows = TextWindows(Vocabulary.of(["abcd"]), window=2)
    >>> x, y = rows.cut(rows.vocabulary.encode("abcdabc"), "the text", stride=2)
    >>> x.tolist(), y.tolist()
    ([[0, 1], [2, 3], [0, 1]], [[1, 2], [3, 0], [1, 2]])
    """

    window: int

    def cut(self, tokens: NDArray[np.int32], where: str, stride: int) -> tuple[Array, Array]:
        """Return windows that begin every `stride` tokens, `(windows, window)`, and what follows in each.

        Raises `DataError` for a text that has no window and a token after it.
        """
        if len(tokens) <= self.window:
            unit = self.vocabulary.unit
            raise DataError(f"{where} has {len(tokens)} {unit}; a window takes {self.window} and the one after them. "
                            "Give a longer text, or a smaller window.")
        return (windows(tokens[:-1], self.window, stride),
                windows(tokens[1:].astype(np.int64), self.window, stride))

    def read(self, path: Path, *, with_targets: bool = True) -> tuple[Array, Array | None]:
        """Return the windows of a text file, one after the other, and what follows in each.

        Raises `DataError` for a text that is too short, or has characters outside the vocabulary.
        """
        x, y = self.cut(self.vocabulary.encode(read_text(path), str(path)), str(path), self.window)
        return x, y if with_targets else None

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return plain values and arrays, for `from_state`."""
        return {"kind": "text", "vocabulary": self.vocabulary.to_state(), "window": self.window}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, Array]) -> "TextWindows":
        """Make again what `to_state` described."""
        return cls(Vocabulary.from_state(values["vocabulary"]), int(values["window"]))


def text_dataset(
    name: str,
    text: str,
    *,
    where: str,
    unit: Unit = "characters",
    window: int = 64,
    stride: int = 1,
    validation_fraction: float = 0.1,
    most_words: int = 10_000,
) -> Dataset:
    """Make a data set for language models of a text; options as in the data set `text`.

    The last part of the text is for validation, cut into windows one after the other. Those of the rest overlap, in
    memory too, and an epoch draws as many as it takes to read the text once.

    Raises:
        DataError: the text is too short, an option is out of its range.
    """
    for option, value in (("window", window), ("stride", stride), ("most_words", most_words)):
        if value < 1:
            raise DataError(f"{option} must be at least 1, not {value}.")
    check_share("validation_fraction", validation_fraction)
    vocabulary = Vocabulary.of([text], unit, most=most_words)
    rows, tokens = TextWindows(vocabulary, window), vocabulary.encode(text, where)
    cut = round(len(tokens) * (1 - validation_fraction))
    train = Split(*rows.cut(tokens[:cut], f"{where} (the part for training)", stride))
    validation = Split(*rows.cut(tokens[cut:], f"{where} (the part for validation)", window))
    notes = []
    if unit == "words" and len(vocabulary) > most_words:
        share = float(np.mean(tokens == 0))
        notes.append(f"{share:.1%} of the words are rarer than the {most_words:,} most frequent and taken as <unknown>")
    return Dataset(name, "sequence", train, validation, classes=vocabulary.tokens, preprocessing=rows, notes=notes,
                   tokens=len(vocabulary), epoch_rows=min(len(train), max(1, cut // window)))
