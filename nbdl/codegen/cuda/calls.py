"""Print the calls of hand-written kernels: a table from primitive to the lines that launch it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nbdl.codegen.cuda.scans import print_scan
from nbdl.codegen.expressions import dtype_name, number
from nbdl.codegen.index import shape_text, size_text
from nbdl.codegen.wholes import blocks, gaps, parts_elsewhere, starts
from nbdl.codegen.work import adds_batch, is_scalar_work, root_of
from nbdl.ir.graph import Node
from nbdl.ir.shapes import has_batch, product
from nbdl.ir.strided import layout_of

if TYPE_CHECKING:
    from nbdl.codegen.cuda.printer import CudaPrinter


def print_call(printer: CudaPrinter, node: Node) -> list[str]:
    """The lines that compute `node` by launching kernels."""
    return CALLS.get(node.name, _custom)(printer, node)


def _line(printer: CudaPrinter, function: str, node: Node, *arguments: str) -> str:
    return f"{function}({', '.join(['card', dtype_name(node.dtype), *arguments])})"


def _matmul(printer: CudaPrinter, node: Node) -> list[str]:
    x, y = node.inputs
    swap_x, swap_y = node.param("transpose_x"), node.param("transpose_y")
    m, n = node.shape[-2:]
    k = x.shape[-2 if swap_x else -1]
    function = f"matmul_{'nt'[swap_x]}{'nt'[swap_y]}"
    places = [printer.places.of(each) for each in (x, y, node)]
    return [_line(printer, function, node, *places, shape_text((product(node.shape[:-2]), m, n, k)))]


def _strided_matmul(printer: CudaPrinter, node: Node) -> list[str]:
    layout = layout_of(node)
    assert layout is not None  # else the pass would not have made it
    x, y = reversed(node.inputs) if layout.swapped else node.inputs
    arguments = []
    for each, steps in ((x, layout.a), (y, layout.b), (node, layout.c)):
        arguments += [printer.places.of(each), shape_text(steps)]
    return [_line(printer, "matmul_blocks", node, *arguments, shape_text(layout.sizes))]


def _gather(printer: CudaPrinter, node: Node) -> list[str]:
    table, indices = node.inputs
    places = [printer.places.of(each) for each in (table, indices, node)]
    sizes = [size_text(each) for each in (product(indices.shape), table.shape[0], product(table.shape[1:]))]
    return [_line(printer, "gather", node, dtype_name(indices.dtype), *places, *sizes)]


def _scatter_add(printer: CudaPrinter, node: Node) -> list[str]:
    updates, indices = node.inputs
    places = [printer.places.of(each) for each in (updates, indices, node)]
    sizes = [size_text(each) for each in (product(indices.shape), node.shape[0], product(node.shape[1:]))]
    return [_line(printer, "scatter_add", node, dtype_name(indices.dtype), *places, *sizes)]


def _argmax(printer: CudaPrinter, node: Node) -> list[str]:
    (x,) = node.inputs
    return [_line(printer, "argmax", x, printer.places.of(x), printer.places.of(node), _blocks(x, node.param("axis")))]


def _blocks(node: Node, axis: int) -> str:
    """A shape as (before, axis, behind)."""
    return shape_text(blocks(node.shape, axis))


def _concatenate(printer: CudaPrinter, node: Node) -> list[str]:
    axis, lines = node.param("axis"), []
    length = size_text(node.shape[axis])
    for each, start in zip(node.inputs, starts(node), strict=True):
        if each not in printer.plan.slots:  # else a loop has computed it in its place
            places = [printer.places.of(each), printer.places.of(node)]
            lines.append(_line(printer, "copy_along", node, *places, _blocks(each, axis), length, str(start), "1"))
    return lines


def _pad(printer: CudaPrinter, node: Node) -> list[str]:
    (x,) = node.inputs
    axis, out = node.param("axis"), printer.places.of(node)
    placing = [size_text(node.shape[axis]), str(node.param("before")), str(node.param("step"))]
    return [
        _line(printer, "fill", node, out, size_text(product(node.shape)), "0"),
        _line(printer, "copy_along", node, printer.places.of(x), out, _blocks(x, axis), *placing),
    ]


def _pack(printer: CudaPrinter, node: Node) -> list[str]:
    """Most parts have been computed in their place; the others are copied there, and gaps filled with zeros."""
    lines = []
    if not adds_batch(node):  # gaps of partial sums are zero from the beginning
        for start, size in gaps(node):
            lines.append(_line(printer, "fill", node, printer.places.of(node, start), str(size), "0"))
    for part, offset in parts_elsewhere(printer.plan, node):
        root = root_of(part)
        place, count = printer.places.of(node, offset), size_text(product(part.shape))
        if part.name == "constant":
            lines.append(_line(printer, "fill", node, place, count, number(part.param("value"), part.dtype)))
        elif is_scalar_work(part) and not adds_batch(root):
            lines += printer.numbers_lines([part] if printer._lacks_place(part) else [])
            lines.append(_line(printer, "copy", node, printer.number_place(part), place, count))
        else:
            lines.append(_line(printer, "copy", node, printer.places.of(part), place, count))
    return lines


IMAGES = {
    "conv2d": "convolve",
    "conv2d_weights": "convolve_weights",
    "conv2d_back": "convolve_back",
    **{name: name for name in ("max_pool", "max_pool_back", "max_pool_take", "sum_pool", "sum_pool_back")},
}
"""The kernel of each primitive that goes over images."""


def _image_call(printer: CudaPrinter, node: Node) -> list[str]:
    places = [printer.places.of(each) for each in (*node.inputs, node)]
    images = size_text(node.inputs[0].shape[0])
    return [_line(printer, IMAGES[node.name], node, *places, images, repr(node.param("geometry")))]


def _custom(printer: CudaPrinter, node: Node) -> list[str]:
    """An operation of a plugin: all threads call its function with the inputs and the result, with all their axes."""
    operands = [*node.inputs, node]
    names = [f"array_{number}" for number in range(1, len(operands))] + ["out"]
    views = [
        f"{name} = view(card, {name}_at, {shape_text(each.shape or (1,))}, {dtype_name(each.dtype)})"
        for name, each in zip(names, operands, strict=True)
    ]
    sizes = ["rows"] * any(has_batch(each.shape) for each in operands)
    parameters = ["card", *sizes, *[f"{name}_at" for name in names]]
    body = [*views, f"{node.name}({', '.join(names)})"]
    kernel = printer.functions.define("kernel", f"all_{node.name}", parameters, body)
    places = [printer.places.of(each) for each in operands]
    return [f"card.elements({', '.join([kernel, size_text(product(node.shape)), *sizes, *places])})"]


CALLS: dict[str, Callable[[CudaPrinter, Node], list[str]]] = {
    "matmul": _matmul,
    "strided_matmul": _strided_matmul,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "argmax": _argmax,
    "concatenate": _concatenate,
    "pad": _pad,
    "pack": _pack,
    "scan": print_scan,
    **dict.fromkeys(IMAGES, _image_call),
}
