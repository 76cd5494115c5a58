"""What a program ought to do: its graph, interpreted with NumPy step after step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nbdl.autodiff import expand_gradients
from nbdl.codegen.plan import Variable
from nbdl.ir.graph import Node
from nbdl.ir.interpret import interpret


def run_oracle(
    variables: Sequence[Variable],
    arrays: dict[str, np.ndarray],
    order: np.ndarray,
    *,
    batch: int,
    steps: int = 1,
    seed: int = 0,
    offset: int = 0,
) -> dict[str, np.ndarray]:
    """Return the arrays as a program leaves them."""
    arrays = {name: array.copy() for name, array in arrays.items()}
    targets = [each for each in variables if each.result is not None]
    outputs = expand_gradients([each.result for each in targets if each.result is not None])
    for step in range(steps):
        picked = order[step * batch : (step + 1) * batch]
        values = interpret(outputs, _leaf_values(variables, arrays, picked, seed, offset + step), rows=len(picked))
        for variable, value in zip(targets, [value.copy() for value in values], strict=True):
            if variable.role == "row_result":
                arrays[variable.name][picked] = value
            else:
                arrays[variable.name][...] = value
    return arrays


def _leaf_values(
    variables: Sequence[Variable], arrays: dict[str, np.ndarray], picked: np.ndarray, seed: int, step: int
) -> dict[Node, np.ndarray]:
    values = {}
    for variable in variables:
        if variable.leaf is None:
            continue
        if variable.role == "key":
            values[variable.leaf] = np.array([seed, step])
        else:
            array = arrays[variable.name]
            values[variable.leaf] = array[picked] if variable.role == "rows" else array
    return values


def compare(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray], tolerance: float, note: str = "") -> None:
    """Check every array; NaN and infinities must agree."""
    for name, array in wanted.items():
        scale = max(1.0, float(np.abs(array[np.isfinite(array)]).max(initial=0))) if array.dtype.kind == "f" else 1.0
        np.testing.assert_allclose(got[name], array, rtol=tolerance, atol=tolerance * scale, err_msg=f"{name} {note}")
