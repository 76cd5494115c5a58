"""Random graphs: expressions that grow over rows of a batch, whole tensors and single numbers.

Every node is interpreted as it is made, so that numbers stay of ordinary size: what grows too large goes through tanh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nbdl
from nbdl import Tensor
from nbdl.codegen.plan import Variable
from nbdl.errors import NbdlError
from nbdl.ir import ops
from nbdl.ir.graph import Node, scope
from nbdl.ir.interpret import interpret
from nbdl.ir.primitives import apply
from nbdl.ir.shapes import Batch, Shape, Size, broadcast, has_batch, product

ROWS = 7
EXAMPLES = 70
LARGEST = 30.0
TABLE = 5
UNARY = "tanh sigmoid sin cos atan negative abs sign floor erf exp expm1 stop_gradient".split()
COMPARISONS = ["less", "less_equal", "equal", "not_equal"]


class Growth:
    """A random graph that grows node by node.

    Args:
        seed: what the graph depends on.
        dtype: of its floating-point numbers.
    """

    def __init__(self, seed: int, dtype: Any = np.float64):
        self.random = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self.arrays: dict[str, np.ndarray] = {}
        self.roles: dict[str, str] = {}
        self.leaves: dict[str, Node] = {}
        self.sample: dict[Node, np.ndarray] = {}
        self.nodes: list[Node] = []
        self.made: list[Variable] = []
        self.streams = 0
        draw = self.random.standard_normal
        self._leaf("x", "rows", (Batch(), 4), draw((EXAMPLES, 4)).astype(dtype))
        self._leaf("image", "rows", (Batch(), 2, 3), self.random.integers(0, 255, (EXAMPLES, 2, 3)).astype(np.uint8))
        self._leaf("weight_of_row", "rows", (Batch(),), draw(EXAMPLES).astype(dtype))
        self._leaf("label", "rows", (Batch(),), self.random.integers(0, TABLE, EXAMPLES))
        self._leaf("parameters", "state", (40,), draw(40).astype(dtype), differentiable=True)
        self._leaf("moment", "state", (40,), draw(40).astype(dtype))
        self._leaf("matrix", "state", (3, 4), draw((3, 4)).astype(dtype))
        self._leaf("row", "state", (1, 4), draw((1, 4)).astype(dtype))
        self._leaf("step", "state", (), np.asarray(3, dtype))
        self._leaf("table", "value", (TABLE, 2), draw((TABLE, 2)).astype(dtype))
        self._leaf("single", "value", (1, 1), draw((1, 1)).astype(dtype))
        self._leaf("choice", "value", (6,), self.random.integers(0, TABLE, 6).astype(np.int32))
        self.key = ops.leaf((2,), np.int64, name="key")
        self.sample[self.key] = np.array([5, 0])
        flat = self.leaves["parameters"]
        self.parts = [
            ops.reshape(ops.slice_axis(flat, 0, start, 12), shape)
            for start, shape in ((0, (4, 3)), (12, (3, 4)), (24, (2, 6)))
        ]
        self.parts += [
            ops.reshape(ops.slice_axis(flat, 0, 36, 3), (3,)),
            ops.reshape(ops.slice_axis(flat, 0, 39, 1), ()),
        ]
        for part in self.parts:
            self._add(part)

    def _leaf(self, name: str, role: str, shape: Shape, array: np.ndarray, *, differentiable: bool = False) -> None:
        node = ops.leaf(shape, array.dtype, name=name, differentiable=differentiable)
        self.arrays[name], self.roles[name], self.leaves[name] = array, role, node
        self.sample[node] = array[:ROWS] if role == "rows" else array
        self.nodes.append(node)

    # --- nodes ---

    def _value(self, node: Node) -> np.ndarray:
        if node not in self.sample:
            self.sample[node] = interpret([node], self.sample, rows=ROWS)[0]
        return self.sample[node]

    def _add(self, node: Node) -> Node:
        product(node.shape)  # refuses the batch axis twice
        value = self._value(node)
        if node.dtype.kind == "f" and value.size and not np.abs(value).max() < LARGEST:
            node = (
                apply("tanh", ops.multiply(node, 0.02))
                if np.isfinite(value).all()
                else ops.where(apply("is_finite", node), node, 0.5)
            )
            return self._add(node)
        if node.dtype.kind in "iu" and value.size and abs(int(value.max())) + abs(int(value.min())) > 200:
            return node
        self.nodes.append(node)
        return node

    def pick(self, kinds: str = "f", test: Callable[[Node], bool] = lambda node: True) -> Node:
        """A node of a kind, later ones more often."""
        fitting = [
            node
            for node in self.nodes
            if node.dtype.kind in kinds and (kinds != "f" or node.dtype == self.dtype) and test(node)
        ]
        if not fitting:
            raise NbdlError("nothing fits")
        return fitting[int(len(fitting) * self.random.random() ** 0.7)]

    def grow(self, count: int) -> None:
        """Add about `count` nodes."""
        makers = self.makers()
        for number in range(count):
            maker = makers[self.random.integers(len(makers))]
            try:
                with scope(f"layer_{number % 5}"):
                    self._add(maker())
            except NbdlError:
                continue

    def makers(self) -> list[Callable[[], Node]]:
        """What makes nodes, each as likely as any other."""
        makers: list[Callable[[], Node]] = [
            self._unary,
            self._binary,
            self._binary,
            self._tame,
            self._compare,
            self._where,
            self._reduce,
            self._reduce,
            self._reshape,
        ]
        makers += [
            self._transpose,
            self._slice,
            self._pad,
            self._concatenate,
            self._matmul,
            self._matmul,
            self._gather,
            self._scatter,
        ]
        makers += [
            self._argmax,
            self._one_hot,
            self._iota,
            self._noise,
            self._cast,
            self._pack,
            self._broadcast,
            self._mean,
            self._softmax,
        ]
        return makers

    def _unary(self) -> Node:
        name = str(self.random.choice(UNARY))
        x = self.pick()
        return apply(name, apply("sin", x) if name in ("exp", "expm1") else x)

    def _other(self, x: Node, kinds: str = "f") -> Node:
        def fits(node: Node) -> bool:
            try:
                return node.dtype == x.dtype and (product(broadcast(x.shape, node.shape)), True)[1]
            except NbdlError:
                return False

        return self.pick(kinds, fits)

    def _binary(self) -> Node:
        x = self.pick("fiu") if self.random.random() < 0.25 else self.pick()
        y = self._other(x, x.dtype.kind)
        name = str(self.random.choice(["add", "subtract", "multiply", "maximum", "minimum", "add", "multiply"]))
        if self.random.random() < 0.2:
            constant = ops.constant(
                float(np.round(self.random.standard_normal(), 2)) if x.dtype.kind == "f" else 3, x.dtype
            )
            return apply(name, constant, x) if self.random.random() < 0.5 else apply(name, x, constant)
        return apply(name, x, y)

    def _tame(self) -> Node:
        x, y = self.pick(), self.pick()
        positive = ops.add(ops.multiply(x, x), 1.0)
        choice = self.random.integers(6)
        if choice == 0:
            return apply(str(self.random.choice(["log", "sqrt"])), positive)
        if choice == 1:
            return apply("log1p", ops.multiply(x, x))
        if choice == 2:
            return apply("remainder", x, ops.constant(1.7, x.dtype))
        if choice == 3:
            return apply("power", positive, ops.constant(-0.7, x.dtype))
        y = self._other(x)
        return apply("divide", y, positive) if choice == 4 else apply("power", positive, apply("tanh", y))

    def _compare(self) -> Node:
        if self.random.random() < 0.2:
            x = self.pick("b")
            return (
                apply("logical_not", x) if self.random.random() < 0.5 else apply("logical_or", x, self._other(x, "b"))
            )
        x = self.pick("fi")
        return apply(str(self.random.choice(COMPARISONS)), x, self._other(x, x.dtype.kind))

    def _where(self) -> Node:
        condition = self.pick("b")
        x = self.pick("b" if self.random.random() < 0.1 else "f", lambda node: _fits(node, condition))
        y = self._other(x, x.dtype.kind)
        return apply("where", condition, x, y)

    def _axes(self, rank: int) -> tuple[int, ...]:
        return tuple(sorted(self.random.choice(rank, size=self.random.integers(1, rank + 1), replace=False).tolist()))

    def _reduce(self) -> Node:
        x = self.pick(
            "i" if self.random.random() < 0.1 else "f", lambda node: len(node.shape) > 0 and node.dtype.name != "uint8"
        )
        axes = self._axes(len(x.shape))
        largest = self.random.random() < 0.3 and 0 not in x.shape
        result = ops.reduce_max(x, axes) if largest else ops.reduce_sum(x, axes)
        if x.dtype.kind == "f" and not largest and any(isinstance(x.shape[axis], Batch) for axis in axes):
            result = ops.divide(result, ops.count(x.shape, axes, x.dtype))
        if self.random.random() < 0.4:
            result = ops.reshape(result, tuple(size for axis, size in enumerate(result.shape) if axis not in axes))
        return result

    def _mean(self) -> Node:
        x = self.pick("f", lambda node: has_batch(node.shape))
        return ops.divide(ops.reduce_sum(x, range(len(x.shape))), ops.count(x.shape, range(len(x.shape)), x.dtype))

    def _softmax(self) -> Node:
        x = self.pick("f", lambda node: len(node.shape) > 0 and isinstance(node.shape[-1], int) and node.shape[-1] > 0)
        axis = (len(x.shape) - 1,)
        if self.random.integers(2):
            return ops.softmax(x, axis[0])
        shifted = ops.exp(ops.subtract(x, ops.stop_gradient(ops.reduce_max(x, axis))))
        return ops.divide(shifted, ops.reduce_sum(shifted, axis))

    def _reshape(self) -> Node:
        x = self.pick("fib")
        sizes: list[Size] = list(x.shape)
        choice = self.random.integers(4)
        if choice == 0 or not sizes:
            sizes.insert(int(self.random.integers(len(sizes) + 1)), 1)
        elif choice == 1:
            sizes = [size for size in sizes if size != 1]
        elif choice == 2 and len(sizes) > 1:
            place = int(self.random.integers(len(sizes) - 1))
            sizes[place : place + 2] = [product((sizes[place], sizes[place + 1]))]
        else:
            for place, size in enumerate(sizes):
                if isinstance(size, int) and size > 3 and size % 2 == 0:
                    sizes[place : place + 1] = [2, size // 2]
                    break
        return ops.reshape(x, tuple(sizes))

    def _transpose(self) -> Node:
        x = self.pick("fi", lambda node: len(node.shape) > 1)
        return ops.transpose(x, tuple(self.random.permutation(len(x.shape)).tolist()))

    def _sliceable(self, kinds: str = "f") -> tuple[Node, int, int]:
        x = self.pick(kinds, lambda node: any(isinstance(size, int) and size > 1 for size in node.shape))
        axis = int(
            self.random.choice([place for place, size in enumerate(x.shape) if isinstance(size, int) and size > 1])
        )
        length = x.shape[axis]
        assert isinstance(length, int)
        return x, axis, length

    def _slice(self) -> Node:
        x, axis, length = self._sliceable("fi")
        step = int(self.random.choice([1, 1, 2, -1, -2]))
        if step > 0:
            start = int(self.random.integers(length))
            most = (length - start + step - 1) // step
        else:
            start = int(self.random.integers(length))
            most = start // -step + 1
        return ops.slice_axis(x, axis, start, int(self.random.integers(1, most + 1)), step)

    def _pad(self) -> Node:
        x, axis, _ = self._sliceable("fi")
        return ops.pad_axis(
            x, axis, int(self.random.integers(3)), int(self.random.integers(3)), int(self.random.integers(1, 3))
        )

    def _concatenate(self) -> Node:
        x, axis, _ = self._sliceable("fi")
        y = self.pick(x.dtype.kind, lambda node: _same_but(node, x, axis))
        return ops.concatenate([x, y] if self.random.random() < 0.5 else [y, x, y], axis)

    def _matmul(self) -> Node:
        x = self.pick("f", lambda node: len(node.shape) > 1)
        swap = bool(self.random.random() < 0.4)
        inner = x.shape[-2 if swap else -1]
        rest = x.shape[-1 if swap else -2]
        flag = bool(self.random.random() < 0.4)

        def fits(node: Node) -> bool:
            if len(node.shape) != len(x.shape) or node.shape[:-2] != x.shape[:-2]:
                return False
            depth, width = (node.shape[-1], node.shape[-2]) if flag else (node.shape[-2], node.shape[-1])
            return depth == inner and not (isinstance(width, Batch) and isinstance(rest, Batch))

        y = self.pick("f", fits)
        result = ops.product_of(x, y, swap, flag)
        product(result.shape)
        if isinstance(inner, Batch):
            result = ops.divide(result, ops.batch_size(x.dtype))
        return result

    def _gather(self) -> Node:
        table = self.pick(
            "f", lambda node: len(node.shape) > 0 and node.shape[0] == TABLE and not has_batch(node.shape)
        )
        return ops.gather(table, self.leaves[str(self.random.choice(["label", "choice"]))])

    def _scatter(self) -> Node:
        indices = self.leaves[str(self.random.choice(["label", "choice"]))]
        x = self.pick("f", lambda node: node.shape[:1] == indices.shape)
        result = ops.scatter_add(x, indices, TABLE)
        return ops.divide(result, ops.batch_size(x.dtype)) if has_batch(indices.shape) else result

    def _argmax(self) -> Node:
        x, axis, _ = self._sliceable("fi")
        return ops.argmax(x, axis)

    def _one_hot(self) -> Node:
        x = self.pick("i", lambda node: len(node.shape) < 3)
        wide = ops.reshape(x, (*x.shape, 1))
        return ops.cast(apply("equal", wide, ops.iota(3, x.dtype)), self.dtype)

    def _iota(self) -> Node:
        size = (Batch(), 3, 4, 1)[self.random.integers(4)]
        return ops.iota(size, self.dtype if self.random.random() < 0.6 else np.int64)

    def _noise(self) -> Node:
        self.streams += 1
        shape = [(Batch(), 3), (4,), (3, 4), (Batch(), 2, 3), (1,), (2, Batch())][self.random.integers(6)]
        return ops.random(
            str(self.random.choice(["random_uniform", "random_normal"])), self.key, shape, self.dtype, self.streams
        )

    def _cast(self) -> Node:
        x = self.pick("iub")
        if self.random.random() < 0.6:
            return ops.multiply(ops.cast(x, self.dtype), 0.01 if x.dtype.kind == "u" else 1)
        return ops.cast(x, [np.int64, np.int32, np.bool_, np.uint8][self.random.integers(4)])

    def _pack(self) -> Node:
        parts = [self.pick("f", lambda node: not has_batch(node.shape)) for _ in range(self.random.integers(1, 4))]
        if self.random.random() < 0.3:
            parts.append(parts[0])
        offsets, end = [], 0
        for part in parts:
            offsets.append(end + int(self.random.integers(3)))
            length = product(part.shape)
            assert isinstance(length, int)
            end = offsets[-1] + length
        if end > 60:
            raise NbdlError("too long")
        return ops.pack(parts, offsets, end + int(self.random.integers(3)))

    def _broadcast(self) -> Node:
        x = self.pick("fi", lambda node: len(node.shape) < 3)
        return ops.broadcast_to(
            x,
            (2, *x.shape)
            if not x.shape or self.random.random() < 0.5
            else broadcast(x.shape, (3, *[1] * (len(x.shape) - 1))),
        )

    # --- a program ---

    def variables(self, results: int = 8) -> list[Variable]:
        """A program of this graph: gradients, updates of the state, and some of the nodes as results."""
        changed = self._updates()
        variables = [Variable(name, self.roles[name], node, changed.get(name)) for name, node in self.leaves.items()]  # type: ignore[arg-type]
        variables.append(Variable("key", "key", self.key))
        for number in range(results):
            node = self.nodes[int(len(self.nodes) * self.random.random() ** 0.5)]
            variables.append(self._result(f"result_{number}", node))
        return variables

    def _result(self, name: str, node: Node) -> Variable:
        if has_batch(node.shape) and node.shape[0] != Batch():
            place = next(axis for axis, size in enumerate(node.shape) if isinstance(size, Batch))
            node = ops.transpose(node, (place, *[axis for axis in range(len(node.shape)) if axis != place]))
        if has_batch(node.shape) and node.shape[0] != Batch():
            node = ops.reshape(node, (Batch(), -1))
        rows = has_batch(node.shape)
        shape = (EXAMPLES, *node.shape[1:]) if rows else node.shape
        self.arrays[name] = np.zeros(shape, node.dtype)  # type: ignore[arg-type]
        return Variable(name, "row_result" if rows else "result", None, node)

    def _updates(self) -> dict[str, Node]:
        depending = [node for node in self.nodes if node.differentiable and node.name != "input"]
        losses = [depending[self.random.integers(len(depending))] for _ in range(3)]
        loss = ops.constant(0.0, self.dtype)
        for each in losses:
            flat = ops.divide(
                ops.reduce_sum(apply("sin", each), range(len(each.shape))),
                ops.count(each.shape, range(len(each.shape)), self.dtype),
            )
            loss = ops.add(loss, ops.reshape(flat, ()))
        gradients = [ops.gradient(loss, each) for each in self.parts]
        whole = ops.pack(gradients, (0, 12, 24, 36, 39), 40)
        parameters, moment = self.leaves["parameters"], self.leaves["moment"]
        with scope("update by a rule"):
            norm = ops.sqrt(ops.reshape(ops.reduce_sum(ops.multiply(whole, whole), (0,)), ()))
            limited = ops.divide(whole, ops.maximum(norm, 1.0))
            new_moment = ops.add(ops.multiply(moment, 0.9), limited)
            new_parameters = ops.subtract(parameters, ops.multiply(new_moment, ops.divide(0.1, self.leaves["step"])))
        updates = {"parameters": new_parameters, "moment": new_moment, "step": ops.add(self.leaves["step"], 1)}
        for name in ("matrix", "row"):
            shape = self.leaves[name].shape
            same = [node for node in self.nodes if node.shape == shape and node.dtype == self.dtype]
            updates[name] = same[self.random.integers(len(same))]
        return updates


class LoopGrowth(Growth):
    """Random graphs with loops over time in them; their steps are small random graphs as well."""

    def makers(self) -> list[Callable[[], Node]]:
        """A quarter of the nodes are taken from loops."""
        makers = super().makers()
        return makers + [self._loop] * (len(makers) // 3)

    def _loop(self) -> Node:
        def is_sequence(node: Node) -> bool:
            return len(node.shape) > 0 and isinstance(node.shape[0], int) and 1 <= node.shape[0] <= 6

        x = self.pick("f", is_sequence)
        shape = x.shape[1:]
        states = [self._broadcasting(shape) for _ in range(self.random.integers(1, 3))]
        shape = broadcast(shape, *[each.shape for each in states])
        product(shape)
        outside = [self._broadcasting(shape, kept=True) for _ in range(2)]
        begin = [ops.broadcast_to(each, shape) for each in states]
        plan = self.random.integers(0, 1 << 30)

        def step(state: list[Tensor], element: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            random = np.random.default_rng(plan)
            known = [*[each.node for each in state], element.node, *outside]
            for _ in range(random.integers(2, 7)):
                known.append(_combined(random, known, shape))
            new = [ops.broadcast_to(known[-1 - place], shape) for place in range(len(state))]
            kept = [known[place] for place in random.integers(0, len(known), 2)]
            return [Tensor.wrap(apply("sin", each)) for each in new], [Tensor.wrap(each) for each in kept]

        reverse = bool(self.random.random() < 0.4)
        last, kept = nbdl.scan(step, [Tensor.wrap(each) for each in begin], Tensor.wrap(x), reverse=reverse)
        for each in (*last, *kept):
            self._add(each.node)
        return self.random.choice(np.array([*last, *kept], object)).node

    def _broadcasting(self, shape: Shape, *, kept: bool = False) -> Node:
        """A node that broadcasts with a shape, and (`kept`) to it."""

        def fits(node: Node) -> bool:
            try:
                together = broadcast(node.shape, shape)
                product(together)
            except NbdlError:
                return False
            return together == shape or not kept

        return self.pick("f", fits)


def _combined(random: np.random.Generator, known: list[Node], shape: Shape) -> Node:
    """Another node of a step, which broadcasts to the state's shape."""
    x, y = (known[place] for place in random.integers(0, len(known), 2))
    choice = random.integers(7)
    if choice == 0:
        return apply(str(random.choice(["tanh", "sigmoid", "negative", "abs", "erf"])), x)
    if choice == 1:
        return ops.where(ops.binary("less", x, y), x, ops.multiply(y, 0.5))
    if choice == 2 and x.shape == shape and len(shape) > 0 and isinstance(shape[-1], int):
        total = ops.reduce_sum(x, (len(shape) - 1,)) if random.random() < 0.7 else ops.reduce_max(x, (len(shape) - 1,))
        return ops.subtract(x, ops.multiply(total, 0.3))
    if choice == 3 and x.shape == shape and len(shape) > 0 and isinstance(shape[-1], int) and shape[-1] > 1:
        front, size = ops.slice_axis(x, len(shape) - 1, 0, 1), shape[-1]
        return ops.concatenate([ops.slice_axis(x, len(shape) - 1, 1, size - 1), front], len(shape) - 1)
    if choice == 4 and len(shape) == 2 and x.shape == y.shape == shape and not has_batch(shape[1:]):
        return ops.multiply(ops.product_of(x, ops.product_of(y, y, True, False), False, False), 0.01)
    return apply(str(random.choice(["add", "subtract", "multiply", "maximum"])), x, y)


def _fits(node: Node, other: Node) -> bool:
    try:
        product(broadcast(node.shape, other.shape))
    except NbdlError:
        return False
    return True


def _same_but(node: Node, other: Node, axis: int) -> bool:
    own = node.shape
    if node.dtype != other.dtype or len(own) != len(other.shape) or not isinstance(own[axis], int):
        return False
    return all(
        size == wanted for place, (size, wanted) in enumerate(zip(own, other.shape, strict=True)) if place != axis
    )
