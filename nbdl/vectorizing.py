"""`vmap`: a function of one example becomes a function of many, by rules that give every operation a leading axis.

The function is recorded once on an example without the axis. Then every node that depends on what is mapped over is
made anew, with the axis in front; everything else stays as it is. What comes out are ordinary nodes, so that gradients,
compilation and further maps work as always.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nbdl import lazy
from nbdl.autodiff import expand_gradients
from nbdl.errors import OptionError, ShapeError, UntraceableError
from nbdl.ir import ops
from nbdl.ir.composite import COMPOSITIONS
from nbdl.ir.graph import Node, topological
from nbdl.ir.primitives import apply
from nbdl.ir.scan import Body, result, scan
from nbdl.ir.shapes import Shape, Size, show_shape
from nbdl.options import check_function
from nbdl.tensor import Tensor, node_of
from nbdl.trees import flatten, unflatten

Axes = int | None | Sequence[int | None]


def vmap(function: Callable[..., Any], in_axes: Axes = 0) -> Callable[..., Any]:
    """Return a function that applies `function` to each example along an axis, all at once.

    Args:
        function: takes and returns tensors, or tuples, lists and dictionaries of tensors, for one example. Random
            numbers that it draws are the same for all examples.
        in_axes: 0 for arguments with examples along their first axis, None for those that are the same for all;
            one for all arguments, or one for each.

    Raises:
        OptionError: axes other than 0 and None, or none that is mapped.
        ShapeError: arguments with different numbers of examples.
        UntraceableError: an operation that can't be given another axis.

    >>> import nbdl
    >>> vmap(lambda x, y: nbdl.sum(x * y), in_axes=(0, None))([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    tensor([21., 43.])
    """
    check_function("vmap", function)

    @functools.wraps(function, updated=())
    def mapped(*arguments: Any) -> Any:
        examples: dict[Node, Node] = {}
        given = [
            _example(argument, axis, examples)
            for argument, axis in zip(arguments, _axes(in_axes, len(arguments)), strict=True)
        ]
        size = _common_size(list(examples.values()))
        made: list[Any] = []
        with lazy.unchanging("vmap"):
            structure = flatten(function(*given), made)
        outputs = expand_gradients([node_of(each) for each in made], examples)
        return unflatten(structure, [Tensor.wrap(each) for each in _Mapping(size).run(outputs, examples)])

    return mapped


def _axes(in_axes: Axes, count: int) -> list[int | None]:
    axes = list(in_axes) if isinstance(in_axes, Sequence) else [in_axes] * count
    if len(axes) != count or any(axis not in (0, None) for axis in axes) or all(axis is None for axis in axes):
        raise OptionError(
            f"in_axes has 0 or None for each of {count} arguments, and 0 for one at least; not {in_axes!r}"
        )
    return axes


def _example(argument: Any, axis: int | None, examples: dict[Node, Node]) -> Any:
    """The argument for one example: leaves stand for what is mapped over."""
    if axis is None:
        return argument
    tensors: list[Any] = []
    structure = flatten(argument, tensors)
    leaves = []
    for each in tensors:
        whole = node_of(each if isinstance(each, Tensor) else Tensor(each))
        if not whole.shape:
            raise ShapeError(
                "vmap needs an axis to go along; this argument is a single number: use in_axes=None for it"
            )
        leaf = ops.leaf(whole.shape[1:], whole.dtype, differentiable=whole.differentiable)
        examples[leaf] = whole
        leaves.append(Tensor.wrap(leaf))
    return unflatten(structure, leaves)


def _common_size(wholes: Sequence[Node]) -> Size:
    sizes = {each.shape[0] for each in wholes}
    if len(sizes) != 1:
        shapes = ", ".join(show_shape(each.shape) for each in wholes)
        raise ShapeError(f"vmap needs as many examples in every argument, not {shapes or 'none at all'}")
    return sizes.pop()


@dataclass
class _Mapping:
    """Gives nodes a leading axis of `size`."""

    size: Size

    def run(self, outputs: Sequence[Node], examples: dict[Node, Node]) -> list[Node]:
        """The outputs for all examples."""
        new = dict(examples)
        for node in topological(outputs):
            if node not in new and any(each in new for each in node.inputs):
                new[node] = self._map(node, new)
        return [self._with_axis(output, new) for output in outputs]

    def _map(self, node: Node, new: dict[Node, Node]) -> Node:
        rule = RULES.get(node.name) or RULES_BY_KIND.get(node.primitive.kind)
        if rule is None or (node.primitive.kernel is not None and node.primitive.kind == "call"):
            raise UntraceableError(f"vmap can't give {node.name} another axis; call the function in a loop instead")
        return rule(self, node, new)

    def _with_axis(self, node: Node, new: dict[Node, Node]) -> Node:
        """A node with the axis, whether or not it depends on what is mapped over."""
        return new[node] if node in new else ops.broadcast_to(node, (self.size, *node.shape))

    # --- rules ---

    def elementwise(self, node: Node, new: dict[Node, Node]) -> Node:
        """The axis comes before all axes that the inputs are aligned by."""
        inputs = [self._aligned(each, new, len(node.shape)) for each in node.inputs]
        return apply(node.name, *inputs, **dict(node.params))

    def _aligned(self, node: Node, new: dict[Node, Node], rank: int) -> Node:
        missing = (1,) * (rank - len(node.shape))
        return ops.reshape(new[node], (self.size, *missing, *node.shape)) if node in new else node

    def broadcast(self, node: Node, new: dict[Node, Node]) -> Node:
        """Repeat each example."""
        return ops.broadcast_to(self._aligned(node.inputs[0], new, len(node.shape)), (self.size, *node.shape))

    def reshape(self, node: Node, new: dict[Node, Node]) -> Node:
        """The examples in another shape."""
        return ops.reshape(new[node.inputs[0]], (self.size, *node.shape))

    def transpose(self, node: Node, new: dict[Node, Node]) -> Node:
        """The axis stays in front."""
        return ops.transpose(new[node.inputs[0]], (0, *[axis + 1 for axis in node.param("permutation")]))

    def reduction(self, node: Node, new: dict[Node, Node]) -> Node:
        """Along axes that are one further back."""
        return apply(node.name, new[node.inputs[0]], axes=tuple(axis + 1 for axis in node.param("axes")))

    def along(self, node: Node, new: dict[Node, Node]) -> Node:
        """Along an axis that is one further back."""
        inputs = [self._with_axis(each, new) for each in node.inputs]
        return apply(node.name, *inputs, **(dict(node.params) | {"axis": node.param("axis") + 1}))

    def matmul(self, node: Node, new: dict[Node, Node]) -> Node:
        """One product of all rows where only the first operand has the axis, else one for each example."""
        x, y = node.inputs
        swap_x, swap_y = node.param("transpose_x"), node.param("transpose_y")
        if y not in new and len(x.shape) == 2 and not swap_x:
            rows: Shape = (ops.product((self.size, x.shape[0])), x.shape[1])
            return ops.reshape(ops.product_of(ops.reshape(new[x], rows), y, False, swap_y), (self.size, *node.shape))
        return ops.product_of(self._with_axis(x, new), self._with_axis(y, new), swap_x, swap_y)

    def gather(self, node: Node, new: dict[Node, Node]) -> Node:
        """From one table, or for each example from its own."""
        table, indices = node.inputs
        if table not in new:
            return ops.gather(table, new[indices])
        rows = table.shape[0]
        flat = ops.reshape(new[table], (ops.product((self.size, rows)), *table.shape[1:]))
        return ops.gather(flat, self._shifted(indices, new, rows))

    def scatter_add(self, node: Node, new: dict[Node, Node]) -> Node:
        """Into a table of each example's own."""
        updates, indices = node.inputs
        rows = node.param("rows")
        total = ops.product((self.size, rows))
        if not isinstance(total, int):
            raise UntraceableError("vmap over the rows of a batch can't give each of them a table of its own")
        shifted = self._shifted(indices, new, rows)
        return ops.reshape(ops.scatter_add(self._with_axis(updates, new), shifted, total), (self.size, *node.shape))

    def _shifted(self, indices: Node, new: dict[Node, Node], rows: Size) -> Node:
        """Indices into the tables of all examples, one behind the other; those outside of one are outside of all."""
        assert isinstance(rows, int)  # tables have a fixed size
        each = ops.reshape(ops.iota(self.size, ops.INT64), (self.size, *[1] * len(indices.shape)))
        own = ops.cast(self._with_axis(indices, new), ops.INT64)
        inside = ops.binary("logical_and", ops.binary("less_equal", 0, own), ops.binary("less", own, rows))
        return ops.where(inside, own + each * rows, -1)

    def images(self, node: Node, new: dict[Node, Node]) -> Node:
        """Examples and images are one axis; what isn't an image must be the same for all examples."""
        merged = []
        for place, each in enumerate(node.inputs):
            is_weight = node.name in ("conv2d", "conv2d_back") and place == 1
            if is_weight and each in new:
                raise UntraceableError(f"vmap can't give the weights of {node.name} another axis; call it in a loop")
            merged.append(each if is_weight else self._merged(self._with_axis(each, new)))
        return ops.reshape(apply(node.name, *merged, **dict(node.params)), (self.size, *node.shape))

    def _merged(self, x: Node) -> Node:
        return ops.reshape(x, (ops.product(x.shape[:2]), *x.shape[2:]))

    def scan(self, node: Node, new: dict[Node, Node]) -> Node:
        """A loop whose states have the axis; time stays in front of it."""
        body: Body = node.param("body")
        operands, leaves = [], {}
        for leaf, operand in zip(body.leaves, node.inputs, strict=True):
            if leaf not in body.states and operand not in new:
                operands.append(operand)
                continue
            leaves[leaf] = ops.leaf((self.size, *leaf.shape), leaf.dtype, name=leaf.param("name"))
            whole = self._with_axis(operand, new)
            operands.append(_swapped(whole) if leaf in body.elements else whole)
        outputs = iter(self.run(body.outputs, leaves))
        inner = Body(
            tuple(leaves[leaf] for leaf in body.states),
            tuple(leaves.get(leaf, leaf) for leaf in body.elements),
            tuple(leaves.get(leaf, leaf) for leaf in body.constants),
            tuple(next(outputs) for _ in body.new_states),
            tuple(next(outputs) for _ in body.stacks),
            tuple(outputs),
        )
        return scan(inner, operands, node.param("length"), reverse=node.param("reverse"))

    def result(self, node: Node, new: dict[Node, Node]) -> Node:
        """A result of such a loop, the axis in front."""
        whole = result(new[node.inputs[0]], node.param("kind"), node.param("index"))
        return _swapped(whole) if node.param("kind") in ("state", "stack") else whole


def _swapped(x: Node) -> Node:
    """The first two axes change places."""
    return ops.transpose(x, (1, 0, *range(2, len(x.shape))))


Rule = Callable[[_Mapping, Node, dict[Node, Node]], Node]
RULES: dict[str, Rule] = {
    "broadcast": _Mapping.broadcast,
    "reshape": _Mapping.reshape,
    "transpose": _Mapping.transpose,
    "slice": _Mapping.along,
    "pad": _Mapping.along,
    "concatenate": _Mapping.along,
    "argmax": _Mapping.along,
    "softmax": _Mapping.along,
    "matmul": _Mapping.matmul,
    "gather": _Mapping.gather,
    "scatter_add": _Mapping.scatter_add,
    "conv2d": _Mapping.images,
    "conv2d_back": _Mapping.images,
    "max_pool": _Mapping.images,
    "max_pool_back": _Mapping.images,
    "max_pool_take": _Mapping.images,
    "sum_pool": _Mapping.images,
    "sum_pool_back": _Mapping.images,
    "scan": _Mapping.scan,
    "result": _Mapping.result,
}
RULES |= dict.fromkeys(COMPOSITIONS.keys() - RULES.keys(), _Mapping.elementwise)
RULES_BY_KIND: dict[str, Rule] = {"elementwise": _Mapping.elementwise, "reduction": _Mapping.reduction}
