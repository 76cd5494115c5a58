"""Text to numbers and back, in characters and in words."""

import numpy as np
import pytest

from nbdl.data.vocabulary import END, PADDING, START, UNKNOWN, Vocabulary, join_words, split_words
from nbdl.errors import DataError


def test_characters_in_the_order_of_unicode():
    vocabulary = Vocabulary.of(["zoë", "ab\n"])
    assert vocabulary.tokens == ("\n", "a", "b", "o", "z", "ë")
    numbers = vocabulary.encode("baë")
    assert (numbers.dtype, numbers.tolist(), vocabulary.decode(numbers)) == (np.int32, [2, 1, 5], "baë")


def test_against_a_dictionary():
    """The table look-up gives what looking up each character gives, beyond the first 65,536 of Unicode too."""
    text = "".join(map(chr, np.random.default_rng(0).choice([97, 98, 233, 8364, 128512, 120120], 500)))
    vocabulary = Vocabulary.of([text], special=True)
    places = {token: place for place, token in enumerate(vocabulary.tokens)}
    assert vocabulary.encode(text).tolist() == [places[letter] for letter in text]
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_special_tokens_come_first_and_from_no_text():
    vocabulary = Vocabulary.of(["<padding>"], special=True)
    assert vocabulary.tokens[:3] == ("<padding>", "<start>", "<end>")
    assert vocabulary.encode("<").tolist() == [3]
    assert vocabulary.decode([START, *vocabulary.encode("ding"), END, 5, PADDING]) == "ding"
    assert vocabulary.decode([*vocabulary.encode("pa"), PADDING, -1]) == "pa"


@pytest.mark.parametrize(("text", "words"), [
    ("Give me the map there.", ["Give", "me", "the", "map", "there", "."]),
    ("don't, I said", ["don't", ",", "I", "said"]),
    ("one\ntwo", ["one", "\n", "two"]),
    ("(a) b", ["(", "a", ")", "b"]),
])
def test_words(text, words):
    assert split_words(text) == words
    assert join_words(words) == text


def test_words_by_frequency_and_the_unknown():
    vocabulary = Vocabulary.of(["b a b c c c"], "words", most=2)
    assert vocabulary.tokens == (UNKNOWN, "c", "b")
    assert vocabulary.encode("c a b new").tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("unit", ["characters", "words"])
def test_state(unit, special):
    vocabulary = Vocabulary.of(["to be or not"], unit, special=special)
    assert Vocabulary.from_state(vocabulary.to_state()) == vocabulary


def test_what_is_not_in_it():
    with pytest.raises(DataError, match=r"prompt\.txt: the character 'X' \(number 3\) isn't in the vocabulary, which "
                                        "has 'abc'"):
        Vocabulary.of(["abc"]).encode("abX", "prompt.txt")
    with pytest.raises(DataError, match="the text: the word 'd' is none of the 3"):
        Vocabulary(("a", "b", "c"), "words").encode("a d")
