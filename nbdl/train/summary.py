"""What a network consists of: layers, shapes, parameters, arithmetic, memory."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbdl import random
from nbdl.errors import OptionError
from nbdl.ir import ops
from nbdl.ir.cost import operations
from nbdl.ir.graph import Node, topological
from nbdl.ir.shapes import Batch, show_shape
from nbdl.nn.calls import Call, noted_calls
from nbdl.nn.module import Module, Parameter, Spec
from nbdl.tensor import Tensor
from nbdl.train.feed import make_feed

HEADINGS = ("layer", "kind", "output", "parameters", "FLOPs a row", "bytes")


class Summary(str):
    """A table as text; a prompt shows it as `print` does."""

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Row:
    """A layer: its output's shape, its own parameters, and the operations of its forward pass for one row."""

    name: str
    kind: str
    output: str
    parameters: list[Parameter] = field(default_factory=list)
    operations: int = 0

    def sizes(self) -> tuple[int, int, int]:
        """Numbers in its parameters, operations, and bytes of its parameters."""
        return _size(self.parameters), self.operations, _bytes(self.parameters)

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        return self.name, self.kind, self.output, *[f"{each:,}" for each in self.sizes()]


def summary(net: Module, x: Any = None) -> Summary:
    """Return a table of the layers in the order in which they run.

    Operations are those of the forward pass for one row of the input, as the network writes them: a matrix product
    counts multiplications and additions, an elementwise function one for each element. A layer that is used twice is
    listed once, with the operations of both.

    Args:
        net: the network; one that has seen no data yet stays unbuilt.
        x: rows `(rows, ...)`, a tuple of such for several inputs, or the shape of one row, e.g. `(28, 28)`. Without it,
            the shapes that the network was built for.

    Raises:
        OptionError: the network has seen no data, and `x` isn't given.
        ShapeError: `x` doesn't fit the network.

    >>> from nbdl import nn
    >>> summary(nn.Sequential(nn.Dense(64, activation="relu"), nn.Dense(10)), (784,))
    layer    kind   output   parameters  FLOPs a row    bytes
    dense_1  Dense  (n, 64)      50,240      100,544  200,960
    dense_2  Dense  (n, 10)         650        1,290    2,600
    total                        50,890      101,834  203,560
    50,890 parameters are trained, 0 are not
    """
    return Summary(_table(layer_rows(net, x)))


def layer_rows(net: Module, x: Any = None) -> list[Row]:
    """Return the rows of a summary; arguments and errors as for `summary`."""
    if x is not None and not net._built:
        net = copy.deepcopy(net)  # so that its parameters are still made by the first fit, from its seed
    parts = [("", net, _given(x))] if x is not None else list(_built_parts(net))
    if not parts:
        raise OptionError("the network has seen no data yet: give rows, or the shape of one, as in net.summary((784,))")
    rows = _Rows(net)
    for name, module, inputs in parts:
        rows.add(name, module, inputs)
    return rows.finished()


def _given(x: Any) -> list[Spec]:
    """Shapes and dtypes of the inputs, rows being symbolic."""
    if isinstance(x, tuple | list) and x and all(isinstance(each, int) for each in x):
        return [((Batch(), *x), np.dtype(np.float32))]
    return [(node.shape, node.dtype) for node in make_feed(x).leaves().values()]


def _built_parts(module: Module, name: str = "") -> Iterator[tuple[str, Module, Sequence[Spec]]]:
    """The module, or if it was never called itself (a GAN's parts are), the outermost ones inside that were."""
    if module._built:
        yield name, module, module._inputs
        return
    for inner, child in module.named_children():
        yield from _built_parts(child, f"{name}.{inner}" if name else inner)


class _Rows:
    """Collects the rows of a table."""

    def __init__(self, net: Module):
        self.net = net
        self.rows: dict[Module, Row] = {}
        self.seen: set[int] = set()

    def add(self, name: str, module: Module, inputs: Sequence[Spec]) -> None:
        """Trace a module and add a row for every module that it calls."""
        calls = _trace(module, inputs)
        prefix = calls[-1].scope
        owners: dict[str, Module] = {}
        for call in calls:
            owners.setdefault(call.scope, call.module)
            if call.module not in self.rows:
                label = call.scope.removeprefix(prefix).lstrip(".")
                title = ".".join(filter(None, [name, label])) or prefix
                own = self._own_parameters(call.module)
                self.rows[call.module] = Row(title, type(call.module).__name__, _shapes(call.output), own)
        for node in topological(_nodes(call.output for call in calls), stop=lambda node: node.value is not None):
            if node.scope in owners:
                self.rows[owners[node.scope]].operations += operations(node, rows=1)

    def _own_parameters(self, module: Module) -> list[Parameter]:
        """Parameters of a module that belong to none inside it, and that no earlier row has."""
        inner = {id(each) for _, child in module.named_children() for _, each in child.named_parameters()}
        return self._unseen(each for _, each in module.named_parameters() if id(each) not in inner)

    def _unseen(self, parameters: Iterable[Parameter]) -> list[Parameter]:
        new = [each for each in parameters if id(each) not in self.seen]
        self.seen.update(map(id, new))
        return new

    def finished(self) -> list[Row]:
        """The rows, without modules that only arrange others, and with parameters that the forward pass doesn't use."""
        left = self._unseen(each for _, each in self.net.named_parameters())
        rest = [Row("the rest", type(self.net).__name__, "not called", left)] if left else []
        rows = [
            row
            for module, row in self.rows.items()
            if row.parameters or row.operations or not any(True for _ in module.named_children())
        ]
        return rows + rest


def _trace(module: Module, inputs: Sequence[Spec]) -> list[Call]:
    """Record the forward pass as predictions run it; random numbers drawn for new parameters are put back."""
    generator = random.generator().bit_generator
    state = generator.state
    training = [(each, each.training) for each in module.modules()]
    leaves = [ops.leaf((Batch(), *shape[1:]) if shape else shape, dtype) for shape, dtype in inputs]
    try:
        module.eval()
        with noted_calls() as calls, random.traced(ops.leaf((2,), np.int64)):
            module(*map(Tensor.wrap, leaves))
    finally:
        generator.state = state
        for each, before in training:
            each.training = before
    return calls


def _nodes(outputs: Iterable[Any]) -> list[Node]:
    return [tensor.node for output in outputs for tensor in _tensors(output)]


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _shapes(output: Any) -> str:
    return ", ".join(show_shape(each.shape) for each in _tensors(output))


def _size(parameters: Sequence[Parameter]) -> int:
    return sum(each.numpy().size for each in parameters)


def _bytes(parameters: Sequence[Parameter]) -> int:
    return sum(each.numpy().nbytes for each in parameters)


def _table(rows: Sequence[Row]) -> str:
    everything = [parameter for row in rows for parameter in row.parameters]
    total = Row("total", "", "", everything, sum(row.operations for row in rows))
    lines = [HEADINGS, *[row.cells() for row in rows], total.cells()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        "  ".join(
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    trained = _size([each for each in everything if each.trainable])
    notes = f"{trained:,} parameters are trained, {_size(everything) - trained:,} are not"
    return "\n".join([*aligned, notes])
