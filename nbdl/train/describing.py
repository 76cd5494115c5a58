"""Networks, optimizers and metrics as plain values that JSON can hold, and back.

An object is described by the name of its class and the arguments that it was made with. Reading a description never
imports what it names: a class or function is found in `nbdl.nn`, in `nbdl.functions`, among registered plugins, or in
`custom`, which the caller gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import isclass
from typing import Any

import numpy as np

from nbdl import functions, nn, plugins
from nbdl.errors import OptionError, RunError, suggest
from nbdl.recorded import Recorded
from nbdl.tensor import Tensor

KINDS = ("layers", "activations", "initializers", "losses", "optimizers", "schedules", "metrics", "models")
CUSTOM = "custom"


class Describer:
    """Turns objects into plain values.

    Attributes:
        arrays: the arrays found among the arguments, by the names that the description has for them.
        custom: classes and functions that whoever reads the description must give, by name.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.custom: dict[str, Any] = {}
        self._numbers: dict[int, int] = {}

    def describe(self, value: Any, where: str) -> Any:
        """Return the description of a value; `where` is what messages call it.

        Raises `OptionError` if it has none.
        """
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return self.describe(value.item(), where)
        if isinstance(value, np.dtype) or (isclass(value) and issubclass(value, np.generic)):
            return {"dtype": np.dtype(value).name}
        if isinstance(value, np.ndarray | Tensor):
            return {"array": self._keep(np.asarray(value))}
        if isinstance(value, list | tuple):
            items = [self.describe(each, f"item {place} of {where}") for place, each in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        if isinstance(value, Mapping):
            return {"mapping": self._describe_all(value, where)}
        if isinstance(value, Recorded):
            return self._describe_object(value, where)
        if callable(value):
            return self._describe_function(value, where)
        raise OptionError(
            f"{where} is a {type(value).__name__}, which a file can't hold; give numbers, names, arrays or modules"
        )

    def _describe_all(self, values: Mapping[Any, Any], where: str) -> dict[str, Any]:
        if not all(isinstance(name, str) for name in values):
            raise OptionError(f"{where} has keys that aren't text, which a file can't hold")
        return {name: self.describe(each, f"{name!r} of {where}") for name, each in values.items()}

    def _describe_object(self, thing: Recorded, where: str) -> dict[str, Any]:
        if id(thing) in self._numbers:
            return {"same": self._numbers[id(thing)]}
        args, kwargs = thing.arguments()
        what = getattr(thing, "_label", "") or type(thing).__name__
        home, name = self._name(type(thing), where)
        described = {
            "class": [home, name],
            "args": [self.describe(each, f"argument {place} of {what}") for place, each in enumerate(args, start=1)],
            "kwargs": {key: self.describe(each, f"the argument {key!r} of {what}") for key, each in kwargs.items()},
        }
        self._numbers[id(thing)] = len(self._numbers)
        return described

    def _describe_function(self, function: Any, where: str) -> dict[str, Any]:
        options: Mapping[str, Any] = {}
        if isinstance(function, partial) and not function.args:
            function, options = function.func, function.keywords
        return {"function": [*self._name(function, where)], "options": self._describe_all(options, where)}

    def _name(self, thing: Any, where: str) -> tuple[str, str]:
        """Where a class or function will be found again, and by what name."""
        name = getattr(thing, "__name__", "")
        for home, names in (("nn", nn.__all__), ("functions", functions.__all__)):
            if name in names and _BUILT_IN[home](name) is thing:
                return home, name
        for kind in KINDS:
            offered = plugins.all(kind)
            for each in offered:
                if each.factory is thing:
                    alone = sum(other.name == each.name for other in offered) == 1
                    return kind, each.name if alone else f"{each.module}:{each.name}"
        if not name.isidentifier() or getattr(thing, "__closure__", None):
            raise OptionError(
                f"{where} is {getattr(thing, '__qualname__', thing)!r}, which has no name of its own to be found by; "
                "register it (nbdl.plugins.register_plugin) and give its name, or define it at the top of a module"
            )
        if self.custom.setdefault(name, thing) is not thing:
            raise OptionError(f"two different things in this network are called {name!r}; rename one of them")
        return CUSTOM, name

    def _keep(self, array: np.ndarray) -> str:
        name = f"argument.{len(self.arrays)}"
        self.arrays[name] = array
        return name


class Maker:
    """Makes objects from their descriptions.

    Args:
        arrays: arrays by the names that the description has for them.
        custom: classes and functions by name.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], custom: Mapping[str, Any]):
        self.arrays = arrays
        self.custom = custom
        self._made: list[Any] = []

    def make(self, description: Any) -> Any:
        """Return what is described. Raises `RunError` for a name that is nowhere to be found."""
        if isinstance(description, list):
            return [self.make(each) for each in description]
        if not isinstance(description, dict):
            return description
        if "class" in description:
            return self._make_object(description)
        if "function" in description:
            function, options = self._find(*description["function"]), self._make_all(description["options"])
            return partial(function, **options) if options else function
        ((tag, content),) = description.items()
        return self._READERS[tag](self, content)

    def _make_object(self, description: Mapping[str, Any]) -> Any:
        args = self.make(description["args"])
        kwargs = self._make_all(description["kwargs"])
        made = self._find(*description["class"])(*args, **kwargs)
        self._made.append(made)
        return made

    def _make_all(self, descriptions: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.make(each) for name, each in descriptions.items()}

    def _find(self, home: str, name: str) -> Any:
        if home == CUSTOM:
            if name not in self.custom:
                given = f" (given: {suggest(name, self.custom)})" if self.custom else ""
                way_out = f"load(path, custom={{{name!r}: {name}}}){given}"
                raise RunError(f"it names {name!r}, which neither nbdl nor a plugin has: {way_out}")
            return self.custom[name]
        if home in _BUILT_IN:
            return _BUILT_IN[home](name)
        if home not in KINDS:
            raise RunError(f"networks are not made of {home}")
        return plugins.lookup(home, name).factory

    _READERS: Mapping[str, Callable[[Maker, Any], Any]] = {
        "dtype": lambda _, name: np.dtype(name),
        "array": lambda self, name: self.arrays[name],
        "tuple": lambda self, items: tuple(self.make(items)),
        "mapping": lambda self, items: self._make_all(items),
        "same": lambda self, number: self._made[number],
    }


def _from_nn(name: str) -> Any:
    if name not in nn.__all__:
        raise RunError(f"nbdl.nn has no {name!r}; {suggest(name, nn.__all__)}")
    return getattr(nn, name)


def _from_functions(name: str) -> Any:
    if name not in functions.__all__:
        raise RunError(f"nbdl has no function {name!r}; {suggest(name, functions.__all__)}")
    return getattr(functions, name)


_BUILT_IN = {"nn": _from_nn, "functions": _from_functions}
