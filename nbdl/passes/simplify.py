"""Algebraic simplification: rules in a table, applied once from the leaves up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nbdl.errors import ShapeError
from nbdl.ir import ops
from nbdl.ir.graph import Node, substitute, with_inputs
from nbdl.ir.primitives import Context, apply
from nbdl.ir.shapes import broadcast, product

Rule = Callable[[Node], Node | None]


def simplify(outputs: Sequence[Node]) -> list[Node]:
    """Return outputs that compute the same with fewer nodes."""

    def replace(node: Node, inputs: tuple[Node, ...]) -> Node | None:
        node = node if inputs == node.inputs else with_inputs(node, inputs)
        for rule in (*RULES.get(node.name, ()), *RULES_BY_KIND.get(node.primitive.kind, ())):
            better = rule(node)
            if better is not None and better.shape == node.shape:
                if better.inputs:
                    better.title = better.title or node.title
                return better
        return node

    new = substitute(outputs, replace)
    return [new[output] for output in outputs]


def _number(node: Node) -> float | None:
    return node.param("value") if node.name == "constant" else None


def _first(node: Node) -> Node:
    return node.inputs[0]


def _fold_constants(node: Node) -> Node | None:
    if not node.inputs or any(each.name != "constant" for each in node.inputs):
        return None
    arrays = [np.asarray(each.param("value"), each.dtype) for each in node.inputs]
    return ops.constant(node.primitive.evaluate(Context(), node, *arrays).item(), node.dtype)


def _without_broadcasts(node: Node) -> Node | None:
    """Elementwise operations broadcast by themselves, so an explicit broadcast is needed only where it gives the
    shape.
    """
    inputs = list(node.inputs)
    for place, each in enumerate(inputs):
        if each.name == "broadcast":
            trial = [*inputs[:place], _first(each), *inputs[place + 1 :]]
            try:
                fits = broadcast(*[other.shape for other in trial]) == node.shape
            except ShapeError:
                fits = False
            if fits:
                inputs = trial
    return with_inputs(node, tuple(inputs)) if tuple(inputs) != node.inputs else None


def _drop_zero(node: Node) -> Node | None:
    x, y = node.inputs
    if _number(y) == 0:
        return x
    return y if _number(x) == 0 and node.name == "add" else None


def _join_pads(node: Node) -> Node | None:
    """Pieces that lie side by side in zeros, added up: the gradient of what was cut into slices."""
    pads, stack = [], list(node.inputs)
    while stack:
        each = stack.pop()
        if each.name == "add":
            stack += each.inputs
        elif each.name == "pad" and each.param("step") == 1:
            pads.append(each)
        else:
            return None
    axis, end = pads[0].param("axis"), 0
    parts: list[Node] = []
    for each in sorted(pads, key=lambda pad: int(pad.param("before"))):
        if each.param("axis") != axis or each.param("before") != end:
            return None
        parts.append(_first(each))
        end += int(_first(each).shape[axis])
    return ops.concatenate(parts, axis) if end == node.shape[axis] else None


def _add_of_negative(node: Node) -> Node | None:
    x, y = node.inputs
    if y.name == "negative":
        return ops.subtract(x, _first(y))
    return ops.subtract(y, _first(x)) if x.name == "negative" else None


def _subtract_negative(node: Node) -> Node | None:
    x, y = node.inputs
    return ops.add(x, _first(y)) if y.name == "negative" else None


def _drop_one(node: Node) -> Node | None:
    x, y = node.inputs
    if _number(y) == 1:
        return x
    return y if _number(x) == 1 and node.name == "multiply" else None


def _join_factors(node: Node) -> Node | None:
    """(x * c) * d = x * (c * d)"""
    x, y = node.inputs
    if _number(x) is not None:
        x, y = y, x
    factor = _number(y)
    if factor is None or x.name != "multiply" or node.dtype.kind != "f":
        return None
    for inner, other in (x.inputs, x.inputs[::-1]):
        known = _number(other)
        if known is not None and _is_ordinary(known * factor, node.dtype):
            return ops.multiply(inner, ops.constant(known * factor, node.dtype))
    return None


def _is_ordinary(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether a number is neither lost in a dtype nor too large for it: then (x * c) * d may still be right."""
    limits = np.finfo(dtype)
    return bool(limits.tiny <= abs(value) <= limits.max)


def _same_twice(node: Node) -> Node | None:
    inner = _first(node)
    if inner.name != node.name:
        return None
    if node.name == "negative":
        return _first(inner)
    if node.name == "reshape":
        return ops.reshape(_first(inner), node.shape)
    order = inner.param("permutation")
    return ops.transpose(_first(inner), tuple(order[axis] for axis in node.param("permutation")))


def _negative_outside(node: Node) -> Node | None:
    """(-x) * y = -(x * y), and likewise for quotients, sums and reshapes: signs meet and cancel."""
    for place, each in enumerate(node.inputs):
        if each.name == "negative":
            inputs = (*node.inputs[:place], _first(each), *node.inputs[place + 1 :])
            return ops.negative(with_inputs(node, inputs))
    return None


def _single_outside(node: Node) -> Node | None:
    """What is the same for all elements is worked out once, and then broadcast."""
    singles = [_first(each) if each.name == "broadcast" else each for each in node.inputs]
    if all(product(each.shape) == 1 for each in node.inputs) or any(product(each.shape) != 1 for each in singles):
        return None
    numbers = [ops.reshape(each, ()) for each in singles]
    if node.primitive.kind == "view":
        return ops.broadcast_to(numbers[0], node.shape)
    return ops.broadcast_to(apply(node.name, *numbers, **dict(node.params)), node.shape)


def _reshape_to_itself(node: Node) -> Node | None:
    return _first(node)  # taken only if the shape is the same


def _nothing_to_reduce(node: Node) -> Node | None:
    """Along axes of size 1 there is one element to add up."""
    return _first(node)  # taken only if the shape is the same


def _swap_of_vector_like(node: Node) -> Node | None:
    """Transposing axes of size 1 moves no element."""
    x = _first(node)
    moved = [axis for axis in node.param("permutation") if x.shape[axis] != 1]
    return ops.reshape(x, node.shape) if moved == sorted(moved) else None


RULES: dict[str, tuple[Rule, ...]] = {
    "add": (_drop_zero, _add_of_negative, _join_pads),
    "subtract": (_drop_zero, _subtract_negative),
    "multiply": (_drop_one, _join_factors, _negative_outside),
    "divide": (_drop_one, _negative_outside),
    "fast_divide": (_drop_one, _negative_outside),
    "sum": (_nothing_to_reduce, _negative_outside),
    "max": (_nothing_to_reduce,),
    "negative": (_same_twice,),
    "stop_gradient": (_first,),
    "reshape": (_reshape_to_itself, _same_twice, _single_outside, _negative_outside),
    "broadcast": (_reshape_to_itself,),
    "transpose": (_swap_of_vector_like, _same_twice),
}
RULES_BY_KIND: dict[str, tuple[Rule, ...]] = {"elementwise": (_fold_constants, _single_outside, _without_broadcasts)}
