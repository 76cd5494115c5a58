"""Give pending tensors their values: interpreted at first, compiled once the same graph keeps coming back.

Nobody waits for a compiler to print a sum. A graph is found again by its structure (what is computed, from leaves of
which shape), whatever the values; from the round on in which compiling pays, it runs as a native program.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbdl.autodiff import expand_gradients
from nbdl.errors import UntraceableError
from nbdl.ir import ops
from nbdl.ir.graph import Node, current_scope, topological, with_inputs
from nbdl.ir.interpret import evaluate_all
from nbdl.ir.primitives import TABLE
from nbdl.ir.shapes import Batch, has_batch

GRADIENT = TABLE["gradient"]

ROUNDS = 8
"""How often a graph is interpreted before it is compiled: few enough for a loop, too many for a notebook's cell."""

REMEMBERED = 256  # recipes; the one used longest ago is forgotten


@dataclass
class Recipe:
    """What is known about a graph seen before."""

    rounds: int = 0
    program: Callable[[Sequence[np.ndarray]], list[np.ndarray]] | None = None


_recipes: OrderedDict[Hashable, Recipe] = OrderedDict()


class _Unchanging(threading.local):
    inside: str = ""


_unchanging = _Unchanging()


@contextmanager
def unchanging(inside: str) -> Iterator[None]:
    """While a function is recorded for what is called `inside`: it may compute, but give no parameter another value."""
    outer = _unchanging.inside
    _unchanging.inside = inside
    try:
        yield
    finally:
        _unchanging.inside = outer


def check_change(what: str) -> None:
    """Raise `UntraceableError` where nothing may be changed: the new value would be known inside of the record only."""
    if _unchanging.inside:
        raise UntraceableError(
            f"{what} can't change inside of {_unchanging.inside}, which records what a function returns and nothing "
            "else: return the new value and assign it outside, change it in a train_step, which fit compiles as a "
            "whole, or call eval() on a network whose layers follow the data while they train, such as BatchNorm"
        )


class _Debugging(threading.local):
    active: bool = False
    examples: Mapping[Node, np.ndarray] | None = None


_debugging = _Debugging()


@contextmanager
def debugging() -> Iterator[None]:
    """Inside, nothing is compiled, and every operation's result is checked for NaN and infinity."""
    outer = _debugging.active
    _debugging.active = True
    try:
        yield
    finally:
        _debugging.active = outer


def is_debugging() -> bool:
    """Whether everything is to be interpreted and checked."""
    return _debugging.active


@contextmanager
def examples(values: Mapping[Node, np.ndarray]) -> Iterator[None]:
    """Inside, what is only being recorded has a value when it is asked for: the one from these values of its leaves,
    and those of the examples around.
    """
    outer = _debugging.examples
    _debugging.examples = {**(outer or {}), **values}
    try:
        yield
    finally:
        _debugging.examples = outer


def has_examples() -> bool:
    """Whether what is being recorded has a value when it is asked for."""
    return _debugging.examples is not None


def value_of(node: Node) -> np.ndarray:
    """The value of a node, computed if need be. Raises `UntraceableError` where there is none."""
    if node.value is None:
        if _debugging.examples is not None and is_traced(node):
            return _example(node, _debugging.examples)
        realize([node])
    return known_value(node)


def _example(node: Node, values: Mapping[Node, np.ndarray]) -> np.ndarray:
    order = topological(expand_gradients([node]), lambda each: is_known(each) or each in values)
    rows = max((len(array) for leaf, array in values.items() if leaf.shape[:1] == (Batch(),)), default=0)
    check_known(each for each in order if each.name == "input" and each not in values)
    return evaluate_all(order, values, rows=rows)[order[-1]]


def recipe_for(key: Hashable) -> Recipe:
    """The recipe of a structure; it counts one round more."""
    recipe = _recipes.get(key)
    if recipe is None:
        recipe = _recipes[key] = Recipe()
        if len(_recipes) > REMEMBERED:
            _recipes.popitem(last=False)
    else:
        _recipes.move_to_end(key)
    recipe.rounds += 1
    return recipe


def realize(nodes: Sequence[Node]) -> None:
    """Compute the nodes that have no value yet, and keep their values.

    Raises `UntraceableError` if one of them depends on something that is only known when a program runs.
    """
    pending = [node for node in nodes if node.value is None]
    if not pending:
        return
    key, leaves, numbers = structure(pending)
    check_known(numbers)
    recipe = recipe_for(key)
    if recipe.program is None and recipe.rounds > ROUNDS and not is_debugging():
        recipe.program = compile_graph(pending, leaves)
    if recipe.program is None or is_debugging():
        _interpret(pending)
        return
    for node, array in zip(pending, recipe.program([known_value(leaf) for leaf in leaves]), strict=True):
        keep_value(node, array)


def structure(outputs: Sequence[Node]) -> tuple[Hashable, list[Node], dict[Node, int]]:
    """Describe the graph below `outputs` without its values.

    Returns a hashable key, equal for graphs that compute the same from their leaves; the leaves in order; and all nodes
    with their places, each after its inputs. A node that has a value is a leaf, unless a gradient has to go through it.
    """
    through = any(node.primitive is GRADIENT for node in outputs)
    order = topological(outputs, is_source if through else is_known)
    if not through and any(node.primitive is GRADIENT for node in order):
        through = True
        order = topological(outputs, is_source)
    numbers: dict[Node, int] = {}
    leaves: list[Node] = []
    key: list[Hashable] = []
    for number, node in enumerate(order):
        numbers[node] = number
        if node.value is not None and not (through and node.inputs):
            leaves.append(node)
            key.append((node.shape, node.dtype, node.differentiable))
        else:
            key.append((node.primitive, node.params, node.dtype, tuple([numbers[each] for each in node.inputs])))
    return (tuple(key), tuple([numbers[output] for output in outputs])), leaves, numbers


