"""Long steps in parts: kernels that run one after another become a function of their own.

LLVM's time grows with the number of arrays in a function times the number of its branches, and workers that meet are
branches: the step of a residual network with normalisation is compiled far sooner in parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nbdl.autodiff import BACKWARD
from nbdl.codegen.work import Kernel, scope_of

if TYPE_CHECKING:
    from nbdl.codegen.step import StepPrinter

LONGEST_STEP = 60
"""Kernels of a step that is printed as a whole."""
LONGEST_PART = 24
"""Kernels of a part."""
ALWAYS = (
    *("rows", "first_row", "first_example", "batch_size", "capacity"),
    *("worker", "workers", "arena", "shared", "mine", "batch", "room", "picked"),
)
"""What a part may need of the step around it, beside arrays and numbers."""


def print_parts(printer: StepPrinter, kernels: Sequence[Kernel]) -> list[str]:
    """The lines of kernels without a meeting between them: numbers that they need, and calls of their parts."""
    lines: list[str] = []
    part: list[Kernel] = []
    for kernel in kernels:
        numbers = printer.numbers.lines(kernel.position)
        if part and (numbers or len(part) == LONGEST_PART):
            lines += _print_part(printer, part)
            part = []
        lines += numbers
        part.append(kernel)
    return lines + _print_part(printer, part)


def _print_part(printer: StepPrinter, kernels: Sequence[Kernel]) -> list[str]:
    """Print kernels as a function of the module; returns the line that calls it, if there is anything to do."""
    with printer.other_views() as views:
        lines = [line for kernel in kernels for line in printer.lines_of(kernel)]
    if not any(_names(lines)):
        return []  # a copy that is none, where what is copied lies there already
    name, parameters = define_part(printer, _name(kernels[0]), [*views.lines, *lines])
    return [f"{name}({', '.join(parameters)})"]


def define_part(printer: StepPrinter, name: str, lines: list[str]) -> tuple[str, list[str]]:
    """Make lines of the step a function of the module; returns its name, and what it takes of the step around it."""
    used = set(_names(lines))
    known = dict.fromkeys((*ALWAYS, *printer.handed_in, *printer.numbers.named()))
    parameters = [each for each in known if each in used]
    return printer.functions.define("kernel", name, parameters, lines), parameters


def _names(lines: Sequence[str]) -> Iterator[str]:
    """The names in the code of lines, comments aside."""
    for line in lines:
        yield from re.findall(r"[A-Za-z_]\w*", line.partition("#")[0])


def _name(kernel: Kernel) -> str:
    """What a part is called that begins with a kernel: after its layer."""
    scope = scope_of(kernel)
    layers = scope.removeprefix(BACKWARD).split(".")
    layer = re.sub(r"\W+", "_", (layers[1:] or layers)[0]) or "loss"
    return f"{'backward' if scope.startswith(BACKWARD) else 'forward'}_{layer}"
