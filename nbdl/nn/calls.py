"""Who calls modules: one who only builds a network, or one who notes what was called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbdl.nn.module import Module


@dataclass(frozen=True)
class Call:
    """A module was called: within which scope, and what it returned."""

    module: Module
    scope: str
    output: Any


class _Local(threading.local):
    building: bool = False
    calls: list[Call] | None = None


_local = _Local()


@contextmanager
def building() -> Iterator[None]:
    """Inside, a network is called only so that its layers make their parameters: nothing is assigned or updated."""
    outer, _local.building = _local.building, True
    try:
        yield
    finally:
        _local.building = outer


def is_building() -> bool:
    """Whether a network is only being built."""
    return _local.building


@contextmanager
def noted_calls() -> Iterator[list[Call]]:
    """Inside, the list gets every call of a module, inner ones first."""
    outer, _local.calls = _local.calls, []
    try:
        yield _local.calls
    finally:
        _local.calls = outer


def note_call(module: Module, scope: str, output: Any) -> None:
    """Tell whoever notes calls of one that is over."""
    if _local.calls is not None:
        _local.calls.append(Call(module, scope, output))
