"""The plan of a program: kernels in order, and a place in memory for everything that is stored.

Spaces of memory:

- `rows`: one row of a buffer for each row of the batch that a worker has; places are counted in bytes a row, so one
  plan serves every batch size;
- `local`: whole tensors that each worker computes for itself;
- `partial`: what each worker adds up over its rows; after a level the workers' parts are added up in `total`;
- `shared`: whole tensors that the workers write together;
- `batch`: one row of a buffer for each row of the whole batch: each worker writes its rows, and all can read them;
- `state`: the arrays that the caller hands in and gets back changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nbdl.codegen.fusion import Fusion
from nbdl.codegen.memory import align
from nbdl.codegen.work import Call, Kernel, root_of, sums_batch
from nbdl.errors import VerifyError
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch, Shape, product
from nbdl.ir.winograd import NEEDS_ROOM
from nbdl.kernels.winograd import ROOM, room

Space = Literal["rows", "local", "partial", "shared", "batch", "state"]
Role = Literal["rows", "state", "value", "result", "row_result", "key", "own"]


@dataclass(frozen=True, eq=False)
class Variable:
    """An array that the program is called with.

    - `rows`: a data set; `leaf` is the batch of rows gathered from it;
    - `state`: `leaf` is the value at the beginning of a step, `result` the one at the end;
    - `value`: read only;
    - `key`: what random numbers depend on, (seed, step): the program fills it in;
    - `result`: written only;
    - `row_result`: `result` has a row for each row of the batch, written where the data set's row is;
    - `own`: `result` lies in memory that a worker has for itself (in the body of a scan); with a `leaf`, it is the
      value of before.

    Rows of data or results that are `in_order` follow one another, in contiguous memory and from batch to batch: a CPU
    reads or writes them where they lie. State that begins `anew` with each epoch has a row for each epoch of a call.
    """

    name: str
    role: Role
    leaf: Node | None = None
    result: Node | None = None
    in_order: bool = False
    anew: bool = False

    @property
    def node(self) -> Node:
        """A node with the variable's shape and dtype."""
        node = self.leaf if self.leaf is not None else self.result
        if node is None:
            raise VerifyError(f"the variable {self.name} has neither a leaf nor a result")
        return node


@dataclass(frozen=True, eq=False)
class Buffer:
    """Where a stored node lies: `offset` bytes (bytes a row in `rows`) into a space, or an element of a variable's
    array.
    """

    space: Space
    offset: int
    variable: Variable | None = None


@dataclass(frozen=True, eq=False)
class PackedBuffer(Buffer):
    """A part of a packed vector: `offset` bytes behind the beginning of `pack`."""

    pack: Node | None = None


@dataclass(frozen=True)
class Meeting:
    """What the workers add up between two levels: pieces of `partial`, each an offset and a count of numbers."""

    level: int
    pieces: list[tuple[int, int]]
    dtype: np.dtype
    maximum: bool


@dataclass(frozen=True)
class Slot:
    """Where a value lies inside of a concatenation: from `start` on along an axis."""

    whole: Node
    axis: int
    start: int


