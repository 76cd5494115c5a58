"""`torch.*`: functions that make tensors, of numbers, of sizes and of random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nbdl import functions, random
from nbdl.compat.torch.devices import check_device
from nbdl.compat.torch.tensors import Tensor, as_torch
from nbdl.tensor import Tensor as NativeTensor
from nbdl.tensor import as_array

Maker = Callable[..., Tensor]


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of its own memory: Python floats become float32, arrays keep their dtype."""
    check_device(device)
    return _leaf(np.array(as_array(data, dtype)), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor, without a copy if the data are an array already."""
    check_device(device)
    return as_torch(functions.asarray(data, dtype))


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; nothing may be written there while something is pending."""
    return as_tensor(array)


def _leaf(array: np.ndarray, requires_grad: bool) -> Tensor:
    return as_torch(NativeTensor(array, requires_grad=requires_grad))


def sizes_of(size: Sequence[Any]) -> tuple[Any, ...]:
    """Sizes that were given as numbers, or as one tuple."""
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else tuple(size)


# --- of a size, or like another tensor --------------------------------------------------------------------------------


def _maker(native: Callable[..., NativeTensor], text: str) -> tuple[Maker, Maker]:
    """`zeros(*size)` and `zeros_like(x)` from a native function of shape and dtype."""

    def made(shape: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
        check_device(device)
        values = native(shape, np.dtype(dtype))
        return _leaf(np.array(values.numpy()), True) if requires_grad else as_torch(values)

    def by_size(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        return made(sizes_of(size), dtype or np.float32, device, requires_grad)

    def by_example(x: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        like = functions.asarray(x)
        return made(like.shape, dtype or like.dtype, device, requires_grad)

    by_size.__doc__ = f"{text}, of the size given as numbers or as one tuple."
    by_example.__doc__ = f"{text}, of the shape and dtype of another tensor."
    return by_size, by_example


zeros, zeros_like = _maker(functions.zeros, "Zeros")
empty, empty_like = _maker(functions.zeros, "Zeros, where PyTorch leaves memory as it is")
ones, ones_like = _maker(functions.ones, "Ones")
rand, rand_like = _maker(random.uniform, "Random numbers from 0 to 1")
randn, randn_like = _maker(random.normal, "Random numbers of a standard normal distribution")


# --- of numbers; options are those of `tensor` ------------------------------------------------------------------------


def full(size: Sequence[int], fill_value: float, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor filled with one value."""
    return tensor(np.full(tuple(size), as_array(fill_value)), dtype, **options)


def eye(n: int, m: int | None = None, dtype: Any = None, **options: Any) -> Tensor:
    """The identity matrix."""
    return tensor(np.eye(n, m), dtype or np.float32, **options)


def arange(start: float, end: float | None = None, step: float = 1, dtype: Any = None, **options: Any) -> Tensor:
    """Numbers from `start` to below `end`."""
    first, last = (0, start) if end is None else (start, end)
    return tensor(np.arange(first, last, step).tolist(), dtype, **options)


def linspace(start: float, end: float, steps: int, dtype: Any = None, **options: Any) -> Tensor:
    """Numbers from `start` to `end`, at equal distances."""
    return tensor(np.linspace(start, end, steps), dtype or np.float32, **options)


def randint(low: int, high: Any = None, size: Any = None, *, dtype: Any = None, **options: Any) -> Tensor:
    """Whole random numbers from `low` (0 if left out) to below `high`."""
    if size is None:
        low, high, size = 0, low, high
    return tensor(random.generator().integers(low, high, tuple(size)), dtype, **options)


def randperm(n: int, dtype: Any = None, **options: Any) -> Tensor:
    """The numbers 0 to n - 1 in random order."""
    return tensor(random.generator().permutation(n), dtype, **options)


def manual_seed(seed: int) -> None:
    """Start random numbers anew: the same in every run, but not PyTorch's."""
    random.set_seed(seed)


__all__ = [
    "arange", "as_tensor", "empty", "empty_like", "eye", "from_numpy", "full", "linspace", "manual_seed", "ones",
    "ones_like", "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "tensor", "zeros", "zeros_like",
]  # fmt: skip
