"""pairs: two texts a line; and names: one a line."""

from pathlib import Path

from nbdl.data.dataset import Dataset
from nbdl.data.files import find_file, find_in_folders
from nbdl.data.lines import load_lines
from nbdl.data.pairs import pairs_dataset, read_pairs
from nbdl.data.vocabulary import Unit


def pairs(*, path: Path, data_dir: Path | None = None, seed: int = 0, unit: Unit = "words", most_words: int = 10_000,
          test_fraction: float = 0.1, validation_fraction: float = 0.1) -> Dataset:
    """Pairs of texts, such as sentences and their translations: a source, a tab and a target on each line of a file.

    x is `(rows, source time)`, y `(rows, target time)`: token numbers, in which 0 is padding, 1 start and 2 end; x ends
    in padding, y in the end token and -1 for nothing. Of pairs that come again one is kept, and no source of a test
    pair occurs in training.

    Args:
        path: a file of UTF-8 text, also looked for below `data_dir` and `NBDL_DATA`.
        data_dir: folder to look for files in.
        seed: which pairs go where.
        unit: what a token is: words (and signs), or characters.
        most_words: size of the vocabularies of words; rarer ones become `<unknown>`.
        test_fraction: share of the pairs for testing.
        validation_fraction: share of the pairs for validation.

    Raises:
        DataError: no such file, one without text, a line without a tab.

    Source: Sutskever, Vinyals, Le, Sequence to Sequence Learning with Neural Networks, NeurIPS 2014.
    """
    found = find_file(path, data_dir)
    return pairs_dataset(found.stem, read_pairs(found), unit=unit, most_words=most_words, test_fraction=test_fraction,
                         validation_fraction=validation_fraction, seed=seed)


def names(*, path: Path | None = None, data_dir: Path | None = None, seed: int = 0, test_fraction: float = 0.1,
          validation_fraction: float = 0.1) -> Dataset:
    """First names, 32,033 of them, letter by letter, to learn what comes next; or the lines of any other file.

    x is `(rows, time)`: the start token, the letters and padding (0); y the letters, the end token and -1 for nothing.
    The file `names.txt` is looked for in a folder `names` below `data_dir`, `NBDL_DATA` and the user's data folder. Of
    lines that come again one is kept.

    Args:
        path: another file of text with a name (or any short text) a line.
        data_dir: folder to look for the file in.
        seed: which names go where.
        test_fraction: share of the names for testing.
        validation_fraction: share of the names for validation.

    Raises:
        DataError: no such file, or one without text.

    Source: Karpathy, makemore (2022), https://github.com/karpathy/makemore; after the names of the U.S. Social Security
    Administration.
    """
    found = find_in_folders("names", "names.txt", data_dir) if path is None else find_file(path, data_dir)
    return load_lines("names" if path is None else found.stem, found, test_fraction=test_fraction,
                      validation_fraction=validation_fraction, seed=seed)
