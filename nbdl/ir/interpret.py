"""Run a graph with NumPy, one row of the primitive table after another.

Nobody waits for a compiler to print a sum: this is how an expression seen for the first time gets its value. It is also
the debugging mode: with `check=True` every operation is looked at for values that are not finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nbdl.errors import NumericsError
from nbdl.ir.graph import Node, topological
from nbdl.ir.primitives import Context
from nbdl.ir.shapes import show_shape


def interpret(
    outputs: Sequence[Node], values: Mapping[Node, np.ndarray] | None = None, *, rows: int = 0, check: bool = False
) -> list[np.ndarray]:
    """Return the arrays of `outputs`, given those of the leaves (`values`, or known on the nodes themselves).

    Raises `NumericsError` (with `check`) naming the first operation, and its layer, that gives NaN, or infinity from
    finite inputs.
    """
    known = evaluate_all(
        topological(outputs, stop=lambda node: node.value is not None), values or {}, rows=rows, check=check
    )
    return [known[output] for output in outputs]


def evaluate_all(
    nodes: Iterable[Node], values: Mapping[Node, np.ndarray], *, rows: int = 0, check: bool = False
) -> dict[Node, np.ndarray]:
    """Return the array of every node; `nodes` are in topological order."""
    context = Context(rows, check)
    known: dict[Node, np.ndarray] = {}
    for node in nodes:
        if node in values:
            known[node] = values[node]
        elif node.value is not None:
            known[node] = node.value
        else:
            with np.errstate(all="ignore"):  # infinities and NaN are values here; `check` looks at them
                known[node] = node.primitive.evaluate(context, node, *[known[each] for each in node.inputs])
            if check:
                _check_finite(node, known[node], [known[each] for each in node.inputs])
    return known


def _check_finite(node: Node, array: np.ndarray, inputs: Sequence[np.ndarray]) -> None:
    if node.name in ("constant", "scan") or array.dtype.kind != "f" or np.isfinite(array).all():
        return
    what = "NaN" if np.isnan(array).any() else "infinity"
    finite = all(np.isfinite(each).all() for each in inputs if each.dtype.kind == "f")
    if what == "infinity" and not finite:
        return  # somebody wrote one down, so that what is masked wins no maximum, and it is handed on
    where = f" in {node.scope}" if node.scope else ""
    count = np.size(array) - np.isfinite(array).sum()
    raise NumericsError(
        f"{node.name}{where} gives {what} ({count} of {array.size} elements of shape {show_shape(array.shape)}) "
        f"from {'finite' if finite else 'infinite'} inputs"
    )
