"""Data sets, files of tables, and the preprocessing that is fitted to them. Nothing here needs the compiler."""

from nbdl.data.dataset import Dataset, Preprocessing, Split
from nbdl.data.split import split_by_seed, split_rows

__all__ = ["Dataset", "Preprocessing", "Split", "split_by_seed", "split_rows"]
