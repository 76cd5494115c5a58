"""Print the calls of hand-written kernels: a table from primitive to the lines that call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nbdl.codegen.image_calls import IMAGE_CALLS
from nbdl.codegen.index import factor, shape_text, size_text
from nbdl.codegen.scans import print_scan
from nbdl.codegen.wholes import blocks, gaps, parts_elsewhere, starts
from nbdl.codegen.work import adds_batch, is_scalar_work, root_of
from nbdl.ir.graph import Node
from nbdl.ir.shapes import product
from nbdl.ir.strided import layout_of

if TYPE_CHECKING:
    from nbdl.codegen.step import StepPrinter


def print_call(printer: StepPrinter, node: Node) -> list[str]:
    """The lines that compute `node` by calling kernels."""
    return CALLS.get(node.name, _custom)(printer, node)


def _custom(printer: StepPrinter, node: Node) -> list[str]:
    """An operation of a plugin: its function takes the inputs and the result, with all their axes."""
    inputs = [printer.views.view(each, 0, each.shape or (1,)) for each in node.inputs]
    return [f"{node.name}({', '.join([*inputs, printer.views.view(node, 0, node.shape or (1,), writing=True)])})"]


def _matmul(printer: StepPrinter, node: Node) -> list[str]:
    x, y = node.inputs
    if printer.fusion.kernel_of[node] in printer.plan.joint:
        return [_joint_matmul(printer, node)]
    function = f"matmul_{'nt'[node.param('transpose_x')]}{'nt'[node.param('transpose_y')]}"
    if printer.plan.adds(node):
        function += "_add"
    scratch = printer.views.scratch(node.dtype)
    if len(node.shape) == 2:
        left, right = printer.views.view(x, 0, x.shape), printer.views.view(y, 0, y.shape)
        return [f"{function}({left}, {right}, {printer.views.view(node, 0, node.shape, writing=True)}, {scratch})"]
    operands = [(x, False), (y, False), (node, True)]
    parts = []
    for each, writing in operands:
        whole = printer.views.view(each, 0, (product(each.shape),), writing=writing)
        size = product(each.shape[-2:])
        parts.append(f"part({whole}, block * {factor(size_text(size))}, {shape_text(each.shape[-2:])})")
    return [
        f"for block in range({size_text(product(node.shape[:-2]))}):",
        f"    {function}({', '.join(parts)}, {scratch})",
    ]


def _joint_matmul(printer: StepPrinter, node: Node) -> str:
    """A product of all rows: each worker computes a part of it, where the sum of all workers belongs."""
    x, y = map(printer.views.of_all_rows, node.inputs)
    out, scratch = printer.views.view(node, 0, node.shape), printer.views.scratch(node.dtype)
    return f"matmul_tn_part({x}, {y}, {out}, worker, workers, {scratch})"


def _strided_matmul(printer: StepPrinter, node: Node) -> list[str]:
    layout = layout_of(node)
    assert layout is not None  # else the pass would not have made it
    x, y = reversed(node.inputs) if layout.swapped else node.inputs
    arguments = []
    for each, steps, writing in ((x, layout.a, False), (y, layout.b, False), (node, layout.c, True)):
        arguments += [printer.views.view(each, 0, (product(each.shape),), writing=writing), shape_text(steps)]
    return [f"matmul_blocks({', '.join([*arguments, shape_text(layout.sizes), printer.views.scratch(node.dtype)])})"]


def _gather(printer: StepPrinter, node: Node) -> list[str]:
    table, indices = node.inputs
    width = product(table.shape[1:])
    arguments = [
        printer.views.view(table, 0, (table.shape[0], width)),
        printer.views.view(indices, 0, (product(indices.shape),)),
        printer.views.view(node, 0, (product(indices.shape), width), writing=True),
    ]
    return [f"gather({', '.join(arguments)})"]


def _scatter_add(printer: StepPrinter, node: Node) -> list[str]:
    updates, indices = node.inputs
    width = product(node.shape[1:])
    arguments = [
        printer.views.view(updates, 0, (product(indices.shape), width)),
        printer.views.view(indices, 0, (product(indices.shape),)),
        printer.views.view(node, 0, (node.shape[0], width), writing=True),
    ]
    clear = f"fill({printer.views.view(node, 0, (product(node.shape),), writing=True)}, 0)"
    return [clear] * (not printer.plan.adds(node)) + [f"scatter_add({', '.join(arguments)})"]


def _argmax(printer: StepPrinter, node: Node) -> list[str]:
    (x,) = node.inputs
    outer, size, inner = blocks(x.shape, node.param("axis"))
    source = printer.views.view(x, 0, (outer, size, inner))
    return [f"argmax({source}, {printer.views.view(node, 0, (outer, inner), writing=True)})"]


def _concatenate(printer: StepPrinter, node: Node) -> list[str]:
    axis, lines = node.param("axis"), []
    for each, start in zip(node.inputs, starts(node), strict=True):
        if each not in printer.plan.slots:  # else a loop has computed it in its place
            out = printer.views.view(node, 0, blocks(node.shape, axis), writing=True)
            lines.append(f"copy_along({printer.views.view(each, 0, blocks(each.shape, axis))}, {out}, {start}, 1)")
    return lines


def _pad(printer: StepPrinter, node: Node) -> list[str]:
    axis = node.param("axis")
    source = printer.views.view(node.inputs[0], 0, blocks(node.inputs[0].shape, axis))
    flat = printer.views.view(node, 0, (product(node.shape),), writing=True)
    out = printer.views.view(node, 0, blocks(node.shape, axis), writing=True)
    return [f"fill({flat}, 0)", f"copy_along({source}, {out}, {node.param('before')}, {node.param('step')})"]


def _pack(printer: StepPrinter, node: Node) -> list[str]:
    """Most parts have been computed in their place; the others are copied there, and gaps filled with zeros."""
    partial = adds_batch(node)
    lines = []
    if not partial:  # nothing else ever writes to memory for partial sums: it stays zero there
        lines += [f"fill({printer.views.view(node, start, (size,))}, 0)" for start, size in gaps(node)]
    for part, offset in parts_elsewhere(printer.plan, node):
        root = root_of(part)
        place = printer.views.view(node, offset, (product(part.shape),), writing=True)
        if is_scalar_work(part) and not adds_batch(root):
            line = f"fill({place}, {printer.numbers.text(part).text})"
        else:
            line = f"copy({printer.views.view(part, 0, (product(part.shape),), writing=adds_batch(root))}, {place})"
        if partial and not adds_batch(root):  # every worker would add the same again
            lines += ["if worker == 0:", f"    {line}"]
        else:
            lines.append(line)
    return lines


CALLS: dict[str, Callable[[StepPrinter, Node], list[str]]] = {
    "matmul": _matmul,
    "strided_matmul": _strided_matmul,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "argmax": _argmax,
    "concatenate": _concatenate,
    "pad": _pad,
    "pack": _pack,
    "scan": print_scan,
    **IMAGE_CALLS,
}
