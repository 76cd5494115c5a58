"""Record what a network does in a step, and make a program of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import reduce
from math import prod
from operator import add
from typing import Any

import numpy as np

from nbdl import lazy, random
from nbdl.codegen.plan import Variable
from nbdl.codegen.program import Program
from nbdl.errors import OptionError, UntraceableError
from nbdl.functions import isfinite
from nbdl.functions import sum as total
from nbdl.ir import ops
from nbdl.ir.graph import Node, scope, substitute, topological
from nbdl.ir.interpret import evaluate_all
from nbdl.ir.shapes import has_batch
from nbdl.nn.calls import building
from nbdl.nn.module import Module, Parameter
from nbdl.optim.optimizer import Optimizer
from nbdl.optim.state import OptimizerState
from nbdl.targets import Range, noted_ranges
from nbdl.tensor import Tensor
from nbdl.train.feed import Batch, Feed, batch_of
from nbdl.train.totals import FLOAT64, Logs, Total, lay_out_totals

EXAMPLES = 8  # rows whose values code sees while it is recorded with debug=True


@dataclass
class Traced:
    """A program together with the arrays of the network that it works on."""

    program: Program
    arrays: dict[str, np.ndarray]
    totals: list[Total] = field(default_factory=list)
    variables: dict[str, Parameter] = field(default_factory=dict)
    states: list[OptimizerState] = field(default_factory=list)
    check: Callable[[Feed], None] | None = None
    """Raises `DataError` if other rows hold a token that no vocabulary has; None if there are no tokens."""

    def take_over(self) -> None:
        """Bring the arrays up to date after steps that made new ones, and let the network have these again."""
        self.put_back({name: self.variables[name].numpy() for name in self.arrays if name in self.variables})

    def adopt_assigned(self) -> None:
        """Take values into the arrays that parameters were given elsewhere."""
        for state in self.states:
            state.gather()
        self.take_over()

    @property
    def is_assigned(self) -> bool:
        """Whether parameters were given other values than those in the arrays."""
        own = [(self.variables[name], array) for name, array in self.arrays.items() if name in self.variables]
        return any(each.node.value is not array for each, array in own) or any(each.is_assigned for each in self.states)

    def copies(self) -> dict[str, np.ndarray]:
        """Copies of all that a step changes."""
        return {name: array.copy() for name, array in self.arrays.items() if name in self.variables or name == "totals"}

    def put_back(self, values: Mapping[str, np.ndarray]) -> None:
        """Write values into the arrays, and let the network have these."""
        for name, value in values.items():
            array = self.arrays[name]
            array[...] = value
            if name in self.variables:
                variable = self.variables[name]
                variable._set(ops.value(array, differentiable=variable.trainable))
        for state in self.states:
            state.share_memory()

    @property
    def sums(self) -> np.ndarray:
        """The vector of totals."""
        return self.arrays["totals"]

    def results(self, rows: int, sums: np.ndarray | None = None) -> dict[str, float | np.ndarray]:
        """What is reported, given totals over `rows` rows."""
        sums = self.sums if sums is None else sums
        return {each.name: each.result(sums, rows) for each in self.totals}


def optimizers_of(net: Module) -> dict[str, Optimizer]:
    """The optimizers set as attributes of a network, by name."""
    return {name: thing for name, thing in vars(net).items() if isinstance(thing, Optimizer)}


class _Symbols:
    """While tracing: every parameter and optimizer state is a leaf (or a piece of one)."""

    def __init__(self, net: Module):
        self.states = {name: each.state for name, each in optimizers_of(net).items() if each.state is not None}
        for state in self.states.values():
            state.gather()
        managed = {id(parameter) for state in self.states.values() for parameter in state.parameters}
        self.variables: dict[str, Parameter] = {}
        for name, state in self.states.items():
            prefix = "" if len(self.states) == 1 else f"{name}_"
            self.variables |= {prefix + key: variable for key, variable in state.variables.items()}
        self.variables |= {name: each for name, each in net.named_parameters() if id(each) not in managed}
        self.all: list[Parameter] = [
            *self.variables.values(),
            *[each for state in self.states.values() for each in state.parameters],
        ]
        self.leaves: dict[str, Node] = {}
        self.values: dict[Node, np.ndarray] = {}

    @contextmanager
    def bound(self) -> Iterator[None]:
        before = [each.node for each in self.all]
        for name, variable in self.variables.items():
            leaf = ops.leaf(variable.shape, variable.dtype, name=name, differentiable=variable.trainable)
            self.values[leaf] = self.array(name)
            self.leaves[name] = variable.node = leaf
        for state in self.states.values():
            state.bind()
        try:
            yield
        finally:
            for each, node in zip(self.all, before, strict=True):
                each.node = node

    def array(self, name: str) -> np.ndarray:
        value = self.variables[name].node.value
        if value is None:
            self.variables[name].numpy()
            value = self.variables[name].node.value
        assert value is not None  # outside of a trace every parameter has a value
        return value


def build(net: Module, feed: Feed, step: Callable[[Batch], Any] | None = None) -> None:
    """Let layers make their parameters, and give the parameters to the optimizers.

    `step` is what calls the layers, if it isn't the forward pass.
    """
    key, leaves = ops.leaf((2,), np.int64, name="key"), feed.leaves()
    batch = batch_of(leaves)
    with building(), random.traced(key), _examples(net, feed, leaves, key):
        if step is None:
            net(*batch.inputs)
        else:
            step(batch)


def is_debugged(net: Module) -> bool:
    """Whether a network was compiled with `debug=True`."""
    return bool(net.__dict__.get("_debug"))


def _examples(
    net: Module, feed: Feed, leaves: Mapping[str, Node], key: Node, variables: Mapping[Node, np.ndarray] | None = None
) -> AbstractContextManager[None]:
    """With `debug=True`, code that asks for values while it is recorded gets those of the first rows."""
    if not is_debugged(net):
        return nullcontext()
    arrays = feed.arrays()
    rows = {leaf: arrays[name][:EXAMPLES] for name, leaf in leaves.items()}
    return lazy.examples({key: np.zeros(2, np.int64), **rows, **(variables or {})})


def attach(net: Module) -> None:
    """Give the optimizers their parameters; `build` must have been called. Raises `OptionError` if one has none."""
    optimizers = optimizers_of(net)
    for name, optimizer in optimizers.items():
        if optimizer.state is not None:
            continue
        if has_own_step(net):
            if name == "optimizer" and any(each.state is not None for each in optimizers.values()):
                continue  # compile sets one by default, and this step has its own
            raise OptionError(
                f"train_step never calls self.{name}.minimize(loss, parameters), so it has nothing to train"
            )
        optimizer.attach(net.parameters())


def has_own_step(net: Module) -> bool:
    """Whether a network overrides `train_step`."""
    return type(net).train_step is not Module.train_step


def has_own_test(net: Module) -> bool:
    """Whether a network overrides `test_step`."""
    return type(net).test_step is not Module.test_step


@dataclass(frozen=True)
class _Recording:
    """What was recorded of a network on a batch: the leaves of the data, the random numbers' key, the network's own
    arrays, and which targets and tokens were said to be in which range.
    """

    net: Module
    feed: Feed
    leaves: Mapping[str, Node]
    key: Node
    symbols: _Symbols
    ranges: list[Range]

    @property
    def batch(self) -> Batch:
        """The batch that the network sees."""
        return batch_of(self.leaves)

    def same_leaves(self) -> dict[Node, Node]:
        """Leaves that have the same rows as another one, and that one."""
        return {self.leaves[name]: self.leaves[other] for name, other in self.feed.twins().items()}


@contextmanager
def _recording(net: Module, feed: Feed) -> Iterator[_Recording]:
    """Record what the network does; afterwards the data's targets and tokens are checked."""
    symbols = _Symbols(net)
    key, leaves = ops.leaf((2,), np.int64, name="key"), feed.leaves()
    with (
        symbols.bound(),
        random.traced(key),
        _examples(net, feed, leaves, key, symbols.values),
        noted_ranges() as ranges,
    ):
        yield _Recording(net, feed, leaves, key, symbols, ranges)
    _check_ranges(ranges, feed, leaves)


