"""The plan of a program: kernels in order, and a place in memory for everything that is stored.

Spaces of memory:

- `rows`: one row of a buffer for each row of the batch that a worker has; places are counted in bytes a row, so one
  plan serves every batch size;
- `local`: whole tensors that each worker computes for itself;
- `partial`: what each worker adds up over its rows; after a level the workers' parts are added up in `total`;
- `shared`: whole tensors that the workers write together;
- `state`: the arrays that the caller hands in and gets back changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nbdl.codegen.fusion import Fusion
from nbdl.codegen.index import own_index
from nbdl.codegen.memory import Block, align, lay_out
from nbdl.codegen.names import short_label
from nbdl.codegen.work import (
    Call,
    Kernel,
    Loop,
    Position,
    adds_batch,
    is_scalar_work,
    root_of,
    row_shape,
    sums_batch,
)
from nbdl.errors import ShapeError, VerifyError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.scan import Body
from nbdl.ir.shapes import Batch, Shape, has_batch, product, show_shape

Space = Literal["rows", "local", "partial", "shared", "state"]
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
    """

    name: str
    role: Role
    leaf: Node | None = None
    result: Node | None = None

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


@dataclass(frozen=True)
class Meeting:
    """What the workers add up between two levels: a piece of `partial`, `count` numbers of one dtype."""

    level: int
    offset: int
    count: int
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
    """Everything that a code generator needs to print a program."""

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
    bodies: dict[Node, Plan] = field(default_factory=dict)
    outer: Plan | None = None

    @property
    def kernels(self) -> list[Kernel]:
        """Kernels in the order in which they run."""
        return self.fusion.kernels

    @property
    def arena_row_bytes(self) -> int:
        """Bytes a row of a worker's arena, of which the body of a scan has a part."""
        return self.row_bytes if self.outer is None else self.outer.arena_row_bytes

    @property
    def arena_local_bytes(self) -> int:
        """Bytes for whole tensors in a worker's arena, of which the body of a scan has a part."""
        return self.local_bytes if self.outer is None else self.outer.arena_local_bytes


def make_plan(variables: Sequence[Variable], *, rows_apart: bool = False) -> Plan:
    """Schedule the variables' results and give everything a place.

    With `rows_apart` the rows of a loop may be computed at once, as a graphics card does it.

    Raises `ShapeError` if a `row_result` has no row for each row.
    """
    for each in variables:
        if each.role in ("rows", "row_result") and each.node.shape[:1] != (Batch(),):
            raise ShapeError(
                f"{each.name} has the shape {show_shape(each.node.shape)}; its first axis must be the batch axis, n"
            )
    variables = [_moved(each) for each in variables]
    results = [each.result for each in variables if each.result is not None]
    memory = [node for node in results if not is_scalar_work(node)]
    own = [each.result for each in variables if each.role == "own"]
    shared = [
        node
        for node in memory
        if node not in own
        and root_of(node).primitive.kind in ("elementwise", "index", "movement") and not has_batch(node.shape)
    ]
    plan = Plan(variables, Fusion(results, memory, shared, rows_apart=rows_apart))
    _Placement(plan).run()
    _plan_bodies(plan)
    return plan


def _plan_bodies(plan: Plan) -> None:
    """Plan the bodies of scans; one runs at a time, so that they share their memory, behind everything else."""
    for kernel in plan.kernels:
        if isinstance(kernel, Call) and kernel.node.name == "scan":
            plan.bodies[kernel.node] = make_plan(body_variables(kernel.node), rows_apart=plan.fusion.rows_apart)
    for inner in plan.bodies.values():
        inner.outer = plan
        _shift(inner, plan.row_bytes, plan.local_bytes)
    plan.row_bytes += max((inner.row_bytes for inner in plan.bodies.values()), default=0)
    plan.local_bytes += max((inner.local_bytes for inner in plan.bodies.values()), default=0)


