"""Rows of the primitive table that compute nothing from other tensors: inputs, constants, counters, random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbdl.errors import DtypeError, VerifyError
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.primitives import NO_DERIVATIVE, Context, define
from nbdl.ir.shapes import Shape
from nbdl.kernels import reference_random

Inferred = tuple[Shape, np.dtype[Any]]


def _no_value(context: Context, node: Node) -> np.ndarray:
    raise VerifyError(f"the input {node.param('name') or node!r} was given no value")


define("input", "leaf", infer=lambda **_: ((), ops.FLOAT32), evaluate=_no_value, derivative=NO_DERIVATIVE)
define(
    "constant",
    "leaf",
    infer=lambda value, dtype: ((), dtype),
    evaluate=lambda context, node: np.asarray(node.param("value"), node.dtype),
    derivative=NO_DERIVATIVE,
    text="{value}",
)
define(
    "batch_size",
    "leaf",
    infer=lambda dtype: ((), dtype),
    evaluate=lambda context, node: np.asarray(context.rows, node.dtype),
    derivative=NO_DERIVATIVE,
    text="batch_size",
)
define(
    "iota",
    "index",
    infer=lambda size, dtype: ((size,), dtype),
    evaluate=lambda context, node: np.arange(context.shape(node)[0], dtype=node.dtype),
    derivative=NO_DERIVATIVE,
    text="{index}",
)


def _infer_random(key: Node, shape: Shape, dtype: np.dtype[Any], stream: int) -> Inferred:
    if key.shape != (2,) or key.dtype != ops.INT64 or dtype.kind != "f":
        raise DtypeError(f"random numbers are floating-point and take a key of two int64, not {dtype} and {key!r}")
    return shape, dtype


def _evaluate_random(context: Context, node: Node, key: np.ndarray) -> np.ndarray:
    name = node.name.removeprefix("random_") + ("" if node.dtype == ops.FLOAT32 else "_float64")
    draw = getattr(reference_random, name)
    shape = context.shape(node)
    index = np.arange(int(np.prod(shape)), dtype=np.int64)
    return draw(int(key[0]), int(key[1]), node.param("stream"), index).reshape(shape)


for _name in ("random_uniform", "random_normal"):
    define(
        _name,
        "index",
        infer=_infer_random,
        evaluate=_evaluate_random,
        derivative=NO_DERIVATIVE,
        text=_name + "(seed, step, {stream}, {linear})",
    )
