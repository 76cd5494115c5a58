"""Options: read from a callable's signature, checked, converted, and parsed from text.

The signature is the only place where an option is declared. The command line, `nbdl show`, the run's `config.toml`
and every `make(**options)` read it from here.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

from nbdl.docstrings import argument_docs, summary_line
from nbdl.errors import OptionError, suggest
from nbdl.values import Text, convert, infer_text, type_text

REQUIRED: Any = inspect.Parameter.empty


def check_whole(name: str, number: Any, lowest: int, highest: int | None = None) -> int:
    """Return a number as an `int`, NumPy's whole numbers too.

    Raises `OptionError` unless it is a whole one of at least `lowest` (and at most `highest`).
    """
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    if whole and lowest <= number and (highest is None or number <= highest):
        return int(number)
    wanted = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
    raise OptionError(f"{name} must be a whole number {wanted}, not {number!r}")


def check_function(owner: str, function: Any) -> None:
    """Raise `OptionError` if what `owner` is given as a function can't be called."""
    if not callable(function):
        raise OptionError(f"{owner} takes a function, not {function!r}")


@dataclass(frozen=True)
class Option:
    """One option of a callable.

    Args:
        name: the parameter's name.
        type: its annotation; `Any` where there is none.
        default: its default, `None` as well for a required one.
        required: whether it has no default.
        doc: what the docstring's `Args` section says about it.
    """

    name: str
    type: Any = Any
    default: Any = None
    required: bool = False
    doc: str = ""

    @property
    def type_text(self) -> str:
        """The type as one would write it, e.g. `list[int] | None`."""
        return type_text(self.type)

    def convert(self, value: Any, owner: str = "") -> Any:
        """Return `value` as this option's type; `Text` (from a command line) is parsed, other values are checked.

        Raises:
            OptionError: the value doesn't fit; the message names the option, what was given and what would work.

        >>> Option("lr", float).convert(1)
        1.0
        """
        try:
            return convert(value, self.type)
        except ValueError as error:
            where = f" of {owner}" if owner else ""
            given = str(value) if isinstance(value, Text) else repr(value)
            raise OptionError(f"option {self.name!r}{where} takes {error}, not {given}") from None


@dataclass(frozen=True)
class Options:
    """The options of a callable, in the order of its signature.

    `open` tells whether it takes any other keyword as well (`**options`).
    """

    items: tuple[Option, ...]
    open: bool = False

    def __iter__(self) -> Any:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> Option:
        return next(option for option in self.items if option.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(option.name for option in self.items)

    def check(self, given: Mapping[str, Any], owner: str = "") -> dict[str, Any]:
        """Return the options in `given`, converted.

        Raises:
            OptionError: an option that doesn't exist (near names are suggested) or a value that doesn't fit.
        """
        checked: dict[str, Any] = {}
        for name, value in given.items():
            if name in self.names:
                checked[name] = self[name].convert(value, owner)
            elif self.open:
                checked[name] = infer_text(value) if isinstance(value, Text) else value
            else:
                raise OptionError(f"{owner or 'it'} has no option {name!r}; {suggest(name, self.names)}")
        return checked

    def resolve(self, given: Mapping[str, Any], owner: str = "") -> dict[str, Any]:
        """Return every option with its value: `given`, checked, over the defaults.

        Raises:
            OptionError: as `check`, or a required option is missing.
        """
        checked = self.check(given, owner)
        missing = [option.name for option in self.items if option.required and option.name not in checked]
        if missing:
            raise OptionError(f"{owner or 'it'} needs the option {', '.join(map(repr, missing))}")
        defaults = {option.name: option.default for option in self.items if not option.required}
        return {**defaults, **checked}


def read_options(
    factory: Callable[..., Any], *, arguments: int = 0, supplied: Iterable[str] = (), needs: Iterable[str] = ()
) -> Options:
    """Read the options of `factory` from its signature.

    Args:
        factory: a function, a class (its constructor is read), a `functools.partial` or a callable object.
        arguments: how many leading positional parameters are passed by nbdl, and so are no options.
        supplied: keyword parameters that nbdl fills in; no options either.
        needs: those of `supplied` that the signature must have.

    Raises:
        OptionError: no signature; fewer than `arguments` positional parameters; a missing one of `needs`; an option
            that can't be given by keyword; an annotation that can't be evaluated; a default of another type.

    >>> def huber(prediction, target, delta: float = 1.0): ...
    >>> read_options(huber, arguments=2).names
    ('delta',)
    """
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        raise OptionError(f"{factory!r} has no signature to read; wrap it in a function that has one") from None
    parameters = _without_arguments(parameters, arguments)
    is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    absent = set(needs) - {parameter.name for parameter in parameters}
    if absent and not is_open:
        raise OptionError(f"it has no parameter {', '.join(map(repr, sorted(absent)))}, which nbdl fills in")
    named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in set(supplied)]
    docs = argument_docs(factory)
    return Options(tuple(_option(parameter, factory, docs) for parameter in named), is_open)


def _without_arguments(parameters: list[inspect.Parameter], arguments: int) -> list[inspect.Parameter]:
    """Drop the leading positional parameters, which `*args` may stand for as well."""
    taken = 0
    for parameter in parameters[:arguments]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return parameters[taken:]
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            break
        taken += 1
    if taken < arguments and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise OptionError(f"it takes {taken} positional argument{'s' * (taken != 1)}, and nbdl passes {arguments}")
    return parameters[taken:]


def _option(parameter: inspect.Parameter, factory: Callable[..., Any], docs: Mapping[str, str]) -> Option:
    name = parameter.name
    required = parameter.default is REQUIRED
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise OptionError(f"its parameter {name!r} is positional-only, so it can't be given by name")
    option = Option(
        name,
        _annotation(parameter, factory),
        None if required else parameter.default,
        required,
        docs.get(name, ""),
    )
    # `delta: float = None` is common and means "or None"; any other mismatch would give a wrong config.
    if required or option.default is None:
        return option
    try:
        default = convert(option.default, option.type)
    except ValueError as error:
        raise OptionError(
            f"its option {name!r} is annotated as {error}, but its default is {option.default!r}"
        ) from None
    return Option(name, option.type, default, required, option.doc)


def _annotation(parameter: inspect.Parameter, factory: Callable[..., Any]) -> Any:
    annotation = parameter.annotation
    if annotation is REQUIRED:
        return Any
    if not isinstance(annotation, str):
        return annotation
    # `from __future__ import annotations` leaves text: evaluate it where the function was written.
    try:
        return eval(annotation, _globals(factory))
    except Exception as error:
        raise OptionError(
            f"the annotation {annotation!r} of its option {parameter.name!r} can't be evaluated "
            f"({type(error).__name__}: {error}); import what it names at run time"
        ) from None


def _globals(factory: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(factory, partial):
        factory = factory.func
    function: Any = inspect.unwrap(factory)
    if inspect.isclass(function):
        function = function.__init__
    elif not hasattr(function, "__globals__"):
        function = getattr(function, "__func__", None) or type(function).__call__
    return getattr(function, "__globals__", {})


@dataclass(frozen=True)
class Description:
    """What `nbdl show` says about a callable."""

    name: str
    summary: str
    doc: str
    options: Options


def describe(factory: Callable[..., Any], **how: Any) -> Description:
    """Describe a callable: its name, the first line of its docstring, the whole docstring, and its options.

    Args:
        factory: what to describe.
        how: as in `read_options`.
    """
    doc = inspect.getdoc(factory) or ""
    name = getattr(factory, "__name__", type(factory).__name__)
    return Description(name, summary_line(doc), doc, read_options(factory, **how))