def body_variables(scan: Node) -> list[Variable]:
    """The arrays that the body of a scan is called with: its leaves, and what it computes."""
    body: Body = scan.param("body")
    operands = dict(zip(body.leaves, scan.inputs, strict=True))
    variables = [
        Variable(leaf.title or short_label(operands[leaf]), "value", leaf) for leaf in body.leaves
    ]
    for leaf, node in zip(body.states, body.new_states, strict=True):
        variables.append(Variable(f"new_{leaf.title}", "own", None, node))
    for node in body.stacks:
        variables.append(Variable(short_label(node), "own", None, node))
    for node in body.totals:
        before = ops.leaf(node.shape, node.dtype, name="total")
        variables.append(Variable(f"total_{short_label(node)}", "own", before, ops.add(before, node)))
    return variables


def _shift(plan: Plan, row_bytes: int, local_bytes: int) -> None:
    """Move everything in a plan's arena behind what the program around it has there."""
    by = {"rows": row_bytes, "local": local_bytes}
    for node, buffer in plan.buffers.items():
        if buffer.space in by and not isinstance(buffer, PackedBuffer):
            plan.buffers[node] = Buffer(buffer.space, buffer.offset + by[buffer.space])
    for inner in plan.bodies.values():
        _shift(inner, row_bytes, local_bytes)


def _moved(variable: Variable) -> Variable:
    """A result that is (a view of) what the caller has handed in is computed as its copy: the original may be
    overwritten.
    """
    result = variable.result
    if (
        result is None
        or result is variable.leaf
        or is_scalar_work(result)
        or has_batch(result.shape)
        or root_of(result).name != "input"
    ):
        return variable
    return Variable(variable.name, variable.role, variable.leaf, ops.stop_gradient(result))