@contextmanager
def evaluating(net: Module) -> Iterator[None]:
    """The network as it is outside of training."""
    before = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def trace_training(net: Module, feed: Feed, batch: int | None = None) -> Traced:
    """The program of a training step; one for large batches is another, so it helps to know how many rows they have."""
    net.train()
    with _recording(net, feed) as recorded:
        logs = net.train_step(recorded.batch)
        if not logs:
            raise OptionError("train_step must return what it reports, at least one number: {'loss': loss}")
        for state in recorded.symbols.states.values():
            state.gather_nodes()
        results = {name: variable.node for name, variable in recorded.symbols.variables.items()}
    return _program(recorded, "Training", logs, results, batch=batch, same=recorded.same_leaves())


def trace_evaluation(net: Module, feed: Feed, batch: int | None = None) -> Traced:
    """The program that measures loss and metrics, of `batch` rows at a time if that is known."""
    with evaluating(net), _recording(net, feed) as recorded:
        logs = net.test_step(recorded.batch)
    return _program(recorded, "Evaluation", logs, in_order=True, batch=batch)


def trace_prediction(
    net: Module, feed: Feed, batch: int | None = None
) -> tuple[Traced, tuple[int, ...], np.dtype]:
    """The program that predicts, `batch` rows at a time if that is known, and the shape and dtype of a predicted row.

    Beside the rows it predicts, it says of which ones it read the sum is `finite`, unless they all are; or the sum of a
    smaller product with all of a row.
    """
    with evaluating(net), _recording(net, feed) as recorded:
        output = net(*recorded.batch.inputs)
        leaves, ranges = recorded.leaves, recorded.ranges
        if not isinstance(output, Tensor) or not output.shape or output.shape[0] != recorded.batch.inputs[0].shape[0]:
            raise UntraceableError(
                "predict needs a network that returns one tensor with a row for each row of its input"
            )
        finite = _finite_sums(recorded.batch.inputs, output)
    row = tuple(size for size in output.shape[1:] if isinstance(size, int))
    rows = ({} if finite is None else {"finite": finite.node}) | {"predicted": output.node}
    traced = _program(recorded, "Prediction", {}, rows=rows, in_order=True, batch=batch)
    if ranges:
        traced.check = lambda other: _check_ranges(ranges, other, leaves)
    return traced, row, output.dtype


