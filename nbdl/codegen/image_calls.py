"""Print the calls of the kernels for images. Most go over their image by a table that the module makes when it is
imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nbdl.codegen.names import label
from nbdl.ir.graph import Node

if TYPE_CHECKING:
    from nbdl.codegen.step import StepPrinter

KERNELS = {
    "conv2d": ("convolve", "forward_boxes"),
    "conv2d_weights": ("convolve_weights", "weight_boxes"),
    "conv2d_back": ("convolve_back", "input_boxes"),
    "max_pool": ("max_pool", "pool_boxes"),
    "max_pool_back": ("max_pool_back", "pool_boxes"),
    "max_pool_take": ("max_pool_take", "pool_boxes"),
    "sum_pool": ("sum_pool", "pool_boxes"),
    "sum_pool_back": ("sum_pool_back", "pool_boxes"),
}
"""The kernel of each primitive, and the function that makes its table."""


DEPTHWISE = {
    "conv2d": ("depthwise", "pool_boxes"),
    "conv2d_weights": ("depthwise_weights", "pool_boxes"),
    "conv2d_back": ("depthwise_back", "pool_boxes"),
}
"""The same where each channel is convolved by itself."""


def _call(printer: StepPrinter, node: Node) -> list[str]:
    geometry = node.param("geometry")
    alone = geometry.groups == geometry.image[2] == geometry.outputs > 1
    kernel, table = (DEPTHWISE if alone and node.name in DEPTHWISE else KERNELS)[node.name]
    arguments = _operands(printer, node)
    if table != "pool_boxes":
        arguments.append(printer.views.scratch(node.dtype))
    adds = ", add=True" if printer.plan.adds(node) else ""
    arguments.append(printer.functions.table(f"{table}({geometry!r}{adds})", f"{label(node)}_boxes"))
    return [f"{kernel}({', '.join(arguments)})"]


def _winograd(printer: StepPrinter, node: Node) -> list[str]:
    (top, _), (left, _) = node.param("geometry").padding
    add = "_add" if printer.plan.adds(node) else ""
    x, other, out = _operands(printer, node)
    tile, scratch = node.param("tile"), printer.views.scratch(node.dtype)
    return [f"{node.name}{add}({x}, {other}, {out}, {tile}, {top}, {left}, {scratch})"]


def _winograd_points(printer: StepPrinter, node: Node) -> list[str]:
    turned = "_transposed" if node.param("transposed") else ""
    w, out = _operands(printer, node)
    return [f"winograd_points{turned}({w}, {out}, {node.param('tile')}, {printer.views.scratch(node.dtype)})"]


def _operands(printer: StepPrinter, node: Node) -> list[str]:
    """The arrays that a kernel reads, and the one that it writes."""
    views = printer.views
    return [*[views.view(each, 0, each.shape) for each in node.inputs], views.view(node, 0, node.shape, writing=True)]


IMAGE_CALLS: dict[str, Callable[[StepPrinter, Node], list[str]]] = {
    **dict.fromkeys(KERNELS, _call),
    **dict.fromkeys(("winograd", "winograd_back", "winograd_weights"), _winograd),
    "winograd_points": _winograd_points,
}
