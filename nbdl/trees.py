"""Tensors inside of tuples, lists and dictionaries: taken out in a fixed order, and put back.

>>> tensors = []
>>> shape = flatten({"w": np.zeros(2), "steps": 3}, tensors)
>>> len(tensors), unflatten(shape, [1.5])
(1, {'w': 1.5, 'steps': 3})
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbdl.errors import OptionError
from nbdl.tensor import Tensor


@dataclass(frozen=True)
class Leaf:
    """The place of a tensor."""


@dataclass(frozen=True)
class Constant:
    """Anything that isn't a tensor; its type counts, so that True isn't 1."""

    value: Hashable
    kind: type
    state: Hashable = None


@dataclass(frozen=True)
class Container:
    """A tuple, list or dictionary (with its keys)."""

    kind: type
    keys: tuple[Any, ...] | None
    children: tuple[Structure, ...]


Structure = Leaf | Constant | Container


def flatten(tree: Any, leaves: list[Any]) -> Structure:
    """Append the tensors, arrays and floating-point numbers in `tree` to `leaves`, and return what is around them.

    A list of nothing but numbers is an array. Whole numbers, booleans, strings, functions and the like are constants.

    Raises:
        OptionError: something that is neither a tensor nor hashable.
    """
    if isinstance(tree, Tensor | np.ndarray | np.generic | float) or _is_array(tree):
        leaves.append(tree)
        return Leaf()
    if isinstance(tree, dict):
        return Container(type(tree), tuple(tree), tuple([flatten(each, leaves) for each in tree.values()]))
    if isinstance(tree, tuple | list):
        return Container(type(tree), None, tuple([flatten(each, leaves) for each in tree]))
    if not isinstance(tree, Hashable):
        kind = type(tree).__name__
        raise OptionError(f"arguments are tensors, arrays, numbers, or constants that can be hashed, not {kind}")
    return Constant(tree, type(tree), _modes(tree))


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree with these leaves; the inverse of `flatten`."""
    return _put_back(structure, iter(leaves))


def _put_back(structure: Structure, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, Leaf):
        return next(leaves)
    if isinstance(structure, Constant):
        return structure.value
    children = [_put_back(each, leaves) for each in structure.children]
    if structure.keys is not None:
        return dict(zip(structure.keys, children, strict=True))
    return structure.kind(*children) if hasattr(structure.kind, "_fields") else structure.kind(children)


def _is_array(tree: Any) -> bool:
    """Whether a list (of lists) holds nothing but numbers."""
    if not isinstance(tree, list):
        return False
    return bool(tree) and all(isinstance(each, int | float) or _is_array(each) for each in tree)


def _modes(value: Any) -> Hashable:
    """Which layers of a network act as in training: a network that is switched over computes something else."""
    modules = getattr(getattr(value, "__self__", value), "modules", None)
    return tuple([module.training for module in modules()]) if callable(modules) else None