def is_known(node: Node) -> bool:
    """Whether a node has a value."""
    return node.value is not None


def is_source(node: Node) -> bool:
    """Whether a node has a value and no past."""
    return node.value is not None and not node.inputs


def check_known(nodes: Iterable[Node]) -> None:
    """Raise `UntraceableError` if a node has no value because a program is only being recorded."""
    for node in nodes:
        if node.value is None and _is_recorded_only(node):
            where = f" in {current_scope()}" if current_scope() else ""
            raise UntraceableError(
                f"a value was asked for{where} while the program is only being recorded (by float(), if, numpy() or a "
                f"function of "
                "NumPy): there is none yet. Use nbdl's functions, nbdl.where for choices, or a network compiled with "
                "debug=True"
            )


def keep_value(node: Node, array: np.ndarray) -> None:
    """Store a computed value; one that needs no gradient forgets its past, or a loop would keep all of it alive.

    A gradient keeps it: `optimizer.step()` finds by it which loss it is of.
    """
    node.value = array
    if not node.differentiable and node.primitive is not GRADIENT:
        node.inputs = ()


def known_value(node: Node) -> np.ndarray:
    """The value of a node that is known to have one."""
    assert node.value is not None
    return node.value


def _interpret(pending: list[Node]) -> None:
    outputs = expand_gradients(pending)
    known = evaluate_all(topological(outputs, is_known), {}, check=is_debugging())
    for node, output in zip(pending, outputs, strict=True):
        keep_value(node, known[output])
    for node, array in known.items():  # what a tensor still looks at need not be computed again
        if node.value is None and node.tensor is not None and node.tensor() is not None:
            keep_value(node, array)


def interpret_now(nodes: Sequence[Node]) -> None:
    """Compute nodes with NumPy, whatever the number of rounds."""
    _interpret([node for node in nodes if node.value is None])


def live_nodes(nodes: Iterable[Node], gradients: Sequence[Node]) -> list[Node]:
    """The nodes without a value that a tensor of the user's still looks at, gradients aside."""
    aside = set(gradients)
    return [
        node
        for node in nodes
        if node.value is None
        and node.tensor is not None
        and node.tensor() is not None
        and node.primitive is not GRADIENT
        and node not in aside
    ]


def is_traced(node: Node) -> bool:
    """Whether a node depends on something that is only known when a program runs."""
    return any(each.value is None and _is_recorded_only(each) for each in topological([node], is_known))


def _is_recorded_only(node: Node) -> bool:
    """Whether a node can have no value of its own: it is given, or has as many rows as there will be."""
    return node.name in ("input", "batch_size") or has_batch(node.shape)


def constants_of(outputs: Sequence[Node]) -> list[Node]:
    """The leaves below `outputs` that have a value."""
    return [node for node in topological(outputs) if node.value is not None and node.name == "input"]


def compile_graph(
    outputs: Sequence[Node], leaves: Sequence[Node], device: str = "cpu"
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """Compile a graph for a device to a function from the leaves' values to the outputs'."""
    from nbdl.codegen.plan import Variable
    from nbdl.codegen.program import Program

    fresh = {leaf: placeholder(leaf, number) for number, leaf in enumerate(leaves, start=1)}
    results = rebuild(outputs, fresh)
    variables = [Variable(f"input_{number}", "value", leaf) for number, leaf in enumerate(fresh.values(), start=1)]
    variables += [Variable(f"output_{number}", "result", None, node) for number, node in enumerate(results, start=1)]
    program = Program(variables, "A graph of tensors.")
    if device == "cuda":
        from nbdl.codegen.cuda.program import CudaProgram

        program = CudaProgram.of(program)
    shapes: list[tuple[Any, Any]] = [(node.shape, node.dtype) for node in results]
    bound: list[Any] = []

    def run(values: Sequence[np.ndarray]) -> list[np.ndarray]:
        made = [np.empty(shape, dtype) for shape, dtype in shapes]
        if not bound:
            arrays = {each.name: array for each, array in zip(variables, [*values, *made], strict=True)}
            bound.append(program.bind(arrays))
        bound[0].run_once([*values, *made])
        return made

    return run


def placeholder(leaf: Node, number: int) -> Node:
    """A leaf without a value in place of one with."""
    name = leaf.param("name") if leaf.name == "input" and leaf.param("name") else f"input_{number}"
    assert not has_batch(leaf.shape)  # it has a value
    return ops.leaf(leaf.shape, leaf.dtype, name=name, differentiable=leaf.differentiable)


def rebuild(outputs: Sequence[Node], fresh: dict[Node, Node]) -> list[Node]:
    """The graph below `outputs` with some nodes replaced."""
    new = dict(fresh)
    for node in topological(outputs, new.__contains__):
        if node not in new:
            inputs = tuple([new[each] for each in node.inputs])
            new[node] = node if inputs == node.inputs else with_inputs(node, inputs)
    return [new[output] for output in outputs]
