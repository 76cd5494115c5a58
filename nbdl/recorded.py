"""Objects that remember what they were made with, so that another one can be made like them."""

from __future__ import annotations

from typing import Any, Self

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Recorded:
    """Base of modules, optimizers and metrics: the arguments of the constructor are kept as they were given.

    `__new__` does it, and not `__init__`: subclasses need not call `super().__init__()`, dataclasses work, and a
    class's signature (the options that the command line shows) stays that of its own `__init__`.
    """

    _arguments: Arguments = ((), {})

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        # Lists are copied: a constructor may go on to append to the one that it was given.
        made.__dict__["_arguments"] = (
            tuple(_kept(each) for each in args),
            {name: _kept(each) for name, each in kwargs.items()},
        )
        return made

    def arguments(self) -> Arguments:
        """What the constructor was called with.

        A class whose objects change afterwards returns what would make them as they are now.
        """
        return self._arguments


def _kept(value: Any) -> Any:
    return value.copy() if isinstance(value, list | dict) else value