class _Placement:
    """Gives every stored node of a plan a buffer."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.fusion = plan.fusion
        self.number = {kernel: place for place, kernel in enumerate(plan.kernels)}
        self.reads = {kernel: self._reads(kernel) for kernel in plan.kernels}
        self.readers: dict[Node, list[int]] = {}
        for kernel, nodes in self.reads.items():
            for node in nodes:
                self.readers.setdefault(root_of(node), []).append(self.number[kernel])
        for node, position in self.fusion.scalar_position.items():
            for each in node.inputs:
                self.readers.setdefault(root_of(each), []).append(self._first_after(position))
        for variable in plan.variables:
            if (
                variable.result is not None and variable.result is not variable.leaf
            ):  # read at the end, when results are copied
                self.readers.setdefault(root_of(variable.result), []).append(len(plan.kernels))

    def run(self) -> None:
        """Fill in the plan's buffers and sizes."""
        self._place_variables()
        self._place_packs()
        self._place_slots()
        homeless = [
            node
            for kernel in self.plan.kernels
            for node in stored_by(kernel)
            if node not in self.plan.buffers and node not in self.plan.slots and self._is_kept(node)
        ]
        self._place_partials([node for node in homeless if sums_batch(node)])
        rest = [node for node in homeless if not sums_batch(node)]
        self.plan.row_shapes = {node: shape for node in rest if (shape := self._row_shape(node)) is not None}
        used = set(self.fusion.order)
        gathered = [
            each.leaf
            for each in self.plan.variables
            if each.role == "rows" and each.leaf is not None and each.leaf in used
        ]
        of_rows = [node for node in rest if has_batch(node.shape) and node not in self.plan.row_shapes]
        self.plan.row_bytes = self._place_in("rows", [*gathered, *of_rows])
        keys = [
            each.leaf
            for each in self.plan.variables
            if each.role == "key" and each.leaf is not None and each.leaf in used
        ]
        whole = [*keys, *[node for node in rest if node in self.plan.row_shapes or not has_batch(node.shape)]]
        self.plan.local_bytes = self._place_in("local", [node for node in whole if node not in self.fusion.shared])
        self.plan.shared_bytes = self._place_in("shared", [node for node in whole if node in self.fusion.shared])

    def _reads(self, kernel: Kernel) -> list[Node]:
        if isinstance(kernel, Call):
            return list(kernel.node.inputs)
        return [node for seed in kernel.seeds for node, _ in self.fusion.reads(seed, kernel.index[seed])]

    def _first_after(self, position: Position) -> int:
        return next(
            (place for place, kernel in enumerate(self.plan.kernels) if kernel.position > position),
            len(self.plan.kernels),
        )

    def _is_kept(self, node: Node) -> bool:
        """Whether something outside of its own loop reads a node."""
        own = self.number[self.fusion.kernel_of[node]]
        return node.primitive.kind != "reduction" or any(place != own for place in self.readers.get(node, ()))

    # --- variables ---

    def _place_variables(self) -> None:
        for variable in self.plan.variables:
            if variable.leaf is not None and variable.role not in ("rows", "key"):
                self.plan.buffers[variable.leaf] = Buffer("state", 0, variable)
        for variable in self.plan.variables:
            result = variable.result
            if result is None or result is variable.leaf:
                continue
            root = root_of(result)
            if is_scalar_work(result):
                self.plan.scalar_results.append(variable)
            elif self._can_write_directly(variable, root):
                self.plan.buffers[root] = Buffer("state", 0, variable)
            else:
                self.plan.copies.append(variable)

    def _can_write_directly(self, variable: Variable, root: Node) -> bool:
        """Whether the result can be computed in the variable's own array: nobody needs the old value any more.

        Only what the workers share out among them is: else all of them would write to the same memory at once.
        """
        kernel = self.fusion.kernel_of.get(root)
        whole = variable.result is not None and product(variable.result.shape) == product(root.shape)
        if kernel is None or root in self.plan.buffers or not whole:
            return False
        if variable.role == "own" and variable.leaf is None:
            return True
        if not isinstance(kernel, Loop) or (variable.role != "own" and root not in self.fusion.shared):
            return False
        if variable.leaf is None:
            return True
        others = [place for place in self.readers.get(variable.leaf, ()) if place != self.number[kernel]]
        if any(self._level(place) >= kernel.level for place in others):
            return False  # another worker may still be there
        mine = [
            index
            for seed in kernel.seeds
            for node, index in self.fusion.reads(seed, kernel.index[seed])
            if root_of(node) is variable.leaf
        ]
        return all(index == own_index(variable.leaf.shape) for index in mine) and not self._aliased(
            kernel, variable.leaf
        )

    def _level(self, place: int) -> int:
        """The level of a kernel, given its place; the end of the program counts as one more."""
        return self.plan.kernels[place].level if place < len(self.plan.kernels) else self.fusion.levels

    def _aliased(self, kernel: Loop, leaf: Node) -> bool:
        """Whether a loop reads a piece of the leaf through a view, at other positions than it writes."""
        return any(root_of(node) is leaf and node is not leaf for node in self.reads[kernel])

    # --- packed vectors ---

    def _place_packs(self) -> None:
        """Parts of a packed vector are computed in their place there, if nobody else needs them."""
        for kernel in self.plan.kernels:
            if isinstance(kernel, Call) and kernel.node.name == "pack":
                pack = kernel.node
                for part, offset in zip(pack.inputs, pack.param("offsets"), strict=True):
                    root = root_of(part)
                    alone = self.readers.get(root, []) == [self.number[kernel]] and root in self.fusion.kernel_of
                    whole = product(part.shape) == product(root.shape)
                    same = sums_batch(root) == adds_batch(root) == adds_batch(pack) and root not in self.fusion.shared
                    if alone and whole and same and root not in self.plan.buffers and root.name != "pack":
                        self.plan.buffers[root] = PackedBuffer(
                            "partial" if adds_batch(pack) else "local", offset * pack.dtype.itemsize, None, pack
                        )

    # --- concatenations ---

    def _place_slots(self) -> None:
        """Loops compute the parts of concatenations in their places there, if nobody else needs them."""
        slots: dict[Node, list[Slot]] = {}
        readers: dict[Node, set[int]] = {}
        for kernel in self.plan.kernels:
            if not isinstance(kernel, Call) or kernel.node.name != "concatenate":
                continue
            whole, start = kernel.node, 0
            axis = whole.param("axis")
            for part in whole.inputs:
                slots.setdefault(part, []).append(Slot(whole, axis, start))
                readers.setdefault(part, set()).add(self.number[kernel])
                size = part.shape[axis]
                assert isinstance(size, int)  # the batch axis isn't concatenated
                start += size
        for part, places in slots.items():
            loop = self.fusion.kernel_of.get(part)
            if not isinstance(loop, Loop) or part.primitive.kind == "reduction":
                continue
            alone = set(self.readers[part]) - {self.number[loop]} == readers[part]
            if alone and part not in self.plan.buffers and part not in self.fusion.shared:
                self.plan.slots[part] = places

    # --- everything else ---

    def _place_partials(self, nodes: list[Node]) -> None:
        """Lay out what is added up over the batch, level by level, each level's sums in one piece."""
        key = {node: (self.fusion.kernel_of[node].level, node.dtype.name, node.name == "max") for node in nodes}
        offset = 0
        for group in sorted(set(key.values())):
            start = offset
            members = [node for node in nodes if key[node] == group]
            for node in members:
                self.plan.buffers[node] = Buffer("partial", offset)
                offset += align(byte_size(node))
            dtype = members[0].dtype
            self.plan.meetings.append(Meeting(group[0], start, (offset - start) // dtype.itemsize, dtype, group[2]))
        self.plan.partial_bytes = offset

    def _place_in(self, space: Space, nodes: list[Node]) -> int:
        """Lay nodes out in a space.

        What workers share is a result and stays to the end, so none overwrites what another still reads.
        """
        blocks = []
        for node in nodes:
            first = self._first_write(node)
            last = max(self.readers.get(node, []), default=first)
            size = byte_size(node, self.plan.row_shapes.get(node))
            blocks.append(Block(size, first, max(first, last)))
        alignment = 4 if space == "rows" else 64
        offsets, total = lay_out(blocks, alignment)
        for node, offset in zip(nodes, offsets, strict=True):
            self.plan.buffers[node] = Buffer(space, offset)
        return total

    def _row_shape(self, node: Node) -> Shape | None:
        """The shape of one row of a value that no other kernel reads."""
        loop = self.fusion.kernel_of[node]
        if not isinstance(loop, Loop) or self.fusion.rows_apart:
            return None
        if set(self.readers.get(node, ())) - {self.number[loop]}:
            return None
        return row_shape(node, loop)

    def _first_write(self, node: Node) -> int:
        """The number of the first kernel that writes to a node's memory; -1 is before the first kernel."""
        kernel = self.fusion.kernel_of.get(node)
        if kernel is None:
            return -1
        parts = [root_of(part) for part in node.inputs] if node.name in ("pack", "concatenate") else []
        return min(
            [
                self.number[kernel],
                *[self.number[self.fusion.kernel_of[part]] for part in parts if part in self.fusion.kernel_of],
            ]
        )


@dataclass(frozen=True, eq=False)
class PackedBuffer(Buffer):
    """A part of a packed vector: `offset` bytes behind the beginning of `pack`."""

    pack: Node | None = None


def locate(plan: Plan, root: Node) -> Buffer:
    """Where a stored node lies, packed parts included."""
    buffer = plan.buffers[root]
    if isinstance(buffer, PackedBuffer) and buffer.pack is not None:
        outer = locate(plan, buffer.pack)
        return Buffer(outer.space, outer.offset + buffer.offset, outer.variable)
    return buffer


def stored_by(kernel: Kernel) -> list[Node]:
    """The stored nodes that a kernel computes."""
    return kernel.stored if isinstance(kernel, Call) else list(kernel.seeds)


def byte_size(node: Node, shape: Shape | None = None) -> int:
    """Bytes of a node (or of another shape of its numbers), or bytes a row if it has the batch axis."""
    size = product(node.shape if shape is None else shape)
    count = size.multiple if isinstance(size, Batch) else size
    return align(count * node.dtype.itemsize, 4)
