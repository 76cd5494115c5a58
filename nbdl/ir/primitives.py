"""The table of primitives: everything that nbdl can compute, one row each.

A row gives the shape rule, the derivative, the meaning in NumPy (the interpreter) and, for elementwise operations, the
text that the code generators print. Rows are added with `define`; one without a derivative must say that it has none.
All other functions are composed of these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nbdl.errors import VerifyError
from nbdl.ir.graph import Node, Params
from nbdl.ir.shapes import Shape, concrete

Kind = Literal["leaf", "elementwise", "index", "reduction", "movement", "view", "call", "result", "deferred"]
"""How the scheduler treats a row:

- `leaf`: a value from outside, or a scalar known at run time;
- `elementwise`: each element of the result depends on the same (broadcast) element of the inputs;
- `index`: each element depends on its position only (and on scalars): `iota`, random numbers;
- `reduction`: sums or maxima over axes, which stay as axes of size 1;
- `movement`: each element is a copy of one element of the input (`transpose`, `slice`, `broadcast`, ...);
- `view`: the same elements in the same order with another shape;
- `call`: a kernel of its own (matrix product, gather, ...);
- `result`: one of several values that a call computes (`scan`);
- `deferred`: replaced by other nodes before anything runs (`gradient`, `softmax`).
"""

InferRule = Callable[..., tuple[Shape, np.dtype[Any]]]
Derivative = Callable[[Node, Any], Sequence[Node | None]]
NO_DERIVATIVE = None


@dataclass(frozen=True)
class Context:
    """What the interpreter knows besides the inputs: the number of rows of the batch, and whether to check values."""

    rows: int = 0
    check: bool = False

    def shape(self, node: Node) -> tuple[int, ...]:
        """The concrete shape of a node."""
        return concrete(node.shape, self.rows)


@dataclass(frozen=True)
class CustomKernel:
    """The functions of an operation that a plugin has registered: generated programs import the CPU one by module and
    name.
    """

    cpu: Callable[..., Any]
    module: str
    name: str
    source_hash: str
    cuda: Callable[..., Any] | None = None


@dataclass(frozen=True, eq=False)
class Primitive:
    """A row of the table.

    - `infer(*inputs, **params)` returns shape and dtype, or raises `ShapeError` / `DtypeError`;
    - `evaluate(context, node, *arrays)` returns the value in NumPy;
    - `derivative(node, gradient)` returns the gradient of each input (None: none flows there), or is None; that of a
      node with several results gets a mapping from the results' keys to their gradients;
    - `text` is a format of the printed expression, `{0}`, `{1}` being the inputs and `{name}` the parameters.
    """

    name: str
    kind: Kind
    infer: InferRule
    evaluate: Callable[..., np.ndarray]
    derivative: Derivative | None
    text: str = ""
    kernel: CustomKernel | None = None


TABLE: dict[str, Primitive] = {}
_inferred: dict[Any, tuple[Shape, np.dtype[Any]]] = {}
_INFERRED_LIMIT = 10_000  # shapes seen before; emptied when a program with ever-changing shapes fills it


def define(
    name: str,
    kind: Kind,
    *,
    infer: InferRule,
    evaluate: Callable[..., np.ndarray],
    derivative: Derivative | None,
    text: str = "",
    kernel: CustomKernel | None = None,
) -> Primitive:
    """Add a row to the table. Raises `VerifyError` if the name is taken or an elementwise row has no text."""
    if name in TABLE:
        raise VerifyError(f"the primitive {name!r} is defined twice")
    if kind in ("elementwise", "index") and not text:
        raise VerifyError(f"the elementwise primitive {name!r} has no text for the code generators")
    TABLE[name] = Primitive(name, kind, infer, evaluate, derivative, text, kernel)
    return TABLE[name]


def undefine(name: str) -> None:
    """Take a row out of the table, so that it can be defined anew."""
    del TABLE[name]
    _inferred.clear()


def apply(name: str, *inputs: Node, **params: Any) -> Node:
    """Record the primitive `name` on `inputs`."""
    primitive = TABLE[name]
    frozen: Params = tuple(params.items())
    known = primitive.infer(*inputs, **params) if primitive.kind == "result" else _infer_once(primitive, inputs, frozen)
    differentiable = False
    if primitive.derivative is not None:
        for each in inputs:
            if each.differentiable:
                differentiable = known[1].kind == "f"
                break
    return Node(primitive, inputs, frozen, known[0], known[1], differentiable)


def _infer_once(primitive: Primitive, inputs: tuple[Node, ...], params: Params) -> tuple[Shape, np.dtype[Any]]:
    """Shape and dtype of a node, which depend on nothing but parameters and the inputs' shapes and dtypes."""
    key = (primitive.name, params, tuple([(each.shape, each.dtype) for each in inputs]))
    known = _inferred.get(key)
    if known is None:
        known = primitive.infer(*inputs, **dict(params))
        if len(_inferred) >= _INFERRED_LIMIT:
            _inferred.clear()
        _inferred[key] = known
    return known
