"""Values that are stored because it would cost more to compute them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbdl.codegen.index import Index, core, flattens, own_index, repeats_outside
from nbdl.codegen.times import Times
from nbdl.codegen.work import Loop, Value, reduces_across, root_of
from nbdl.ir.graph import Node

if TYPE_CHECKING:
    from nbdl.codegen.fusion import Fusion

_CHEAP = (
    "add subtract multiply negative cast where maximum minimum abs sign floor is_finite "
    "less less_equal equal not_equal logical_and logical_or logical_not"
).split()
COSTS = {**dict.fromkeys(_CHEAP, 1), "divide": 3, "fast_divide": 3, "sqrt": 3}
EXPENSIVE = 10  # exp, tanh, random numbers, ...
WORTH_STORING = 8  # computing a value again in another loop costs more than reading it back from here on
WORTH_KEEPING = 3  # the same, for a value that one loop would compute again for every step of an outer variable


def store_repeated(fusion: Fusion) -> None:
    """What is broadcast along an outer axis, such as a number for each channel, isn't worked out for every row."""
    for node in fusion.order:
        if node.primitive.kind == "elementwise" or node.name == "broadcast":
            for each in node.inputs:
                root = root_of(each)
                if (
                    root.primitive.kind == "elementwise"
                    and repeats_outside(each.shape, node.shape)
                    and _price(fusion, root) >= WORTH_KEEPING
                ):
                    fusion.stored.add(root)


def store_expensive(fusion: Fusion) -> None:
    """Store values that one loop computes and later ones would compute again at a high price."""
    while True:
        candidate = _worth_storing(fusion)
        if candidate is None:
            return
        node, loop, index = candidate
        fusion.stored.add(node)
        loop.seeds.append(node)
        loop.seeds.sort(key=fusion.order.index)
        loop.index[node] = index
        fusion.kernel_of[node] = loop


def _worth_storing(fusion: Fusion) -> tuple[Node, Loop, Index] | None:
    """The first value that a loop computes and a later one would compute again at a high price."""
    first: dict[Node, tuple[Loop, Index]] = {}
    moved: set[Node] = set()  # asked for at several places by the first loop: not all of it would be known there
    for kernel in sorted(fusion.kernels, key=lambda each: each.position):
        if not isinstance(kernel, Loop):
            continue
        computed = _computed_in(fusion, kernel)
        for (node, index), _ in computed:
            if first.setdefault(node, (kernel, index)) != (kernel, index) and first[node][0] is kernel:
                moved.add(node)
        moment: dict[Value, int] = {}
        for (node, index), time in computed:
            loop, place = first[node]
            whole = place == own_index(node.shape) and core(node.shape) == tuple(loop.domain)
            again = loop is not kernel or moment.setdefault((node, index), time) != time
            if (
                again
                and whole
                and node not in moved
                and not flattens(node)
                and not loop.shared
                and not (fusion.rows_apart and any(reduces_across(each, len(loop.domain)) for each in loop.seeds))
                and _price(fusion, node) >= WORTH_STORING
            ):
                return node, loop, place
    return None


def _computed_in(fusion: Fusion, loop: Loop) -> list[tuple[Value, int]]:
    """The values that a loop computes on the way to those it stores, each with its time."""
    times = Times(fusion, loop)
    return [
        (value, times.of_seed(seed))
        for seed in loop.seeds
        for value in reversed(fusion.walk(seed, loop.index[seed])[1])
    ]


def _price(fusion: Fusion, node: Node) -> int:
    """What it costs to compute an element of a node from what is stored."""
    total = 0
    stack, seen = [node], set()
    while stack:
        each = stack.pop()
        if each in seen or (fusion.stops(each) and each is not node):
            continue
        seen.add(each)
        if each.primitive.kind in ("elementwise", "index") and each.name != "iota":
            total += COSTS.get(each.name, EXPENSIVE)
        stack.extend(each.inputs)
    return total
