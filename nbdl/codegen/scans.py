"""Print a scan: the body as a function, and the loop over time that calls it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbdl.autodiff import BACKWARD
from nbdl.codegen.index import size_text
from nbdl.codegen.work import Call
from nbdl.ir.graph import Node
from nbdl.ir.scan import Body
from nbdl.ir.shapes import Batch, Size, product

if TYPE_CHECKING:
    from nbdl.codegen.cpu import BodyPrinter, ModulePrinter

ALWAYS = ("rows", "first_row", "batch_size", "capacity", "worker", "workers", "arena", "shared")
"""What a body may need of the step around it."""
TIME = "time"


def print_scan(printer: ModulePrinter, node: Node) -> list[str]:
    """The lines of the loop; the body becomes a function of the module."""
    body: Body = node.param("body")
    plan = printer.plan.bodies[node]
    inner = printer.inner(plan)
    name, needed = _define(printer, inner, node)
    reads, writes = (f"({TIME} + 1)", TIME) if node.param("reverse") else (TIME, f"({TIME} + 1)")
    operands = dict(zip(body.leaves, node.inputs, strict=True))
    kernel = printer.fusion.kernel_of[node]
    assert isinstance(kernel, Call)
    results = {(each.param("kind"), each.param("index")): each for each in kernel.results}
    setup: list[str] = []
    arguments: list[str] = []
    for leaf in body.leaves:
        size = product(leaf.shape)
        if leaf in body.states:
            history = _flat(printer, results["state", body.states.index(leaf)], writing=True)
            begin = str(node.param("length")) if node.param("reverse") else "0"
            setup.append(f"copy({_flat(printer, operands[leaf])}, {_piece(history, begin, size)})")
            arguments.append(_piece(history, reads, size))
        elif leaf in body.elements:
            arguments.append(_piece(_flat(printer, operands[leaf]), TIME, size))
        else:
            arguments.append(_flat(printer, operands[leaf]))
    for key, each in body.results():
        whole = _flat(printer, results[key], writing=True)
        if key[0] == "total":
            setup.append(f"fill({whole}, 0)")
            arguments.append(whole)
        else:
            arguments.append(_piece(whole, writes if key[0] == "state" else TIME, product(each.shape)))
    length = node.param("length")
    steps = f"range({length - 1}, -1, -1)" if node.param("reverse") else f"range({length})"
    call = f"{name}({', '.join([*needed, *arguments])})"
    return [*setup, f"for {TIME} in {steps}:", f"    {call}"]


def _define(printer: ModulePrinter, inner: BodyPrinter, node: Node) -> tuple[str, list[str]]:
    """Print the body as a function; returns its name and what it needs of the step, which comes first."""
    lines = inner.body_lines()
    text = "\n".join(lines)
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    needed = [name for name in ALWAYS if name in words]
    name = printer.names.unique(f"{_layer(node)}_step")
    parameters = ", ".join([*needed, *inner.arrays.values()])
    printer.function_lines += [
        "",
        "@kernel",
        f"def {name}({parameters}):",
        '    """One step in time."""',
        *("    " + line if line else "" for line in lines),
        "",
    ]
    return name, needed


def _layer(node: Node) -> str:
    backward = "backward_" if node.scope.startswith(BACKWARD) else ""
    return backward + (node.scope.removeprefix(BACKWARD).split(".")[-1] or "scan")


def _flat(printer: ModulePrinter, node: Node, *, writing: bool = False) -> str:
    return printer.views.view(node, 0, (product(node.shape),), writing=writing)


def _piece(array: str, place: str, size: Size) -> str:
    """The part of a flat array that belongs to one step."""
    count = size_text(size)
    factor = f"({count})" if isinstance(size, Batch) and size.multiple != 1 else count
    start = "0" if place == "0" else f"{place} * {factor}"
    return f"part({array}, {start}, ({count},))"
