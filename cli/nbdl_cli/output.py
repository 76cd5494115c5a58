"""How commands answer: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbdl.hookspecs import training_of
from nbdl.options import Options
from nbdl.plugins import Registered

if TYPE_CHECKING:
    from rich.console import Console

_kept: list[Any] = []  # stdout, while it is kept for JSON


@contextmanager
def _keeping_stdout() -> Iterator[None]:
    _kept.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _kept.pop()


def _keep_stdout(ctx: typer.Context, wanted: bool) -> bool:
    """Where JSON is wanted, keep stdout for it: what plugins print meanwhile goes to stderr."""
    if wanted and not _kept:
        ctx.with_resource(_keeping_stdout())
    return wanted


JsonFlag = Annotated[bool, typer.Option("--json", help="Answer in JSON.", callback=_keep_stdout)]

# Wide enough that nothing is cut off in a file or a pipe.
PIPE_WIDTH = 240
GAP = 2
# A column of a terminal that is narrower than this can't be read.
READABLE = 14


def examples(*lines: str) -> str:
    r"""Return the end of a command's help: examples, each on its own line (`\b` keeps them from being rewrapped)."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(data: Any) -> None:
    """Print plain values as JSON."""
    print_answer(json.dumps(data, indent=2, default=str) + "\n")


def print_answer(text: str) -> None:
    """Print text to stdout, also while that is kept."""
    file = _kept[-1] if _kept else sys.stdout
    if file is not None:
        typer.echo(text, nl=False, file=file)


def to_terminal() -> bool:
    """Whether answers go to a terminal, and not to a file, a pipe or nowhere."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as the terminal; where that is too narrow, a block for each row."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    in_terminal = to_terminal()
    console = Console(width=None if in_terminal else PIPE_WIDTH, highlight=False)
    if in_terminal and _least_width(columns, rows) > console.width:
        _print_blocks(console, columns, rows)
        return
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        # Names are there to be copied, so the first column never wraps. In a pipe only the last one may.
        table.add_column(column, no_wrap=number < (1 if in_terminal else len(columns) - 1), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How wide a table must be: its first column whole, the others wide enough for words."""
    from rich.cells import cell_len

    first, *others = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    return first + sum(GAP + min(width, READABLE) for width in others)


def _print_blocks(console: "Console", columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print each row as its name and, below it, indented, what the other columns say."""
    from rich.padding import Padding
    from rich.text import Text

    for number, (name, *cells) in enumerate(rows):
        console.print(Text("\n" * (number > 0) + name, style="bold", overflow="fold"))
        for column, cell in zip(columns[1:], cells, strict=True):
            if cell:
                console.print(Padding(Text(f"{column}: {cell}" if column else cell, overflow="fold"), (0, 0, 0, GAP)))


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
