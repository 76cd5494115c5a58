"""What a docstring says: its first line, and what its `Args` section says about each parameter."""

import inspect
import re
from collections.abc import Callable
from typing import Any

SECTION = re.compile(r"^(Args|Arguments|Parameters):?\s*$")
ENTRY = re.compile(r"^\*{0,2}(\w+)(?:\s*\([^)]*\))?\s*:\s*(.*)$")


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


def _own_doc(thing: Any) -> str:
    # What `object.__init__` or a base's docstring says isn't about these parameters.
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def _parse(doc: str) -> dict[str, str]:
    lines = iter(doc.splitlines())
    if not any(SECTION.match(line) for line in lines):
        return {}
    docs: dict[str, str] = {}
    current, margin = "", None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0 and not set(line.strip()) <= {"-"}:
            break
        if not line.strip() or indent == 0:
            continue
        margin = indent if margin is None else margin
        entry = ENTRY.match(line.strip())
        if indent <= margin and entry:
            current = entry[1]
            docs[current] = entry[2]
        elif current:
            docs[current] = f"{docs[current]} {line.strip()}".strip()
    return docs
