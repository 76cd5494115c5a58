"""Values of options: checked against a type annotation, and parsed from text.

The types that matter are those that a config file can hold: `bool`, `int`, `float`, `str`, `Path`, `Literal`, lists,
tuples and dicts of them, `X | None` and other unions. A callable or an object of some class is taken as it is; it can
be given in a program, not on a command line.
"""

import inspect
import re
import tomllib
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

NONE_WORDS = ("none", "null")
# A word that isn't quoted inside a list: `[relu, tanh]`. Numbers and TOML's own words are left alone.
BARE_WORD = re.compile(r"(?<![\w.\"'+-])(?!(?:true|false|inf|nan)\b)([A-Za-z_][\w.:/-]*)(?!\s*=)(?=\s*[,\]}])")


class Text(str):
    """Text from a command line that hasn't been parsed yet: what it means depends on the option's type."""

    __slots__ = ()


def infer_text(text: str) -> Any:
    """Parse text without knowing its type: a TOML value; a number; `none`; else the text itself.

    >>> infer_text("[128, 64]"), infer_text("3e-4"), infer_text("true"), infer_text("relu")
    ([128, 64], 0.0003, True, 'relu')
    """
    text = str(text).strip()
    if text.lower() in NONE_WORDS:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for attempt in (text, BARE_WORD.sub(r'"\1"', text)):
        try:
            table = tomllib.loads(f"value = {attempt}")
        except tomllib.TOMLDecodeError:
            continue
        # A line break could smuggle in a second key; a date is no option's type. Both are just text.
        if set(table) == {"value"} and isinstance(table["value"], (bool, int, float, str, list, dict)):
            return table["value"]
    try:
        return float(text)  # forms that TOML refuses: `.5`, `1.`
    except ValueError:
        return text


def type_text(annotation: Any) -> str:
    """Return an annotation as one would write it.

    >>> type_text(list[int] | None)
    'list[int] | None'
    """
    if _anything(annotation):
        return "any"
    if annotation is None or annotation is type(None):
        return "None"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_text(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(type_text(argument) for argument in arguments)
    if origin is Literal:
        return " | ".join(repr(argument) for argument in arguments)
    if _is_callable_type(annotation):
        return "callable"
    if origin is not None:
        inner = ", ".join("..." if argument is ... else type_text(argument) for argument in arguments)
        return f"{_name(origin)}[{inner}]"
    return _name(annotation)


def convert(value: Any, annotation: Any) -> Any:
    """Return `value` as the annotated type.

    Raises:
        ValueError: it isn't of that type; the message is what would have been, e.g. `a whole number`.

    >>> convert(1, float), convert(Text("[3, 4]"), tuple[int, ...])
    (1.0, (3, 4))
    """
    if _anything(annotation):
        return infer_text(value) if isinstance(value, Text) else value
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return convert(value, arguments[0])
    if origin in (Union, types.UnionType):
        return _union(value, arguments)
    if origin is Literal:
        return _literal(value, arguments)
    if annotation is None or annotation is type(None):
        return _none(value)
    if annotation in SCALARS:
        return SCALARS[annotation](value)
    container = origin or annotation
    if inspect.isclass(container) and _is_list_type(container):
        return _sequence(value, container, arguments)
    if container in (dict, Mapping):
        return _mapping(value, arguments)
    if _is_callable_type(annotation):
        return _instance(value, callable(value), "a function")
    return _instance(value, _is_instance(value, container), f"an object of class {_name(container)}")


def _anything(annotation: Any) -> bool:
    return annotation in (Any, object, inspect.Parameter.empty) or isinstance(annotation, TypeVar)


def _is_callable_type(annotation: Any) -> bool:
    return annotation is Callable or get_origin(annotation) is Callable or annotation is callable


def _is_list_type(container: type) -> bool:
    return issubclass(container, (list, tuple)) or container in (Sequence, Iterable, Collection)


def _is_instance(value: Any, annotation: Any) -> bool:
    try:
        return isinstance(value, annotation)
    except TypeError:  # a protocol that can't be checked at run time
        return True


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)


