"""What the scheduler makes of nodes: kernels, and what kind of work each node is."""

from __future__ import annotations

from dataclasses import dataclass, field

from nbdl.codegen.index import Index, Place, core, flattens, own_index
from nbdl.ir.graph import Node
from nbdl.ir.scan import known_number
from nbdl.ir.shapes import Batch, Shape, Size, has_batch, product

Value = tuple[Node, Index]
"""One element of a node, in terms of the loop variables."""

Position = tuple[int, int]
"""Where in a program: kernels run in the order of (level, number); number -1 is the beginning of a level."""


@dataclass(eq=False)
class Call:
    """A kernel of its own that computes a node, or (`scan`) the results of one."""

    node: Node
    level: int
    number: int
    results: list[Node] = field(default_factory=list)

    @property
    def stored(self) -> list[Node]:
        """What the kernel computes."""
        return self.results or [self.node]

    @property
    def position(self) -> Position:
        """Kernels run in the order of their positions."""
        return self.level, self.number


@dataclass(eq=False)
class Loop:
    """A nest of loops that computes several stored values.

    `domain` holds the sizes of the loop variables, outermost first. With a `split` of p, the first p variables make
    rows, and reductions over the others are known within a row. A `shared` loop writes memory that all workers read:
    each does a part.
    """

    domain: list[Size]
    level: int
    number: int
    shared: bool
    seeds: list[Node] = field(default_factory=list)
    index: dict[Node, Index] = field(default_factory=dict)
    split: int | None = None
    touched: set[Node] = field(default_factory=set)

    @property
    def position(self) -> Position:
        """Kernels run in the order of their positions."""
        return self.level, self.number


Kernel = Call | Loop


def scope_of(kernel: Kernel) -> str:
    """The scope that a kernel is named after."""
    return (kernel.node if isinstance(kernel, Call) else kernel.seeds[-1]).scope


def works_on_rows(kernel: Kernel) -> bool:
    """Whether a kernel reads or computes rows of the batch."""
    if isinstance(kernel, Call):
        return any(has_batch(each.shape) for each in (*kernel.node.inputs, *kernel.stored))
    return any(has_batch(seed.shape) or any(has_batch(each.shape) for each in seed.inputs) for seed in kernel.seeds)


def row_shape(node: Node, loop: Loop) -> Shape | None:
    """The shape that a stored value needs if nothing but its own loop reads it: that of one row of a split loop, which
    is done with it before the next row begins; None if it needs all.
    """
    inner = tuple(loop.domain[loop.split :]) if loop.split else ()
    whole = core(node.shape) == tuple(loop.domain) and loop.index[node] == own_index(node.shape)
    if not inner or not whole or has_batch(inner) or loop.shared or node.primitive.kind == "reduction":
        return None
    return inner


def is_scalar(node: Node) -> bool:
    """Whether a node is one number, the same for every row."""
    return product(node.shape) == 1 and not has_batch(node.shape)


def is_scalar_work(node: Node) -> bool:
    """Whether a node is one number that is worked out outside of loops."""
    return (
        is_scalar(node)
        and node.primitive.kind in ("elementwise", "leaf", "view", "movement")
        and node.name not in ("pad", "input")
    )


def is_call(node: Node) -> bool:
    """Whether a kernel of its own computes a node."""
    return node.primitive.kind == "call" or node.name == "pad"


def memory_operands(call: Node) -> list[Node]:
    """The operands of a call that must lie in memory: all but states that begin with a known number."""
    if call.name != "scan":
        return list(call.inputs)
    states = len(call.param("body").states)
    return [each for place, each in enumerate(call.inputs) if place >= states or known_number(each) is None]


def root_of(node: Node) -> Node:
    """The node whose memory this one is a view of: itself, if it isn't a view."""
    while flattens(node):
        node = node.inputs[0]
    return node


def sums_batch(node: Node) -> bool:
    """Whether a node adds up (or maximises) over the batch, so that each worker has only its part."""
    return adds_batch(node) or (node.name == "max" and _reduces_batch(node))


def adds_batch(node: Node) -> bool:
    """Whether a node adds up over the batch."""
    if node.name == "sum":
        return _reduces_batch(node)
    if node.name == "matmul":
        x = node.inputs[0]
        return isinstance(x.shape[-2 if node.param("transpose_x") else -1], Batch)
    if node.name == "scatter_add":
        return has_batch(node.inputs[1].shape)
    if node.name in ("conv2d_weights", "winograd_weights"):
        return has_batch(node.inputs[0].shape)
    if node.name == "pack":
        return any(adds_batch(root_of(each)) for each in node.inputs)
    return False


def _reduces_batch(node: Node) -> bool:
    return any(isinstance(node.inputs[0].shape[axis], Batch) for axis in node.param("axes"))


def reduced_variables(node: Node, index: Index) -> set[int]:
    """The loop variables over which a reduction runs, `index` being that of its operand."""
    return {variable for axis in node.param("axes") if (variable := index[axis].variable) is not None}


def reduces_across(node: Node, rank: int) -> tuple[Shape, frozenset[int]] | None:
    """Over what a reduction goes in a loop of `rank` variables, if not over the last of them within each row: the sizes
    of the variables, and those over which it goes. None for everything else.
    """
    if node.primitive.kind != "reduction":
        return None
    shape = node.inputs[0].shape
    sizes = core(shape)
    reduced = reduced_variables(node, own_index(shape))
    kept = len(sizes) - len(reduced)
    within = 0 < kept and reduced == set(range(kept, len(sizes))) and len(sizes) == rank and not sums_batch(node)
    return None if within else (sizes, frozenset(reduced))


def result_index(node: Node, index: Index) -> Index:
    """The index of a stored value, given the one it was placed with (of the operand, for a reduction)."""
    if node.primitive.kind != "reduction":
        return index
    return tuple(Place() if axis in node.param("axes") else place for axis, place in enumerate(index))
