"""Products of all rows: gradients of weights that the workers compute together, each a part of every product.

Else each worker multiplies its own rows, and the sums of all workers are added up afterwards: for a large matrix that
writes and reads three times as much memory as the matrix has. Instead the workers put their rows where all can read
them; when they have met, each computes a part of the matrix, from all rows, where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from nbdl.codegen.plan import PackedBuffer, Plan
from nbdl.codegen.shards import mixes_rows
from nbdl.codegen.work import Call, Kernel, Loop, adds_batch, root_of
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, product

ROWS = 64
"""As many rows as workers often have of each other."""


def find_joint_products(plan: Plan, readers: dict[Node, list[int]]) -> list[Call]:
    """The products over the batch that workers can share out among them; `readers` are the places of the kernels that
    read a value.
    """
    if mixes_rows(plan.fusion.order):
        return []
    return [
        kernel
        for kernel in plan.kernels
        if isinstance(kernel, Call)
        and _multiplies_rows(kernel.node)
        and _pays(kernel.node)
        and plan.buffers[kernel.node].space == "partial"
        and all(_lies_in_rows(plan, root_of(each)) for each in kernel.node.inputs)
        and _is_read_later(plan, kernel, readers.get(kernel.node, []))
    ]


def _multiplies_rows(node: Node) -> bool:
    """Whether a node is a product of two matrices over their rows, those of the batch."""
    if node.name != "matmul" or len(node.shape) != 2 or not node.param("transpose_x") or node.param("transpose_y"):
        return False
    return all(isinstance(each.shape[0], Batch) and _is_whole(each) for each in node.inputs)


def _is_whole(node: Node) -> bool:
    """Whether a node is all of what lies in memory there, and there the rows of the batch follow one another."""
    root = root_of(node)
    return isinstance(root.shape[0], Batch) and product(root.shape) == product(node.shape)


def _pays(node: Node) -> bool:
    """Whether adding up the workers' sums moves more numbers than reading the rows of the others."""
    sizes = [size for size in node.shape if isinstance(size, int)]
    rows = node.inputs[0].shape[0]
    assert isinstance(rows, Batch)
    return 2 * prod(sizes) > ROWS * rows.multiple * (min(sizes) + max(sizes) // 2)


def _lies_in_rows(plan: Plan, root: Node) -> bool:
    """Whether a value is stored with the rows of a worker, and could as well be stored with those of all."""
    buffer = plan.buffers.get(root)
    kernel = plan.fusion.kernel_of.get(root)
    if buffer is None or buffer.space != "rows" or root in plan.row_shapes:
        return False
    if kernel is None:
        return root.name == "input"  # a batch of the data
    return isinstance(kernel, Loop) or (kernel.node is root and root.name != "scan")


def _is_read_later(plan: Plan, kernel: Call, readers: Iterable[int]) -> bool:
    """Whether nobody reads what a worker has of a product before the workers have met: a vector that has the product in
    its place doesn't, one that copies it there does.
    """
    if isinstance(plan.buffers[kernel.node], PackedBuffer):
        return True
    others = [plan.kernels[place] for place in readers if place < len(plan.kernels)]
    return all(each.level > kernel.level and not _adds_up(each) for each in others)


def _adds_up(kernel: Kernel) -> bool:
    """Whether a kernel packs sums that the workers have yet to add up."""
    return isinstance(kernel, Call) and kernel.node.name == "pack" and adds_batch(kernel.node)
