"""`torch.utils.data`: data sets, and loaders that go through them in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nbdl.compat.naming import missing, refuse
from nbdl.compat.torch.functions import stack
from nbdl.compat.torch.making import from_numpy, tensor
from nbdl.compat.torch.tensors import Tensor
from nbdl.errors import DataError, OptionError
from nbdl.random import generator
from nbdl.tensor import Tensor as NativeTensor


class Dataset:
    """Rows by number: a subclass defines `__len__` and `__getitem__`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__(self, index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__(self)")


class TensorDataset(Dataset):
    """Rows of several tensors of one length.

    Raises `DataError` if the lengths differ.
    """

    def __init__(self, *tensors: Tensor):
        if len({len(each) for each in tensors}) != 1:
            raise DataError(f"tensors of the lengths {[len(each) for each in tensors]} don't make rows together")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(each[index] for each in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def rows(self, places: np.ndarray) -> list[Tensor]:
        """The rows at some places: what a loader takes at once."""
        return [from_numpy(np.take(each.numpy(), places, axis=0)) for each in self.tensors]


class Subset(Dataset):
    """Some rows of a data set."""

    def __init__(self, dataset: Any, indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, places: np.ndarray) -> Any:
        """The rows at some places."""
        return _rows(self.dataset, np.asarray(self.indices)[places], default_collate)


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Cut a data set into random parts, whose lengths are numbers or shares.

    Raises `OptionError` if they don't add up to the data set's length.
    """
    refuse("random_split", {"generator": generator}, {"generator": None})
    counts = _counts(len(dataset), lengths)
    order = _order(len(dataset), True).tolist()
    ends = np.cumsum(counts).tolist()
    return [Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _counts(rows: int, lengths: Sequence[float]) -> list[int]:
    if np.isclose(sum(lengths), 1) and all(length < 1 for length in lengths):
        counts = [int(rows * length) for length in lengths]
        return [count + (place < rows - sum(counts)) for place, count in enumerate(counts)]
    if sum(lengths) != rows:
        raise OptionError(f"parts of {list(lengths)} rows don't add up to {rows}")
    return [int(length) for length in lengths]


class DataLoader:
    """Goes through a data set in batches, in a new order every time with `shuffle`.

    The order is drawn from the generator that `torch.manual_seed` starts. Rows of a `TensorDataset` are taken all at
    once, those of other data sets one by one.

    Args:
        dataset: what has `__len__` and `__getitem__`.
        batch_size: rows of a batch.
        shuffle: whether the order is random.
        drop_last: whether a last, shorter batch is left out.
        collate_fn: makes a batch of a list of rows.
        num_workers: nothing: batches are made by the caller.
        pin_memory: nothing: there is one memory.

    Raises:
        OptionError: a batch size below 1.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
    ):
        if batch_size < 1:
            raise OptionError(f"a DataLoader needs batches of at least one row, not {batch_size}")
        self.dataset, self.batch_size, self.shuffle = dataset, batch_size, shuffle
        self.drop_last = drop_last
        self.collate_fn = collate_fn

    def __len__(self) -> int:
        rows = len(self.dataset)
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        order = _order(len(self.dataset), self.shuffle)
        for number in range(len(self)):
            places = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield _rows(self.dataset, places, self.collate_fn)


def _order(rows: int, shuffled: bool) -> np.ndarray:
    return generator().permutation(rows) if shuffled else np.arange(rows)


def _rows(dataset: Any, places: np.ndarray, collate: Callable[[list[Any]], Any] | None) -> Any:
    if isinstance(dataset, TensorDataset | Subset) and collate in (None, default_collate):
        return dataset.rows(places)
    return (collate or default_collate)([dataset[place] for place in places.tolist()])


def default_collate(rows: list[Any]) -> Any:
    """A batch of rows: numbers, arrays and tensors get a new first axis, tuples and dictionaries part by part."""
    first = rows[0]
    if isinstance(first, NativeTensor):
        return stack(rows)
    if isinstance(first, Mapping):
        return {name: default_collate([row[name] for row in rows]) for name in first}
    if isinstance(first, tuple | list):
        return [default_collate(list(column)) for column in zip(*rows, strict=True)]
    return rows if isinstance(first, str) else tensor(np.stack(rows) if isinstance(first, np.ndarray) else rows)


def __getattr__(name: str) -> Any:
    raise missing(__name__, name, globals())
