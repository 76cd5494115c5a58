"""Which element of an input an element of the result needs.

Inside a loop nest every value is named by a node and an index: one entry an axis, affine in a loop variable
(`offset + factor * variable`). Movement primitives (`transpose`, `slice`, `pad`, ...) only change the index, so they
cost nothing when they are read inside a loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from nbdl.ir.graph import Node
from nbdl.ir.shapes import Shape, Size


@dataclass(frozen=True)
class Place:
    """A position along one axis: `offset + factor * variable`; without a variable it is just `offset`."""

    variable: int | None = None
    offset: int = 0
    factor: int = 1

    def moved(self, start: int, step: int) -> Place:
        """The position `start + step * self`."""
        return Place(self.variable, start + step * self.offset, step * self.factor if self.variable is not None else 1)

    @property
    def plain(self) -> bool:
        """Whether this is a bare variable, or the only element."""
        return self.offset == 0 and self.factor == 1

    def text(self, names: list[str]) -> str:
        """Print with the names of the loop variables."""
        if self.variable is None:
            return str(self.offset)
        name = names[self.variable]
        if self.factor == -1:
            return f"{self.offset} - {name}"
        scaled = name if self.factor == 1 else f"{self.factor} * {name}"
        return scaled if self.offset == 0 else f"{scaled} + {self.offset}"


Index = tuple[Place, ...]
ORIGIN = Place()


def core(shape: Shape) -> Shape:
    """The sizes other than 1: the loops that a shape needs."""
    return tuple(size for size in shape if size != 1)


def own_index(shape: Shape) -> Index:
    """The index of an element in a loop nest over the shape's own core."""
    result: list[Place] = []
    variable = 0
    for size in shape:
        if size == 1:
            result.append(ORIGIN)
        else:
            result.append(Place(variable))
            variable += 1
    return tuple(result)


def squeezes(node: Node) -> bool:
    """Whether a reshape only adds or removes axes of size 1."""
    return node.name == "reshape" and core(node.shape) == core(node.inputs[0].shape)


def flattens(node: Node) -> bool:
    """Whether a node is another view of all of its input's memory, or of a contiguous piece of it."""
    if node.name == "reshape":
        return node.inputs[0].name not in ("constant", "batch_size")  # these have no memory
    return node.name == "slice" and contiguous_slice(node)


def contiguous_slice(node: Node) -> bool:
    """Whether the elements of a slice lie one after another: step 1 along the first axis that isn't of size 1."""
    axis, shape = node.param("axis"), node.inputs[0].shape
    return (node.param("step") == 1 or node.shape[axis] == 1) and all(size == 1 for size in shape[:axis])


def broadcast_index(index: Index, shape: Shape) -> Index:
    """The index of an input of `shape` that is broadcast (aligned at the right) to the result."""
    tail = index[len(index) - len(shape) :]
    return tuple(ORIGIN if size == 1 else place for place, size in zip(tail, shape, strict=True))


def repeats_outside(shape: Shape, result: Shape) -> bool:
    """Whether broadcasting `shape` to `result` repeats it along an axis in front of one of its own.

    >>> repeats_outside((64,), (8, 64)), repeats_outside((8, 1), (8, 64))
    (True, False)
    """
    aligned = (*[1] * (len(result) - len(shape)), *shape)
    own = [axis for axis, size in enumerate(aligned) if size != 1]
    repeated = [axis for axis, size in enumerate(aligned) if size == 1 and result[axis] != 1]
    return bool(own and repeated) and repeated[0] < own[-1]


def squeezed_index(index: Index, old: Shape, new: Shape) -> Index:
    """The index into shape `old` of an element of `new`, which differs by axes of size 1."""
    places = iter(place for place, size in zip(index, new, strict=True) if size != 1)
    return tuple(ORIGIN if size == 1 else next(places) for size in old)


def input_indices(node: Node, index: Index) -> list[Index] | None:
    """The index into each input that element `index` of `node` needs; None if that isn't one element."""
    kind = node.primitive.kind
    if kind == "elementwise" or node.name == "broadcast":
        return [broadcast_index(index, each.shape) for each in node.inputs]
    if node.name == "transpose":
        permutation = node.param("permutation")
        return [tuple(index[permutation.index(axis)] for axis in range(len(permutation)))]
    if node.name == "slice":
        axis = node.param("axis")
        return [(*index[:axis], index[axis].moved(node.param("start"), node.param("step")), *index[axis + 1 :])]
    if squeezes(node):
        return [squeezed_index(index, node.inputs[0].shape, node.shape)]
    return None


def size_text(size: Size, rows: str = "rows") -> str:
    """Print one size."""
    if isinstance(size, int):
        return str(size)
    return rows if size.multiple == 1 else f"{size.multiple} * {rows}"


def shape_text(shape: Shape, rows: str = "rows") -> str:
    """Print a shape as a tuple."""
    return "(" + ", ".join(size_text(size, rows) for size in shape) + ("," if len(shape) == 1 else "") + ")"


def factor(text: str) -> str:
    """Text that is multiplied by something, or divides it.

    >>> factor("3 * rows"), factor("rows")
    ('(3 * rows)', 'rows')
    """
    return f"({text})" if "*" in text else text
