"""Loops that a later one can take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbdl.codegen.index import core, own_index
from nbdl.codegen.work import Call, Kernel, Loop, root_of

if TYPE_CHECKING:
    from nbdl.codegen.fusion import Fusion


def merge_loops(fusion: Fusion) -> None:
    """A loop whose values are first read by a later loop becomes part of that one, if all of it fits there."""
    for early in [kernel for kernel in fusion.kernels if isinstance(kernel, Loop)]:
        if early not in fusion.kernels:
            continue  # an earlier one has made a new loop of it
        reader = _first_reader(fusion, early)
        if (
            not isinstance(reader, Loop)
            or reader is early
            or (reader.level, reader.shared) != (early.level, early.shared)
        ):
            continue
        if _takes_over(fusion, reader, early):
            fusion.kernels.remove(early)


def _first_reader(fusion: Fusion, loop: Loop) -> Kernel | None:
    """The first kernel that reads what a loop stores; None if a number or a result outside of kernels needs it
    first.
    """
    own = set(loop.seeds)
    if any(root_of(each) in own for node in fusion.scalar_position for each in node.inputs):
        return None
    readers = []
    for kernel in fusion.kernels:
        if isinstance(kernel, Call):
            nodes = list(kernel.node.inputs)
        else:
            nodes = [node for seed in kernel.seeds for node, _ in fusion.reads(seed, kernel.index[seed])]
        if kernel is not loop and any(root_of(node) in own for node in nodes):
            readers.append(kernel)
    return min(readers, key=lambda kernel: (kernel.level, kernel.number), default=None)


def _takes_over(fusion: Fusion, late: Loop, early: Loop) -> bool:
    """Move the values of `early` into `late`, unless one of the values of both doesn't fit there any more."""
    joined = Loop([], late.level, late.number, late.shared)
    homes = dict(fusion.kernel_of)
    for seed in sorted([*early.seeds, *late.seeds], key=fusion.order.index):
        shape = seed.inputs[0].shape if seed.primitive.kind == "reduction" else seed.shape
        index = own_index(shape)
        reads = fusion.reads(seed, index)
        if not joined.seeds:
            joined.domain = list(core(shape))
        elif not fusion.fits(joined, seed, shape, reads, sharing=False):
            fusion.kernel_of = homes
            return False
        fusion.join(joined, seed, index, reads)
    fusion.kernels[fusion.kernels.index(late)] = joined
    return True
