"""Text to numbers and back: vocabularies of characters or words."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbdl.data.checks import TOKENS
from nbdl.errors import DataError

Unit = Literal["characters", "words"]

PADDING, START, END = 0, 1, 2
SPECIAL = ("<padding>", "<start>", "<end>")
UNKNOWN = "<unknown>"
# A word with its apostrophes and hyphens, a sign, or a line break; other white space only separates.
WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]|\n")
SHOWN = 100  # characters in a message
CLOSING = frozenset(",.;:!?)]}%…»”")
OPENING = frozenset("([{«“")


def split_words(text: str) -> list[str]:
    """Cut a text into words, signs and line breaks.

    >>> split_words("It isn't, is it?")
    ['It', "isn't", ',', 'is', 'it', '?']
    """
    return WORD.findall(text)


def join_words(words: Iterable[str]) -> str:
    """Put words together as one writes them; spaces between signs are a guess.

    >>> join_words(["It", "isn't", ",", "is", "it", "?"])
    "It isn't, is it?"
    """
    text = ""
    for word in words:
        glued = not text or word in CLOSING or text[-1] in OPENING or "\n" in (word, text[-1])
        text += word if glued else " " + word
    return text


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that a text is made of, numbered by their place: characters or words.

    With `special` the first three are `<padding>`, `<start>` and `<end>`; none of them comes from a text. A vocabulary
    of words may have `<unknown>`, which stands for all words that it lacks.

    >>> vocabulary = Vocabulary.of(["banana"])
    >>> vocabulary.tokens, vocabulary.encode("ban").tolist(), vocabulary.decode([2, 0])
    (('a', 'b', 'n'), [1, 0, 2], 'na')
    """

    tokens: tuple[str, ...]
    unit: Unit = "characters"
    special: bool = False

    @classmethod
    def of(cls, texts: Iterable[str], unit: Unit = "characters", *, special: bool = False,
           most: int | None = None) -> "Vocabulary":
        """Make the vocabulary of some texts: characters in the order of their numbers in Unicode, words by frequency.

        Args:
            texts: the texts.
            unit: what a token is.
            special: whether there are tokens for padding, start and end.
            most: how many words it has at most; if there are more, the rarest become `<unknown>`, and so does every
                word that the texts don't have. Not for characters.
        """
        first = SPECIAL if special else ()
        if unit == "characters":
            return cls((*first, *sorted(set().union(*map(set, texts)))), unit, special)
        counts = Counter(word for text in texts for word in split_words(text))
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        return cls((*first, UNKNOWN, *ordered[:most]), unit, special)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str, where: str = "the text") -> NDArray[np.int32]:
        """Return the numbers of a text's tokens, `(tokens,)`.

        Raises `DataError` for a character or word that isn't in the vocabulary; `where` is what messages call the text.
        """
        if self.unit == "characters":
            return self._encode_characters(text, where)
        words = split_words(text)
        unknown = self._places.get(UNKNOWN)
        found = [self._places.get(word, unknown) for word in words]
        if None in found:
            raise DataError(f"{where}: the word {words[found.index(None)]!r} is none of the {len(self)} in the "
                            "vocabulary.")
        return np.array(found, dtype=TOKENS)

    def _encode_characters(self, text: str, where: str) -> NDArray[np.int32]:
        letters, numbers = self._letters
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        places = np.minimum(np.searchsorted(letters, codes), len(letters) - 1)
        wrong = np.flatnonzero(letters[places] != codes)
        if wrong.size:
            place = int(wrong[0])
            known = "".join(token for token in self.tokens if len(token) == 1)
            raise DataError(f"{where}: the character {text[place]!r} (number {place + 1}) isn't in the vocabulary, "
                            f"which has {known[:SHOWN]!r}{' and others' if len(known) > SHOWN else ''}.")
        return numbers[places]

    def decode(self, numbers: Sequence[int] | NDArray[Any]) -> str:
        """Return the text of token numbers; with `special` up to the end token, without padding and start."""
        places = [int(number) for number in numbers]
        if self.special:
            places = places[: places.index(END)] if END in places else places
            places = [place for place in places if place >= len(SPECIAL)]
        tokens = [self.tokens[place] for place in places if place >= 0]
        return "".join(tokens) if self.unit == "characters" else join_words(tokens)

    def to_state(self) -> dict[str, Any]:
        """Return plain values, for `from_state`."""
        return {"tokens": list(self.tokens), "unit": self.unit, "special": self.special}

    @classmethod
    def from_state(cls, values: dict[str, Any]) -> "Vocabulary":
        """Make again what `to_state` described."""
        return cls(tuple(values["tokens"]), values["unit"], bool(values["special"]))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(self.tokens)}

    @cached_property
    def _letters(self) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
        """The characters by their numbers in Unicode, in order, and the places of each."""
        pairs = sorted((ord(token), place) for place, token in enumerate(self.tokens) if len(token) == 1)
        return np.array([code for code, _ in pairs], np.uint32), np.array([place for _, place in pairs], TOKENS)
