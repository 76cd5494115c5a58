"""text and tiny_shakespeare: a text, to learn at each place what comes next."""

from pathlib import Path

from nbdl.data.dataset import Dataset
from nbdl.data.files import find_file, find_in_folders
from nbdl.data.text import text_dataset
from nbdl.data.text_file import read_text
from nbdl.data.vocabulary import Unit


def text(
    *,
    path: Path,
    data_dir: Path | None = None,
    seed: int = 0,
    unit: Unit = "characters",
    window: int = 64,
    stride: int = 1,
    validation_fraction: float = 0.1,
    most_words: int = 10_000,
) -> Dataset:
    """A text file for language models: windows of tokens, each with what follows at every position.

    x is `(rows, window)` token numbers, y the same a place further on. Windows of the training part overlap and begin
    anywhere; an epoch draws as many as it takes to read the text once, others each time (`train.epoch_rows` asks for
    another number). The end of the text is for validation, in windows that don't overlap.

    Args:
        path: a file of UTF-8 text, also looked for below `data_dir` and `NBDL_DATA`.
        data_dir: folder to look for files in.
        seed: has nothing to choose.
        unit: what a token is: characters, or words (and signs and line breaks).
        window: tokens of a row.
        stride: how many tokens after another a window may begin.
        validation_fraction: share of the text, at its end, for validation.
        most_words: size of a vocabulary of words; rarer ones become `<unknown>`.

    Raises:
        DataError: the file is empty or no text, or shorter than a window.

    Source: Shannon, Prediction and Entropy of Printed English, Bell System Technical Journal 30 (1951).
    """
    found = find_file(path, data_dir)
    return text_dataset(found.stem, read_text(found), where=str(found), unit=unit, window=window, stride=stride,
                        validation_fraction=validation_fraction, most_words=most_words)


def tiny_shakespeare(
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    unit: Unit = "characters",
    window: int = 64,
    stride: int = 1,
    validation_fraction: float = 0.1,
    most_words: int = 10_000,
) -> Dataset:
    """Plays of Shakespeare, 1.1 million characters of which 65 are distinct, for language models: see `text`.

    The file `input.txt` is looked for in a folder `tiny_shakespeare` below `data_dir`, `NBDL_DATA` and the user's data
    folder.

    Args:
        data_dir: folder to look for the file in.
        seed: has nothing to choose.
        unit: what a token is: characters, or words (and signs and line breaks).
        window: tokens of a row.
        stride: how many tokens after another a window may begin.
        validation_fraction: share of the text, at its end, for validation.
        most_words: size of a vocabulary of words; rarer ones become `<unknown>`.

    Raises:
        DataError: the file isn't there.

    Source: Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks (2015),
    https://github.com/karpathy/char-rnn.
    """
    path = find_in_folders("tiny_shakespeare", "input.txt", data_dir)
    return text_dataset("tiny_shakespeare", read_text(path), where=str(path), unit=unit, window=window, stride=stride,
                        validation_fraction=validation_fraction, most_words=most_words)
