"""What a module is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from nbdl.errors import ShapeError

Given = TypeVar("Given")


def only(given: Sequence[Given]) -> Given:
    """The one input (or the shape of it) that a layer takes. Raises `ShapeError` if there are more, or none.

    >>> only((3,))
    3
    """
    if len(given) != 1:
        raise ShapeError(f"it takes one input, not {len(given)}")
    return given[0]
