"""NumPy's functions of tensors: `np.sin(x)` records what `nbdl.sin(x)` does, so that gradients flow through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np

from nbdl import elementwise, functions
from nbdl.errors import UntraceableError
from nbdl.tensor import Tensor

Function = Callable[..., Any]

OTHER_NAMES = {
    "absolute": "abs", "amax": "max", "amin": "min", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "concatenate": "concat",
    "transpose": "permute_dims",
}  # fmt: skip
SAME_MEANING = (
    "all any argmax argmin broadcast_arrays broadcast_to count_nonzero cumulative_prod cumulative_sum einsum "
    "expand_dims flip full_like matmul matrix_transpose max mean min moveaxis ones_like prod repeat "
    "reshape roll round split squeeze stack std sum take_along_axis tensordot tile tril triu unstack var vecdot "
    "zeros_like"
).split()
"""Functions that are called alike; what is left out has other arguments, such as `take`."""
NATIVE: Mapping[str, Function] = {
    **{name: getattr(functions, name) for name in [*elementwise.__all__, *SAME_MEANING]},
    **{theirs: getattr(functions, ours) for theirs, ours in OTHER_NAMES.items()},
    "bitwise_and": lambda x, y: functions.asarray(x) & y,
    "bitwise_or": lambda x, y: functions.asarray(x) | y,
    "invert": lambda x: ~x,
}


def call(function: Function, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What a function of NumPy makes of tensors: a tensor if nbdl has that function, else what NumPy makes of arrays.

    Raises `UntraceableError` if a gradient would get lost that way, or there are no values yet.
    """
    native = NATIVE.get(function.__name__)
    if native is not None and _fits(native, args, options):
        return native(*args, **options)
    return with_arrays(function, args, options)


def _fits(native: Function, args: Sequence[Any], options: Mapping[str, Any]) -> bool:
    try:
        signature(native).bind(*args, **options)
    except TypeError:
        return False
    return True


def with_arrays(function: Function, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Call a function of NumPy with the values of tensors. Raises as `call` does."""
    result = function(*map(_arrays, args), **{name: _arrays(each) for name, each in options.items()})
    is_asked_for = options.get("out") is not None  # numbers go into an array, and everybody knows it
    if not is_asked_for and _is_floating(result) and any(each.requires_grad for each in _tensors([args, options])):
        raise UntraceableError(
            f"NumPy's {function.__name__}, called like this, is none of nbdl's functions: the gradient would end here; "
            "see dir(nbdl) for what it flows through, or give NumPy the values alone: x.numpy()"
        )
    return result


def _arrays(x: Any) -> Any:
    """The same with arrays in the place of tensors."""
    if isinstance(x, Tensor):
        return x.numpy()
    if type(x) in (list, tuple):
        return type(x)(map(_arrays, x))
    return x


def _tensors(x: Any) -> Iterator[Tensor]:
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, list | tuple | dict):
        for each in x.values() if isinstance(x, dict) else x:
            yield from _tensors(each)


def _is_floating(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(_is_floating, x))
    return isinstance(x, float | np.ndarray | np.generic) and np.asarray(x).dtype.kind == "f"
