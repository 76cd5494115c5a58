"""Some rows at a time: forward and backward of a few rows, then of the next ones, so that what they need of each other
stays in the second-level cache.

Layer by layer, a batch of images is written to memory and read again many times. The rows of a batch meet only in sums,
so they can as well go through all layers a few at a time, each block adding to the sums of those before. That costs
reading the weights, and adding to their gradients, once for each block.
"""

from __future__ import annotations

from nbdl.codegen.fusion import Fusion
from nbdl.codegen.plan import Plan, byte_size
from nbdl.codegen.shards import mixes_rows
from nbdl.codegen.work import Call, Kernel, root_of, sums_batch, works_on_rows
from nbdl.ir.graph import Node
from nbdl.ir.shapes import has_batch

CACHE = 2**20
"""Bytes of rows that stay in a core's second-level cache."""

MOST_ROWS = 64
"""A worker seldom has more rows: where so many fit into the cache, blocks are not worth while, unless a batch is known
to be large.
"""

WORTH_CUTTING = 4
"""A batch that has room for so many blocks is large: some for each worker."""


def find_block_kernels(fusion: Fusion) -> range:
    """Which kernels, by their places, can run for some rows after others: all that see rows, or none.

    They can if all of that is done before the workers meet, and nothing in between changes what another block reads.
    """
    kernels = fusion.kernels
    places = [place for place, kernel in enumerate(kernels) if works_on_rows(kernel)]
    if not places or kernels[places[-1]].level > 0 or mixes_rows(fusion.order):
        return range(0)
    found = range(places[0], places[-1] + 1)
    first, last = kernels[found.start].position, kernels[found.stop - 1].position
    late_numbers = any(first <= position < last for position in fusion.scalar_position.values())
    if late_numbers or any(_belongs_to_all(fusion, kernels[place]) for place in found):
        return range(0)
    return found


def _belongs_to_all(fusion: Fusion, kernel: Kernel) -> bool:
    """Whether a kernel writes what all workers read, or takes the largest of all rows."""
    if isinstance(kernel, Call):
        return root_of(kernel.node) in fusion.shared
    return kernel.shared or any(seed.name == "max" and sums_batch(seed) for seed in kernel.seeds)


def rows_at_a_time(plan: Plan) -> int | None:
    """How many rows a block has; None if it isn't worth while, as all that a worker has fit into the cache.

    A block's rows take at least as much memory as the weights and the sums, which each block goes through again: those
    of a loop over time in each of its steps, whose products should have as many rows as possible.
    """
    if not plan.block_kernels:
        return None
    again = plan.added_bytes + sum(map(byte_size, _whole_operands(plan))) + sum(map(_bytes_of_steps, _calls(plan)))
    rows = max(1, max(CACHE, again) // max(1, plan.row_bytes + plan.row_bytes_of_bodies))
    return rows if rows <= max(MOST_ROWS, (plan.batch or 0) // WORTH_CUTTING) else None


def _calls(plan: Plan) -> list[Node]:
    """What kernels of their own compute in a block."""
    return [kernel.node for place in plan.block_kernels if isinstance(kernel := plan.kernels[place], Call)]


def _whole_operands(plan: Plan) -> set[Node]:
    """What the calls of a block read beside rows."""
    return {root_of(each) for node in _calls(plan) for each in node.inputs if not has_batch(each.shape)}


def _bytes_of_steps(call: Node) -> int:
    """What the steps of a loop over time read beside rows."""
    if call.name != "scan":
        return 0
    whole = [leaf for leaf in call.param("body").leaves if not has_batch(leaf.shape)]
    return call.param("length") * sum(map(byte_size, whole))
