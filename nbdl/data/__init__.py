"""Data sets, files of tables, and the preprocessing that is fitted to them. Nothing here needs the compiler."""

from nbdl.data.dataset import Dataset, Preprocessing, Split
from nbdl.data.load import file_reader, load
from nbdl.data.rows import preprocessing_from_state, read_rows
from nbdl.data.split import split_by_seed, split_rows

__all__ = [
    "Dataset",
    "Preprocessing",
    "Split",
    "file_reader",
    "load",
    "preprocessing_from_state",
    "read_rows",
    "split_by_seed",
    "split_rows",
]