def _finite_sums(inputs: Sequence[Tensor], output: Tensor) -> Tensor | None:
    """Which rows have a finite sum, so that none of their numbers is NaN or infinite; None if none can be."""
    order = topological([output.node])
    with scope("inputs"):
        read = [Tensor.wrap(_smallest_with_all_of(each.node, order)) for each in inputs if each.dtype.kind == "f"]
        rows = [each.reshape(-1, _numbers_of_a_row(each.node)) for each in read]
        return isfinite(reduce(add, [total(each, axis=1) for each in rows])) if rows else None


def _smallest_with_all_of(x: Node, order: Sequence[Node]) -> Node:
    """The rows of `x`, or of their products with weights those that have the fewest numbers.

    What isn't finite in a row shows in all of its product: NaN and infinity, times anything, are not finite either.
    """
    return min([x, *(node for node in order if _is_product_with(node, x))], key=_numbers_of_a_row)


def _numbers_of_a_row(node: Node) -> int:
    return prod(size for size in node.shape if isinstance(size, int))


def _is_product_with(node: Node, x: Node) -> bool:
    """Whether a node is the product of a matrix, whose rows are those of `x`, and a matrix that has nothing to do with
    rows.
    """
    if node.name != "matmul" or len(node.shape) != 2 or node.param("transpose_x"):
        return False
    rows, weights = node.inputs
    while rows.name == "reshape":
        rows = rows.inputs[0]
    return rows is x and node.shape[0] == x.shape[0] and not has_batch(weights.shape)


