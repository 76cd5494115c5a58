"""Windows over a text, lines of tokens, and the files they come from."""

import numpy as np
import pytest

from nbdl.data import load, preprocessing_from_state, read_rows
from nbdl.errors import DataError

TEXT = "the quick brown fox jumps over the lazy dog. " * 40


@pytest.fixture
def text(write):
    return write(TEXT, "book.txt")


def same(preprocessing, path):
    """Preprocessing made again from its state reads a file as before."""
    again = preprocessing_from_state(*preprocessing.to_state())
    for one, two in zip(read_rows(path, preprocessing), read_rows(path, again), strict=True):
        np.testing.assert_array_equal(one, two)


def test_every_window_and_what_follows(text):
    data = load("text", path=text, window=8, validation_fraction=0.25)
    cut = round(0.75 * len(TEXT))
    tokens = data.preprocessing.vocabulary.encode(TEXT)
    assert (data.name, data.task, data.tokens, data.outputs) == ("book", "sequence", 28, 28)
    assert len(data.train) == cut - 8  # the last token is only followed to
    for start in (0, 1, 17, cut - 9):
        np.testing.assert_array_equal(data.train.values[start], tokens[start : start + 8])
        np.testing.assert_array_equal(data.train.y[start], tokens[start + 1 : start + 9])
    np.testing.assert_array_equal(data.validation.values[1], tokens[cut + 8 : cut + 16])
    assert len(data.validation) == (len(TEXT) - cut - 1) // 8
    assert data.train.y.max() < 28
    assert data.test is None


def test_memory_is_that_of_the_text_not_of_its_windows(text):
    data = load("text", path=text, window=64)
    assert data.train.values.base is not None
    assert data.train.values.strides == (4, 4)
    assert data.train.y.strides == (8, 8)


def test_an_epoch_reads_the_text_once(text):
    assert load("text", path=text, window=8, validation_fraction=0.25).epoch_rows == round(0.75 * len(TEXT)) // 8
    assert load("text", path=text, window=8, stride=100, validation_fraction=0.25).epoch_rows == 14


def test_words(text):
    data = load("text", path=text, unit="words", window=5, most_words=4)
    assert data.classes[:3] == ("<unknown>", "the", ".")
    assert data.notes == ("50.0% of the words are rarer than the 4 most frequent and taken as <unknown>",)
    same(data.preprocessing, text)


def test_a_new_text(text, write):
    data = load("text", path=text, window=8)
    same(data.preprocessing, text)
    x, y = read_rows(write("the lazy fox jumps over a dog", "new.txt"), data.preprocessing)
    assert data.preprocessing.decode(x) == ["the lazy", " fox jum", "ps over "]
    assert data.preprocessing.decode(y) == ["he lazy ", "fox jump", "s over a"]
    with pytest.raises(DataError, match=r"new\.txt: the character 'T' \(number 1\) isn't in the vocabulary"):
        read_rows(write("The end", "new.txt"), data.preprocessing)


@pytest.mark.parametrize(("content", "options", "message"), [
    ("", {}, r"book\.txt is empty; there is no text in it"),
    (" \n\t\n", {}, "is empty"),
    (b"\xff\xfe\x00", {}, "is no UTF-8 text: byte 1 is 0xff"),
    (b"a\x00b", {}, "it has zero bytes in it"),
    (TEXT[:60], {}, r"\(the part for training\) has 54 characters; a window takes 64 and the one after them"),
    (TEXT[:600], {}, r"\(the part for validation\) has 60 characters"),
    (TEXT, {"window": 0}, "window must be at least 1, not 0"),
    (TEXT, {"validation_fraction": 0.0}, r"validation_fraction is a share above 0 and below 1, not 0\.0"),
])
def test_what_is_refused(write, content, options, message):
    with pytest.raises(DataError, match=message):
        load("text", path=write(content, "book.txt"), **options)


def test_line_breaks_are_one_character(write):
    data = load("text", path=write("ab\r\ncd\rab\n" * 9, "book.txt"), window=2)
    assert data.classes == ("\n", "a", "b", "c", "d")


# --- names -----------------------------------------------------------------------------------------------------------

NAMES = "\n".join(f"{first}{second}" for first in "abcde" for second in ["", "an", "bert", "celine"])


def test_names(write):
    path = write(NAMES + "\naan\n\n  ebert  \n", "names.txt")
    data = load("names", path=path)
    assert (data.name, data.task, data.input_shape) == ("names", "sequence", (8,))
    assert data.notes == ("2 lines that come again are left out",)
    x, y = data.train.x, data.train.y
    assert (x[:, 0] == 1).all()
    np.testing.assert_array_equal(np.where(x[:, 1:] > 0, x[:, 1:], -1), np.where(y[:, :-1] == 2, -1, y[:, :-1]))
    assert ((y == 2).sum(axis=1) == 1).all()
    same(data.preprocessing, path)


def test_no_name_is_in_two_parts(write):
    data = load("names", path=write(NAMES + "\n" + NAMES, "names.txt"), test_fraction=0.2, validation_fraction=0.2)
    parts = [set(data.preprocessing.decode(part.y)) for part in data.splits().values()]
    assert sorted(map(len, parts)) == [4, 4, 12]
    assert set().union(*parts) == set(NAMES.split())
    assert data.notes == ("20 lines that come again are left out",)


def test_a_name_that_is_too_long(write):
    data = load("names", path=write(NAMES, "names.txt"))
    with pytest.raises(DataError, match=r"new\.txt, line 2 has 8 characters; the network takes at most 7"):
        read_rows(write("an\nabcdabcd", "new.txt"), data.preprocessing)


@pytest.mark.data
def test_the_real_ones(real_data):
    shakespeare = load("tiny_shakespeare", data_dir=real_data)
    assert (shakespeare.tokens, len(shakespeare.train)) == (65, 1_003_855 - 64)
    assert shakespeare.preprocessing.decode(shakespeare.train.values[:1])[0].startswith("First Citizen:\nBefore we")
    names = load("names", data_dir=real_data)
    assert sum(map(len, names.splits().values())) == 29_494
    assert names.tokens == 29
    assert "emma" in {name for part in names.splits().values() for name in names.preprocessing.decode(part.y)}
