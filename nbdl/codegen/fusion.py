"""Put the operations of a graph into kernels: fused loops, and calls of hand-written kernels.

Only some values are *stored*: results, operands of calls, and reductions. Everything elementwise in between is computed
inside the loops that need it. A stored value joins an existing loop if its loop variables fit, if everything it reads
is known by then, and if it shares something with that loop. What is added up over the batch, or written by several
workers, can be read one *level* later: between two levels the workers meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from nbdl.codegen.index import Index, core, flattens, input_indices, own_index, squeezes
from nbdl.codegen.merging import merge_loops
from nbdl.codegen.storing import store_expensive, store_repeated
from nbdl.codegen.work import (
    Call,
    Kernel,
    Loop,
    Position,
    Value,
    adds_batch,
    is_call,
    is_scalar,
    is_scalar_work,
    memory_operands,
    reduced_variables,
    reduces_across,
    result_index,
    root_of,
    sums_batch,
)
from nbdl.ir.graph import Node, topological
from nbdl.ir.primitives import Primitive
from nbdl.ir.scan import inner_nodes, result
from nbdl.ir.shapes import Size, has_batch


def _compared_with_maximum(equal: Node) -> list[Node]:
    """The operand of a maximum, if an equality asks which of its elements it is: computed twice it may differ in the
    last bit.
    """
    x, y = equal.inputs
    return [each for each, largest in ((x, y), (y, x)) if largest.name == "max" and largest.inputs[0] is each]


class Fusion:
    """The kernels of a graph.

    Args:
        outputs: what must be computed.
        stored: outputs that need memory (single numbers need none).
        shared: those of them that are written where all workers read, so that each worker writes a part.
        rows_apart: whether the rows of a loop are computed at once, by threads of their own: then sums and maxima over
            the rows have loops of their own.
    """

    def __init__(
        self,
        outputs: Sequence[Node],
        stored: Iterable[Node] = (),
        shared: Iterable[Node] = (),
        *,
        rows_apart: bool = False,
    ):
        self.order = topological(outputs)
        self.rows_apart = rows_apart
        self.shared = {root_of(node) for node in shared}
        self.kernels: list[Kernel] = []
        self.kernel_of: dict[Node, Kernel] = {}
        self._walked: dict[tuple[Node, Index, int, int], tuple[list[Value], list[Value]]] = {}
        self.stored = self._stored(stored)
        store_repeated(self)
        self.scalar_position: dict[Node, Position] = {}
        for node in self.order:
            self._place(node)
        merge_loops(self)
        store_expensive(self)
        self.kernels.sort(key=lambda kernel: kernel.position)

    # --- what is stored ---

    def _stored(self, results: Iterable[Node]) -> set[Node]:
        stored = {root_of(node) for node in results}
        for node in self.order:
            if node.name == "equal":
                stored.update(map(root_of, _compared_with_maximum(node)))
            if node.primitive.kind == "reduction":
                stored.add(node)
            elif is_call(node):
                stored.add(node)
                stored.update(root_of(each) for each in memory_operands(node))
            elif node.primitive.kind == "result":
                stored.add(node)
            elif node.name == "reshape" and not squeezes(node):
                stored.add(root_of(node))
            elif is_scalar_work(node):
                stored.update(root_of(each) for each in node.inputs if not is_scalar_work(each))
        return {node for node in stored if not is_scalar_work(node) or self._needs_memory(node)}

    def _needs_memory(self, node: Node) -> bool:
        """A number worked out outside of loops has memory only if a call reads it."""
        calls = [each for each in self.order if is_call(each) and each.name != "pack"]
        return any(node in map(root_of, memory_operands(each)) for each in calls)

    # --- what a stored value reads ---

    def reads(self, node: Node, index: Index) -> list[Value]:
        """The stored values, leaves and numbers that element `index` of a seed is computed from."""
        found, _ = self.walk(node, index)
        return found

    def read_by(self, kernel: Kernel) -> list[Node]:
        """The nodes that a kernel reads; some may come more than once."""
        if isinstance(kernel, Call):
            return list(kernel.node.inputs)
        return [node for seed in kernel.seeds for node, _ in self.reads(seed, kernel.index[seed])]

    def walk(self, node: Node, index: Index) -> tuple[list[Value], list[Value]]:
        """What a seed reads, and what is computed in between.

        Asked for again and again while kernels are put together. It depends on what is stored and what has a kernel,
        which only gets more: their numbers say whether what was found is still true.
        """
        key = (node, index, len(self.stored), len(self.kernel_of))
        if key not in self._walked:
            self._walked[key] = self._walk(node, index)
        return self._walked[key]

    def _walk(self, node: Node, index: Index) -> tuple[list[Value], list[Value]]:
        found: dict[Value, None] = {}
        between: dict[Value, None] = {}
        stack = self.operands(node, index)
        while stack:
            each, place = stack.pop()
            if (each, place) in found or (each, place) in between:
                continue
            if self.stops(each):
                found[each, place] = None
            else:
                between[each, place] = None
                stack.extend(self.inputs(each, place))
        return list(found), list(between)

    def operands(self, node: Node, index: Index) -> list[Value]:
        """What a seed is computed from, one step down."""
        if node.primitive.kind == "reduction":
            return [(node.inputs[0], index)]
        return self.inputs(node, index)

    @staticmethod
    def inputs(node: Node, index: Index) -> list[Value]:
        """What element `index` of a node is computed from."""
        indices = input_indices(node, index)
        if indices is None:
            return [(each, own_index(each.shape)) for each in node.inputs]
        return list(zip(node.inputs, indices, strict=True))

    def stops(self, node: Node) -> bool:
        """Whether a loop reads this node rather than computing it."""
        if (
            is_scalar_work(node)
            or node in self.stored
            or node.primitive.kind in ("leaf", "reduction")
            or is_call(node)
        ):
            return True
        if not flattens(node):
            return False
        root = root_of(node)
        if squeezes(node) and isinstance(self.kernel_of.get(root), Loop):
            return False  # its input may be a value of the same loop
        return root in self.stored or root.primitive.kind in ("leaf", "call")

    # --- levels ---

    def ready(self, node: Node) -> Position:
        """The position after which others can read a node."""
        root = root_of(node)
        if root in self.scalar_position:
            return self.scalar_position[root]
        kernel = self.kernel_of.get(root)
        if kernel is None:
            return START
        return (kernel.level + 1, -1) if sums_batch(root) or root in self.shared else kernel.position

    def _place(self, node: Node) -> None:
        if is_scalar_work(node):
            self.scalar_position[node] = max((self.ready(each) for each in node.inputs), default=START)
            if node not in self.stored:
                return
        if flattens(node) or node.name == "input" or node.primitive.kind == "result":
            return
        if is_call(node):
            level = max((self._level_for(node, each) for each in node.inputs), default=0)
            call = Call(node, level, self._number(node), self._results(node))
            self.kernels.append(call)
            self.kernel_of |= dict.fromkeys((node, *call.stored), call)
        elif node in self.stored:
            self._place_seed(node)

    def _number(self, call: Node) -> int:
        """What reads weights only comes first: so it isn't done again for each block of rows."""
        weights = [each for each in call.inputs if root_of(each).primitive.kind == "leaf" and not is_scalar(each)]
        rows = any(has_batch(each.shape) for each in (call, *call.inputs))
        return len(self.kernels) if rows or len(weights) < len(call.inputs) else START[1]

    def _results(self, call: Node) -> list[Node]:
        """The results of a scan that are stored: those that something reads, and two slots of every other state."""
        if call.name != "scan":
            return []
        read = [node for node in self.order if node.primitive.kind == "result" and node.inputs[0] is call]
        states = {node.param("index") for node in read if node.param("kind") in ("state", "pair")}
        hidden = [index for index in range(len(call.param("body").states)) if index not in states]
        return [*read, *[result(call, "pair", index) for index in hidden]]

    def _level_for(self, call: Node, operand: Node) -> int:
        """The level at which a call can read an operand; sums that are packed are still partial: the whole is added up
        at once.
        """
        root = root_of(operand)
        kernel = self.kernel_of.get(root)
        if call.name == "pack" and kernel is not None and adds_batch(root):
            return kernel.level
        return self.ready(operand)[0]

    # --- loops ---

    def _place_seed(self, node: Node) -> None:
        shape = node.inputs[0].shape if node.primitive.kind == "reduction" else node.shape
        index = own_index(shape)
        reads = self.reads(node, index)
        loop = next(
            (
                each
                for each in reversed(self.kernels)
                if isinstance(each, Loop) and self.fits(each, node, shape, reads)
            ),
            None,
        )
        if loop is None:
            level = max((self.ready(each)[0] for each, _ in reads), default=0)
            loop = Loop(list(core(shape)), level, len(self.kernels), node in self.shared)
            self.kernels.append(loop)
        self.join(loop, node, index, reads)

    def join(self, loop: Loop, node: Node, index: Index, reads: list[Value]) -> None:
        """Make a value one of those that a loop stores."""
        shape = node.inputs[0].shape if node.primitive.kind == "reduction" else node.shape
        split = self._split_with(loop, node, shape, reads)
        loop.split = None if split == NO_SPLIT else split
        if len(core(shape)) > len(loop.domain):
            loop.domain = list(core(shape))
        loop.seeds.append(node)
        loop.index[node] = index
        loop.touched.update(root_of(each) for each, _ in reads)
        loop.touched.add(node)
        self.kernel_of[node] = loop

    def fits(
        self, loop: Loop, node: Node, shape: tuple[Size, ...], reads: list[Value], *, sharing: bool = True
    ) -> bool:
        """Whether a value can join a loop; with `sharing` only if both read or compute something of the other's."""
        if loop.shared != (node in self.shared) or (self.rows_apart and not self._reduce_alike(loop, node, shape)):
            return False
        if sharing and not any(root_of(each) in loop.touched for each, _ in reads if not is_scalar(each)):
            return False
        for each, index in reads:
            kernel = self.kernel_of.get(root_of(each))
            if kernel is loop:
                if not self._known_inside(loop, each, index):
                    return False
            elif self.ready(each) >= loop.position:
                return False
        return self._split_with(loop, node, shape, reads) is not None

    def _reduce_alike(self, loop: Loop, node: Node, shape: tuple[Size, ...]) -> bool:
        """Whether a value and those of a loop are all computed within their rows, or all added up over the same
        ones.
        """
        rank = max(len(loop.domain), len(core(shape)))
        return {reduces_across(each, rank) for each in loop.seeds} == {reduces_across(node, rank)}

    def _known_inside(self, loop: Loop, node: Node, index: Index) -> bool:
        """Whether a value of this loop can be used further on in the same loop."""
        if node not in loop.index or result_index(node, loop.index[node]) != index:
            return False
        if node.primitive.kind != "reduction":
            return True
        reduced = reduced_variables(node, loop.index[node])
        kept = len(loop.domain) - len(reduced)
        return 0 < kept < len(loop.domain) and not sums_batch(node) and reduced == set(range(kept, len(loop.domain)))

    def _split_with(self, loop: Loop, node: Node, shape: tuple[Size, ...], reads: list[Value]) -> int | None:
        """The loop's split after the node has joined (`NO_SPLIT`: none); None if the node doesn't fit."""
        sizes, domain = core(shape), tuple(loop.domain)
        short, long = sorted((sizes, domain), key=len)
        if long[: len(short)] != short or (not short and long):
            return None
        wanted = {loop.split} - {None}
        if len(short) < len(long):
            wanted.add(len(short))
            if len(sizes) > len(domain) and loop.split is not None:
                return None
        if node.primitive.kind == "reduction" and not sums_batch(node):
            reduced = reduced_variables(node, own_index(shape))
            kept = len(sizes) - len(reduced)
            if kept and len(sizes) == len(long) and reduced == set(range(kept, len(sizes))):
                wanted.add(kept)
        if len(wanted) > 1:
            return None
        return wanted.pop() if wanted else NO_SPLIT

    @cached_property
    def custom(self) -> list[Primitive]:
        """The operations of plugins that the graph uses."""
        nodes = [*self.order, *[each for node in self.order if node.name == "scan" for each in inner_nodes(node)]]
        return list(dict.fromkeys(node.primitive for node in nodes if node.primitive.kernel is not None))

    @cached_property
    def levels(self) -> int:
        """Number of levels."""
        return 1 + max(
            [kernel.level for kernel in self.kernels] + [level for level, _ in self.scalar_position.values()], default=0
        )


NO_SPLIT = -1
START: Position = (0, -1)
