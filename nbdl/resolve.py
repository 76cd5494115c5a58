"""Turn what users write for a loss, an optimizer, a metric, ... into the thing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbdl import plugins
from nbdl.errors import OptionError, UnknownNameError
from nbdl.hookspecs import KINDS


def resolve(kind: str, given: str | Mapping[str, Any] | Any, **supplied: Any) -> Any:
    """Return what `given` names: a name, a mapping with `name` and options, or the object itself.

    Raises `UnknownNameError` for a name that no plugin offers, `OptionError` for options that don't fit.

    >>> resolve("activations", {"name": "leaky_relu", "slope": 0.1})  # doctest: +ELLIPSIS
    functools.partial(<function leaky_relu at ...>, slope=0.1)
    """
    if isinstance(given, str):
        return plugins.lookup(kind, given).make(**supplied)
    if isinstance(given, Mapping):
        options = dict(given)
        if "name" not in options:
            raise OptionError(
                f"a {KINDS[kind].singular} given as a mapping needs a 'name'; this one has {sorted(options)}"
            )
        return plugins.lookup(kind, str(options.pop("name"))).make(**options, **supplied)
    return given


def attribute(kind: str, name: str) -> Any:
    """Return what a plugin registered under `name`, for modules whose attributes are registered things.

    Raises `AttributeError` where nobody offers it, as `hasattr` and `from ... import` expect.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return plugins.lookup(kind, name).factory
    except UnknownNameError as error:
        raise AttributeError(str(error)) from None
