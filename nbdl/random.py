"""Random numbers: a seedable generator for starting values, and random tensors inside traced programs.

Random tensors are counter-based: each element depends on the key (seed and step), on a stream number that the place in
the program has, and on the element's index. So they are the same on any number of workers (Salmon et al., Parallel
Random Numbers: As Easy as 1, 2, 3, SC 2011).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Size, sizes_of
from nbdl.options import check_whole
from nbdl.tensor import Tensor


class _Drawn:
    """What all threads draw from."""

    generator = np.random.default_rng(0)


class _State(threading.local):
    """What a thread records."""

    key: Node | None = None
    stream: int = 0


_state = _State()


def set_seed(seed: int | None) -> None:
    """Start the generator of starting values and random tensors anew; None lets chance decide.

    Raises `OptionError` if the seed isn't a whole number of at least 0.
    """
    if seed is not None:
        check_whole("seed", seed, 0)
    _Drawn.generator = np.random.default_rng(seed)
    _state.key = None


def generator() -> np.random.Generator:
    """The NumPy generator from which starting values are drawn."""
    return _Drawn.generator


@contextmanager
def traced(key: Node) -> Iterator[None]:
    """Random tensors recorded inside depend on `key`: an int64 pair (seed, step) known when the program runs."""
    outer = _state.key, _state.stream
    _state.key, _state.stream = key, 0
    try:
        yield
    finally:
        _state.key, _state.stream = outer


@contextmanager
def drawn_again() -> Iterator[Callable[[], None]]:
    """Inside, calling what this gives goes back to the random numbers from its beginning: a step of a loop that is
    called again and again draws the same ones each time.
    """
    stream = _state.stream

    def go_back() -> None:
        _state.stream = stream

    yield go_back


def fresh_key() -> Node:
    """A key drawn from the generator."""
    return ops.value(_Drawn.generator.integers(0, 2**31, size=2, dtype=np.int64))


def _key_and_stream() -> tuple[Node, int]:
    if _state.key is None:  # outside of a program each random tensor has a key of its own
        return fresh_key(), 0
    _state.stream += 1
    return _state.key, _state.stream - 1


def uniform(shape: Sequence[Size], dtype: Any = np.float32) -> Tensor:
    """Random numbers, evenly distributed from 0 (included) to 1 (excluded)."""
    key, stream = _key_and_stream()
    return Tensor.wrap(ops.random("random_uniform", key, sizes_of(shape), dtype, stream))


def normal(shape: Sequence[Size], dtype: Any = np.float32) -> Tensor:
    """Random numbers with mean 0 and standard deviation 1, normally distributed."""
    key, stream = _key_and_stream()
    return Tensor.wrap(ops.random("random_normal", key, sizes_of(shape), dtype, stream))
