"""A text that changes when a function does, so that no program compiled from an older one is found in the cache."""

from __future__ import annotations

import hashlib
import inspect
import marshal
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any


def source_hash(function: Callable[..., Any]) -> str:
    """A hash of the source of a function's module, and of the modules in its package whose functions it calls.

    A function without a source, typed into a prompt, counts by its byte code.
    """
    sources: dict[str, bytes] = {}
    package = function.__module__.partition(".")[0]
    waiting = [_plain(function)]
    seen: set[FunctionType] = set()
    while waiting:
        each = waiting.pop()
        if each is None or each in seen or each.__module__.partition(".")[0] != package:
            continue
        seen.add(each)
        sources.update(_source(each))
        waiting.extend(_called(each))
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name])
    return digest.hexdigest()[:16]


def _plain(thing: Any) -> FunctionType | None:
    """The Python function of one that Numba compiles."""
    function = getattr(thing, "py_func", thing)
    return function if isinstance(function, FunctionType) else None


def _called(function: FunctionType) -> Iterator[FunctionType | None]:
    for name in function.__code__.co_names:
        yield _plain(function.__globals__.get(name))


def _source(function: FunctionType) -> dict[str, bytes]:
    module = inspect.getmodule(function)
    try:
        return {function.__module__: inspect.getsource(module).encode()} if module else _code(function)
    except (OSError, TypeError):
        return _code(function)


def _code(function: FunctionType) -> dict[str, bytes]:
    return {f"{function.__module__}.{function.__qualname__}": marshal.dumps(function.__code__)}