@dataclass
class Plan:
    """Everything that a code generator needs to print a program.

    It serves batches of any size; `batch` is the one that is expected, if that is known. If there are `block_rows`, the
    `block_kernels`, by their places, run for so many rows of a worker at a time. The `joint` products are computed by
    all workers together, at the end of their level.
    """

    variables: Sequence[Variable]
    fusion: Fusion
    buffers: dict[Node, Buffer] = field(default_factory=dict)
    slots: dict[Node, list[Slot]] = field(default_factory=dict)
    row_shapes: dict[Node, Shape] = field(default_factory=dict)
    meetings: list[Meeting] = field(default_factory=list)
    copies: list[Variable] = field(default_factory=list)
    scalar_results: list[Variable] = field(default_factory=list)
    row_bytes: int = 0
    local_bytes: int = 0
    partial_bytes: int = 0
    shared_bytes: int = 0
    batch_row_bytes: int = 0
    joint: list[Call] = field(default_factory=list)
    batch: int | None = None
    block_kernels: range = range(0)
    block_rows: int | None = None
    bodies: dict[Node, Plan] = field(default_factory=dict)
    outer: Plan | None = None

    @property
    def kernels(self) -> list[Kernel]:
        """Kernels in the order in which they run."""
        return self.fusion.kernels

    def adds(self, node: Node) -> bool:
        """Whether a node is a sum over rows that is added to what is there already: to those of other blocks."""
        return self.block_rows is not None and sums_batch(node)

    def capacity(self, batch: int, workers: int) -> int:
        """Rows that a worker's arena has room for."""
        rows = -(-batch // workers)
        return align(rows if self.block_rows is None else min(rows, self.block_rows), 16)

    @property
    def added_bytes(self) -> int:
        """Bytes of what a worker adds up over its rows."""
        return sum(count * each.dtype.itemsize for each in self.meetings for _, count in each.pieces)

    def shared_size(self, batch: int, workers: int) -> int:
        """Bytes of the memory that all workers see."""
        own = (1 + workers) * self.partial_bytes + self.shared_bytes
        return own + self.batch_row_bytes * align(batch, 16)

    @property
    def scratch(self) -> int:
        """Numbers of scratch memory that convolutions need beyond what every program has; 0 if that is enough."""
        if self.outer is not None:
            return self.outer.scratch
        nodes = [node for node in self.fusion.order if node.name in NEEDS_ROOM]
        needed = max((room(node.param("geometry"), node.param("tile")) for node in nodes), default=0)
        return needed if needed > ROOM else 0

    @property
    def row_bytes_of_bodies(self) -> int:
        """Bytes a row that the bodies of scans need, one after the other."""
        return max((inner.row_bytes for inner in self.bodies.values()), default=0)

    @property
    def arena_row_bytes(self) -> int:
        """Bytes a row of a worker's arena, of which the body of a scan has a part."""
        return self.row_bytes if self.outer is None else self.outer.arena_row_bytes

    @property
    def arena_local_bytes(self) -> int:
        """Bytes for whole tensors in a worker's arena, of which the body of a scan has a part."""
        return self.local_bytes if self.outer is None else self.outer.arena_local_bytes


def locate(plan: Plan, root: Node) -> Buffer:
    """Where a stored node lies, packed parts included."""
    buffer = plan.buffers[root]
    if isinstance(buffer, PackedBuffer) and buffer.pack is not None:
        outer = locate(plan, buffer.pack)
        return Buffer(outer.space, outer.offset + buffer.offset, outer.variable)
    return buffer


def resolve(node: Node) -> tuple[Node, int, int]:
    """The node whose memory a view looks into, and where it begins: elements, and elements for each row."""
    start = start_rows = 0
    while node.name in ("reshape", "slice") and root_of(node) is not node:
        if node.name == "slice":
            behind = product(node.inputs[0].shape[node.param("axis") + 1 :])
            if isinstance(behind, Batch):
                start_rows += node.param("start") * behind.multiple
            else:
                start += node.param("start") * behind
        node = node.inputs[0]
    return node, start, start_rows


def memory_of(plan: Plan, node: Node) -> str:
    """What tells a stored node's memory from all other memory."""
    root, start, rows = resolve(node)
    if root not in plan.buffers:
        return str(id(root))
    buffer = locate(plan, root)
    place = id(buffer.variable) if buffer.variable is not None else f"{buffer.space} {id(root)}"
    return f"{place} {buffer.offset + start * root.dtype.itemsize} {rows}"


def byte_size(node: Node, shape: Shape | None = None) -> int:
    """Bytes of a node (or of another shape of its numbers), or bytes a row if it has the batch axis."""
    size = product(node.shape if shape is None else shape)
    count = size.multiple if isinstance(size, Batch) else size
    return align(count * node.dtype.itemsize, 4)
