"""How commands answer: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from nbdl.hookspecs import training_of
from nbdl.options import Options
from nbdl.plugins import Registered

JsonFlag = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

# Wide enough that nothing is cut off in a file or a pipe.
PIPE_WIDTH = 240


def examples(*lines: str) -> str:
    r"""Return the end of a command's help: examples, each on its own line (`\b` keeps them from being rewrapped)."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(data: Any) -> None:
    """Print plain values as JSON."""
    typer.echo(json.dumps(data, indent=2, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        # Only the last column may wrap: names are there to be copied.
        table.add_column(column, no_wrap=number < len(columns) - 1, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width, highlight=False).print(table)


def options_as_data(options: Options) -> list[dict[str, Any]]:
    """Return options as plain values."""
    return [
        {
            "name": option.name,
            "type": option.type_text,
            "required": option.required,
            "default": None if option.required else plain_default(option.default),
            "doc": option.doc,
        }
        for option in options
    ]


def plain_default(value: Any) -> Any:
    """Return a default as JSON has it; a function or an object by its name."""
    if isinstance(value, list | tuple):
        return [plain_default(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__name__", None) or str(value)


def default_text(value: Any) -> str:
    """Return a default as one would write it after `--set`."""
    plain = plain_default(value)
    if isinstance(plain, list):
        return "[" + ",".join(default_text(item) for item in plain) + "]"
    if isinstance(plain, bool) or plain is None:
        return str(plain).lower()
    return str(plain)


def registered_as_data(registered: Registered) -> dict[str, Any]:
    """Return something that a plugin offers as plain values."""
    return {
        "name": registered.name,
        "kind": registered.kind,
        "package": registered.package,
        "version": registered.version,
        "module": registered.module,
        "summary": registered.summary,
        "options": options_as_data(registered.options),
        **({"training": dict(training_of(registered.factory))} if training_of(registered.factory) else {}),
    }
