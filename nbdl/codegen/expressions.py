"""Print expressions as Python text, with as few parentheses as Python needs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from nbdl.ir.graph import Node

DTYPE_NAMES = {"float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64", "uint8": "u8", "bool": "b1"}
"""What dtypes are called in generated code."""

_CALL = 20
_PRECEDENCE = {
    "where": 0,
    "logical_not": 4,
    "less": 5,
    "less_equal": 5,
    "equal": 5,
    "not_equal": 5,
    "logical_or": 7,
    "logical_and": 8,
    "add": 10,
    "subtract": 10,
    "multiply": 11,
    "divide": 10.5,  # as an operand of a product it is put in parentheses, but for the first one
    "remainder": 10.5,
    "floor_divide": 10.5,
    "negative": 12,
}
_OPERANDS = {
    "add": (10, 10),
    "subtract": (10, 10.25),
    "multiply": (10.5, 11),
    "divide": (10.5, 11.25),
    "remainder": (10.5, 11.25),
    "floor_divide": (10.5, 11.25),
}
_OPERANDS |= {name: (precedence, precedence) for name, precedence in _PRECEDENCE.items() if name.startswith("logical")}
"""How tightly the first operand and the others must bind; where nothing is said, more tightly than the operator
itself.
"""

_WRAPPING = {"add", "subtract", "multiply", "negative", "abs"}


@dataclass(frozen=True)
class Text:
    """An expression, and how tightly its outermost operator binds."""

    text: str
    precedence: float = _CALL

    def within(self, precedence: float) -> str:
        """The text, in parentheses if its operator binds less tightly than `precedence`."""
        return f"({self.text})" if self.precedence < precedence else self.text


_NAME = re.compile(r"(?![ijklmopq]\b)\b[^\W\d]\w*")


def length(text: str) -> int:
    """Number of characters of an expression in which every name has six, the variables of loops aside.

    What is printed on a line of its own is computed in another order, and rounded otherwise: what somebody calls a
    layer must not decide about that.

    >>> length("x[i, j] + bias[j]") == length("product[i, j] + b[j]")
    True
    """
    return len(_NAME.sub("x" * 6, text))


def dtype_name(dtype: np.dtype[Any]) -> str:
    """What a dtype is called in generated code."""
    return DTYPE_NAMES[dtype.name]


def number(value: Any, dtype: np.dtype[Any]) -> str:
    """Print a constant of a dtype. float32 is written out, or the expression would be computed in float64."""
    if dtype.kind != "f":
        return str(value)
    text = (
        "inf"
        if value == math.inf
        else "-inf"
        if value == -math.inf
        else "nan"
        if value != value
        else repr(float(value))
    )
    if dtype == np.float32 and text[-1].isdigit():
        text = _shortest(float(value))
    return text if dtype == np.float64 else f"f32({text})"


def constant(node: Node) -> Text:
    """Print a node that is a constant."""
    value = node.param("value")
    signed = node.dtype.kind != "f" and value < 0
    return Text(number(value, node.dtype), _PRECEDENCE["negative"] if signed else _CALL)


def _shortest(value: float) -> str:
    """The shortest text that gives the same float32, as a float."""
    text = str(np.float32(value))
    return text if any(mark in text for mark in ".en") else text + ".0"


def operation(node: Node, operands: list[Text]) -> Text:
    """Print a primitive applied to printed operands."""
    own = _PRECEDENCE.get(node.name, _CALL)
    if node.name == "cast":
        if node.dtype.kind == "b":
            return Text(f"{operands[0].within(6)} != 0", 5)
        return Text(f"{dtype_name(node.dtype)}({operands[0].text})")
    first, others = _OPERANDS.get(node.name, (own + 1, own + 1)) if own != _CALL else (0, 0)
    parts = [each.within(others if place else first) for place, each in enumerate(operands)]
    text = node.primitive.text.format(*parts)
    # Numba computes small integers in 64 bits; NumPy and other devices let them wrap around
    return (
        Text(f"{dtype_name(node.dtype)}({text})")
        if node.dtype.name in ("int32", "uint8") and node.name in _WRAPPING
        else Text(text, own)
    )
