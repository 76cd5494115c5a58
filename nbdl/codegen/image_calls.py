"""Print the calls of the kernels for images: each goes over its image by a table that the module makes when it is
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
    arguments = [printer.views.view(each, 0, each.shape) for each in node.inputs]
    arguments.append(printer.views.view(node, 0, node.shape, writing=True))
    if table != "pool_boxes":
        arguments.append(printer.views.scratch(node.dtype))
    adds = ", add=True" if printer.plan.adds(node) else ""
    arguments.append(printer.functions.table(f"{table}({geometry!r}{adds})", f"{label(node)}_boxes"))
    return [f"{kernel}({', '.join(arguments)})"]


IMAGE_CALLS: dict[str, Callable[[StepPrinter, Node], list[str]]] = dict.fromkeys(KERNELS, _call)