def _check_ranges(ranges: Sequence[Range], feed: Feed, leaves: Mapping[str, Node]) -> None:
    """Raise `DataError` if a target is none that a loss or metric can count, or a token none of a vocabulary."""
    for each in ranges:
        values = _values_in_data(each.target.node, feed, leaves)
        if values is not None:
            each.check(values)


def _values_in_data(node: Node, feed: Feed, leaves: Mapping[str, Node]) -> np.ndarray | None:
    """The values, over all rows, of something that is computed from one array of the data; None if it isn't."""
    for name, leaf in leaves.items():
        if node is leaf:
            return feed.arrays()[name]
    order = topological([node])
    sources = [each for each in order if not each.inputs and each.value is None and each.name != "constant"]
    arrays = [array for name, array in feed.arrays().items() if [leaves[name]] == sources]
    return evaluate_all(order, {sources[0]: arrays[0]}, rows=feed.rows)[node] if arrays else None


def _program(
    recorded: _Recording,
    kind: str,
    logs: Logs,
    results: Mapping[str, Node] | None = None,
    rows: Mapping[str, Node] | None = None,
    *,
    in_order: bool = False,
    batch: int | None = None,
    same: Mapping[Node, Node] | None = None,
) -> Traced:
    """The program; `same` are leaves that stand for others, which have the same rows and need not be gathered."""
    symbols = recorded.symbols
    arrays = {f"{name}_data": array for name, array in recorded.feed.arrays().items()}
    variables = [
        Variable(name, "rows", leaf, in_order=in_order and array.flags.c_contiguous)
        for (name, array), leaf in zip(arrays.items(), recorded.leaves.values(), strict=True)
    ]
    for name, leaf in symbols.leaves.items():
        result = (results or {}).get(name, leaf)
        variables.append(
            Variable(name, "value" if result is leaf else "state", leaf, None if result is leaf else result)
        )
        arrays[name] = symbols.array(name)
    with scope("totals"):
        totals, vector, total_leaf = lay_out_totals(logs)
    if totals:
        variables.append(Variable("totals", "state", total_leaf, vector, anew=True))
        arrays["totals"] = np.zeros(total_leaf.shape, FLOAT64)  # type: ignore[arg-type]
    variables += [Variable(name, "row_result", None, node, in_order) for name, node in (rows or {}).items()]
    variables.append(Variable("key", "key", recorded.key))
    for number, constant in enumerate(_constants(variables), start=1):
        name = f"{constant.param('name') or 'constant'}_{number}"
        variables.append(Variable(name, "value", constant))
        assert constant.value is not None  # that is what makes it a constant
        arrays[name] = constant.value
    if same:
        new = substitute(_results(variables), lambda node, inputs: same.get(node))
        variables = [each if each.result is None else replace(each, result=new[each.result]) for each in variables]
    used = set(_used(variables))
    kept = [each for each in variables if each.result is not None or each.leaf in used or each.role == "rows"]
    title = f"{kind} program of {recorded.net.title()}."
    kept_arrays = {each.name: arrays[each.name] for each in kept if each.name in arrays}
    program = Program(kept, title, batch)
    return Traced(program, kept_arrays, totals, symbols.variables, list(symbols.states.values()))


def _used(variables: Sequence[Variable]) -> list[Node]:
    return topological(_results(variables))


def _results(variables: Sequence[Variable]) -> list[Node]:
    return [each.result for each in variables if each.result is not None]


def _constants(variables: Sequence[Variable]) -> list[Node]:
    """Arrays that the network's code uses as they are; they aren't part of the source, so other values need no
    compilation.
    """
    return [node for node in _used(variables) if node.value is not None and node.name == "input"]
