"""Tools of the facades: other names for the same things, and messages about names that aren't covered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from nbdl.errors import OptionError, suggest

PAGE = "docs/compat.md says what is covered"


def renamed(
    function: Callable[..., Any], finish: Callable[[Any], Any] = lambda made: made, **names: str
) -> Callable[..., Any]:
    """A function under other names of its arguments: `renamed(mean, dim="axis")` takes `dim` for `axis`.

    Args:
        function: what is called.
        finish: what is done with its result.
        names: new names, each with the one that the function knows.
    """

    @wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        return finish(function(*args, **{names.get(name, name): value for name, value in options.items()}))

    return called


def missing(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that a facade doesn't have."""
    near = suggest(name, [each for each in known if not each.startswith("_")])
    return AttributeError(f"{module} has no {name!r}{'; ' + near if near.startswith('did') else ''} ({PAGE})")


def refuse(what: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise `OptionError` for options that a facade doesn't cover, unless they are at their defaults."""
    for name, value in given.items():
        if name not in defaults:
            raise OptionError(f"{what} has no option {name!r} here ({PAGE})")
        if value != defaults[name]:
            raise OptionError(f"{what} covers {name}={defaults[name]!r} only, not {value!r} ({PAGE})")
