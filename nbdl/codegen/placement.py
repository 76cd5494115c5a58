"""Where everything that a plan stores lies: in the caller's arrays where that can be, else in working memory."""

from __future__ import annotations

from nbdl.codegen.index import own_index
from nbdl.codegen.joint import find_joint_products
from nbdl.codegen.memory import Block, align, lay_out
from nbdl.codegen.plan import Buffer, Meeting, PackedBuffer, Plan, Slot, Space, Variable, byte_size, locate
from nbdl.codegen.wholes import starts
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
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Shape, has_batch, product


class Placement:
    """Gives every stored node of a plan a buffer."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.fusion = plan.fusion
        self.number = {kernel: place for place, kernel in enumerate(plan.kernels)}
        self.reads = {kernel: self.fusion.read_by(kernel) for kernel in plan.kernels}
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
            if each.role == "rows" and each.leaf is not None and each.leaf in used and not self._stays(each)
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

    def join_products(self) -> None:
        """Let the workers compute products over the batch together, where that pays: what they multiply moves to the
        memory of the whole batch, and stays there until they have met.
        """
        plan = self.plan
        plan.joint = find_joint_products(plan, self.readers)
        operands: dict[Node, None] = {}
        for kernel in plan.joint:
            for each in map(root_of, kernel.node.inputs):
                operands[each] = None
                self.readers.setdefault(each, []).append(self._end_of_level(self.number[kernel]))
            self._leave_out(kernel)
        rows = [node for node, buffer in plan.buffers.items() if buffer.space == "rows" and node not in operands]
        plan.row_bytes = self._place_in("rows", rows)
        plan.batch_row_bytes = self._place_in("batch", list(operands))

    def _leave_out(self, product: Call) -> None:
        """Take a product out of what the workers add up."""
        start = locate(self.plan, product.node).offset
        end, itemsize = start + byte_size(product.node), product.node.dtype.itemsize
        for meeting in self.plan.meetings:
            for piece in meeting.pieces:
                first, behind = piece[0], piece[0] + piece[1] * itemsize
                if first <= start and end <= behind:
                    meeting.pieces.remove(piece)
                    around = [(first, (start - first) // itemsize), (end, (behind - end) // itemsize)]
                    meeting.pieces.extend((offset, count) for offset, count in around if count)
                    meeting.pieces.sort()
                    return

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
            placed = self._stays(variable) if variable.role == "rows" else variable.role != "key"
            if variable.leaf is not None and placed:
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
        if variable.leaf is None and (variable.role == "own" or self._stays(variable)):
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

    def _stays(self, variable: Variable) -> bool:
        """Whether rows are read or written where they lie; a card gathers them."""
        return variable.in_order and not self.fusion.rows_apart

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
            whole = kernel.node
            for part, start in zip(whole.inputs, starts(whole), strict=True):
                slots.setdefault(part, []).append(Slot(whole, whole.param("axis"), start))
                readers.setdefault(part, set()).add(self.number[kernel])
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
            pieces = [(start, (offset - start) // dtype.itemsize)]
            self.plan.meetings.append(Meeting(group[0], pieces, dtype, group[2]))
        self.plan.partial_bytes = offset

    def _place_in(self, space: Space, nodes: list[Node]) -> int:
        """Lay nodes out in a space.

        What workers share is a result and stays to the end, so none overwrites what another still reads. In the memory
        of the whole batch the rows of one worker may lie where another has those of another value: that is free when
        all have met.
        """
        blocks = []
        for node in nodes:
            first = self._first_write(node)
            last = self._last_of_blocks(first, max(self.readers.get(node, []), default=first))
            if space == "batch":
                last = self._end_of_level(last)
            size = byte_size(node, self.plan.row_shapes.get(node))
            blocks.append(Block(size, first, max(first, last)))
        alignment = 4 if space in ("rows", "batch") else 64
        offsets, total = lay_out(blocks, alignment)
        for node, offset in zip(nodes, offsets, strict=True):
            self.plan.buffers[node] = Buffer(space, offset)
        return total

    def _end_of_level(self, place: int) -> int:
        """The last kernel before the workers meet, given a kernel's place; the end of the program is one of its own."""
        return self._first_after((self._level(place) + 1, -1)) - 1 if place < len(self.plan.kernels) else place

    def _last_of_blocks(self, first: int, last: int) -> int:
        """When a value has been read for the last time, if one block of rows runs after another: what was computed
        before them is read by each.
        """
        blocks = self.plan.block_kernels
        return blocks.stop - 1 if blocks and first < blocks.start <= last < blocks.stop else last

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


def stored_by(kernel: Kernel) -> list[Node]:
    """The stored nodes that a kernel computes."""
    return kernel.stored if isinstance(kernel, Call) else list(kernel.seeds)
