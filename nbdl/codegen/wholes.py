"""How parts lie in what they make up: concatenations along an axis, and packed vectors."""

from __future__ import annotations

from collections.abc import Iterator

from nbdl.codegen.plan import PackedBuffer, Plan
from nbdl.codegen.work import root_of
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Shape, product


def blocks(shape: Shape, axis: int) -> Shape:
    """A shape as (before, axis, behind)."""
    return product(shape[:axis]), shape[axis], product(shape[axis + 1 :])


def starts(concatenation: Node) -> list[int]:
    """Where each input of a concatenation begins along its axis."""
    found, start = [], 0
    for each in concatenation.inputs:
        found.append(start)
        size = each.shape[concatenation.param("axis")]
        assert isinstance(size, int)  # the batch axis isn't concatenated
        start += size
    return found


def gaps(pack: Node) -> Iterator[tuple[int, int]]:
    """The stretches of a packed vector that belong to no part: where each begins, and its size."""
    end = 0
    sizes = [product(part.shape) for part in pack.inputs]
    for offset, size in [*zip(pack.param("offsets"), sizes, strict=True), (pack.param("size"), 0)]:
        assert isinstance(size, int)  # whole tensors are packed
        if offset > end:
            yield end, offset - end
        end = offset + size


def parts_elsewhere(plan: Plan, pack: Node) -> Iterator[tuple[Node, int]]:
    """The parts of a packed vector that aren't computed in their place there, and where they belong."""
    for part, offset in zip(pack.inputs, pack.param("offsets"), strict=True):
        buffer = plan.buffers.get(root_of(part))
        if not (isinstance(buffer, PackedBuffer) and buffer.pack is pack):
            yield part, offset