def _none(value: Any) -> None:
    if value is None or (isinstance(value, Text) and value.strip().lower() in NONE_WORDS):
        return None
    raise ValueError("none")


def _bool(value: Any) -> bool:
    value = infer_text(value) if isinstance(value, Text) else value
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # NumPy's, which isn't imported here
        return bool(value)
    raise ValueError("true or false")


def _int(value: Any) -> int:
    value = infer_text(value) if isinstance(value, Text) else value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    raise ValueError("a whole number")


def _float(value: Any) -> float:
    value = infer_text(value) if isinstance(value, Text) else value
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    raise ValueError("a number")


def _str(value: Any) -> str:
    if isinstance(value, Text):
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        return str(infer_text(value)) if quoted else str(value)
    if isinstance(value, str):
        return value
    raise ValueError("a text")


def _path(value: Any) -> Path:
    if isinstance(value, (str, Path)):
        return Path(value).expanduser()
    raise ValueError("a path")


SCALARS: dict[Any, Callable[[Any], Any]] = {bool: _bool, int: _int, float: _float, str: _str, Path: _path}


def _union(value: Any, members: tuple[Any, ...]) -> Any:
    """Take the first member that fits, text last when it was written unquoted: `3` for `str | int` is a number."""
    order = sorted(members, key=lambda member: member is str) if isinstance(value, Text) else members
    # A value that already is of a member's type stays as it is: 1 for `float | int` isn't made 1.0.
    exact = [member for member in order if type(value) is member]
    wanted: list[str] = []
    for member in exact or order:
        try:
            return convert(value, member)
        except ValueError as error:
            wanted.append(str(error))
    raise ValueError(" or ".join(wanted))


def _literal(value: Any, choices: tuple[Any, ...]) -> Any:
    candidates = [infer_text(value), str(value)] if isinstance(value, Text) else [value]
    for candidate in candidates:
        for choice in choices:
            if choice == candidate and type(choice) is type(candidate):
                return choice
    raise ValueError("one of " + ", ".join(repr(choice) for choice in choices))


def _sequence(value: Any, container: type, arguments: tuple[Any, ...]) -> Any:
    fixed = container is tuple and arguments and arguments[-1] is not ...
    item_type = arguments[0] if arguments else Any
    wanted = _sequence_text(arguments if fixed else (item_type,), bool(fixed))
    value = infer_text(value) if isinstance(value, Text) else value
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise ValueError(wanted)
    items = list(value)
    if fixed and len(items) != len(arguments):
        raise ValueError(wanted)
    try:
        converted = [convert(item, arguments[i] if fixed else item_type) for i, item in enumerate(items)]
    except ValueError:
        raise ValueError(wanted) from None
    return tuple(converted) if issubclass(container, tuple) else converted


def _sequence_text(item_types: tuple[Any, ...], fixed: bool) -> str:
    samples = {int: "128", float: "0.5", str: "relu", bool: "true"}
    items = [samples.get(item_type, "...") for item_type in item_types]
    shown = ", ".join(items if fixed else [items[0], "64" if items[0] == "128" else items[0]])
    return f"a list of {_plural(item_types[0]) if not fixed else len(item_types)}, such as [{shown}]"


def _plural(item_type: Any) -> str:
    return {int: "whole numbers", float: "numbers", str: "texts", bool: "true and false"}.get(item_type, "values")


def _mapping(value: Any, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    key_type, value_type = arguments or (Any, Any)
    value = infer_text(value) if isinstance(value, Text) else value
    if not isinstance(value, Mapping):
        raise ValueError("a table, such as {a = 1, b = 2}")
    # On a command line and in TOML every key is text; a number among them is meant as a number.
    return {
        convert(Text(key) if isinstance(key, str) else key, key_type): convert(item, value_type)
        for key, item in value.items()
    }


def _instance(value: Any, fits: bool, wanted: str) -> Any:
    if fits and not isinstance(value, Text):
        return value
    raise ValueError(wanted)
