"""What a docstring says: its first line, and what its `Args` section says about each parameter."""

import inspect
import re
from collections.abc import Callable
from typing import Any

SECTION = re.compile(r"^(Args|Arguments|Parameters):?\s*$")
UNDERLINE = re.compile(r"^-{3,}\s*$")
ENTRY = re.compile(r"^\*{0,2}(?P<name>\w+)(?:\s*\([^)]*\))?\s*:(?P<text>.*)$")
# NumPy's style: the type follows the name, the text is on the lines below.
NUMPY_ENTRY = re.compile(r"^(?P<name>\w+)\s*(?::.*)?(?P<text>)$")


def summary_line(doc: str) -> str:
    """Return the first paragraph of a docstring as one line, without its full stop."""
    paragraph = inspect.cleandoc(doc).split("\n\n")[0]
    return " ".join(paragraph.split()).removesuffix(".")


def argument_docs(factory: Callable[..., Any]) -> dict[str, str]:
    """Return what the `Args` section of a callable's docstring says, by parameter.

    A class is read together with its constructor.

    >>> def scale(x, factor=2):
    ...     '''Scale.
    ...
    ...     Args:
    ...         factor: what to multiply
    ...             with.
    ...     '''
    >>> argument_docs(scale)
    {'factor': 'what to multiply with.'}
    """
    docs = _parse(_own_doc(factory))
    if inspect.isclass(factory):
        docs |= _parse(_own_doc(factory.__init__))
    return docs


def prose(doc: str) -> str:
    """Return a docstring without its `Args` section, for a place where the arguments are shown in another way.

    >>> prose("Scale.\\n\\nArgs:\\n    x: what.\\n\\nReturns:\\n    it")
    'Scale.\\n\\nReturns:\\n    it'
    """
    lines = inspect.cleandoc(doc).splitlines()
    start, body = _section(lines)
    rest = lines[:start] + lines[start + 1 + len(body) :] if start >= 0 else lines
    return re.sub(r"\n{3,}", "\n\n", "\n".join(rest)).strip()


def _own_doc(thing: Any) -> str:
    # What `object.__init__` or a base's docstring says isn't about these parameters.
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def _parse(doc: str) -> dict[str, str]:
    _, body = _section(doc.splitlines())
    if body and UNDERLINE.match(body[0]):
        return _entries(body[1:], NUMPY_ENTRY)
    return _entries(inspect.cleandoc("\n".join(["", *body])).splitlines(), ENTRY)


def _section(lines: list[str]) -> tuple[int, list[str]]:
    """Return the number of the `Args` section's heading (-1: there is none) and the lines that belong to it."""
    start = next((number for number, line in enumerate(lines) if SECTION.match(line)), -1)
    if start < 0:
        return start, []
    body = lines[start + 1 :]
    if body and UNDERLINE.match(body[0]):
        # NumPy's style: it ends above the next underlined heading.
        end = next((number - 1 for number, line in enumerate(body) if number and UNDERLINE.match(line)), len(body))
    else:
        end = next((number for number, line in enumerate(body) if line and not line[0].isspace()), len(body))
    return start, body[:end]


def _entries(lines: list[str], entry: re.Pattern[str]) -> dict[str, str]:
    docs: dict[str, str] = {}
    current = ""
    for line in lines:
        found = entry.match(line)
        if found:
            current = found["name"]
            docs[current] = found["text"].strip()
        elif current and line.strip():
            docs[current] = f"{docs[current]} {line.strip()}".strip()
    return docs
