"""Programs of everything that is registered, to be run on a card (or a simulated one) and compared with NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

import numpy as np

import nbdl
from nbdl import Tensor, nn, plugins, random
from nbdl.autodiff import differentiate
from nbdl.codegen.cuda.program import CudaProgram
from nbdl.codegen.plan import Variable
from nbdl.ir import ops
from nbdl.ir.graph import Node
from nbdl.ir.shapes import Batch
from nbdl.plugins import Registered
from nbdl.train import tracing
from nbdl.train.feed import make_feed
from nbdl.train.tracing import Traced
from tests.codegen.oracle import compare, run_oracle
from tests.contracts import samples

ROWS, STEPS, BATCH = 9, 2, 5
TOLERANCE = 2e-4
"""float32, two steps: sums in another order, and other exponentials and logarithms than NumPy's."""

PLAIN = {"name": "sgd", "lr": 0.1}
"""Adam would make steps of rounding where a gradient is nothing else, as that of a key's bias in attention."""

Arrays = dict[str, np.ndarray]


def registered(kind: str) -> list[Registered]:
    return [each for each in plugins.all(kind) if each.package == "nbdl"]


def run(variables: list[Variable], arrays: Arrays, *, batch: int = BATCH, steps: int = STEPS) -> None:
    """Run a program on the card and with NumPy, and compare all that it changes."""
    rows = max([len(arrays[each.name]) for each in variables if each.role == "rows"], default=1)
    order = np.random.default_rng(0).permutation(rows)[: steps * batch]
    wanted = run_oracle(variables, arrays, order, batch=batch, steps=steps, seed=5)
    got = {name: array.copy() for name, array in arrays.items()}
    bound = CudaProgram(variables, "a walk").bind(got, batch=batch, seed=5)
    bound.run(order, 0, steps)
    bound.pull()
    compare(got, wanted, TOLERANCE)


def of_traced(traced: Traced) -> tuple[list[Variable], Arrays]:
    return list(traced.program.variables), {name: array.copy() for name, array in traced.arrays.items()}


# --- functions of predictions ---


def function_program(function: Any, *inputs: np.ndarray) -> tuple[list[Variable], Arrays]:
    """A function's value, and its gradient with respect to the first input."""
    arrays = [each.astype(np.float32) if each.dtype.kind == "f" else each for each in inputs]
    leaves = [
        ops.leaf((Batch(), *each.shape[1:]), each.dtype, name=f"input_{place}", differentiable=each.dtype.kind == "f")
        for place, each in enumerate(arrays)
    ]
    value = function(*map(Tensor.wrap, leaves))
    results: list[Node] = [value.node, *differentiate(nbdl.sum(value).node, leaves[:1])]
    variables = [Variable(f"input_{place}", "rows", leaf) for place, leaf in enumerate(leaves)]
    given = {f"input_{place}": each for place, each in enumerate(arrays)}
    for place, node in enumerate(results):
        rows = node.shape[:1] == (Batch(),)
        variables.append(Variable(f"result_{place}", "row_result" if rows else "result", None, node))
        shape = (len(arrays[0]), *node.shape[1:]) if rows else node.shape
        given[f"result_{place}"] = np.zeros(shape, node.dtype)  # type: ignore[arg-type]
    return variables, given


def activation_program(thing: Registered) -> tuple[list[Variable], Arrays]:
    x = np.random.default_rng(0).normal(size=(ROWS, 4)) * 2
    return function_program(thing.make(), x)


def loss_programs(thing: Registered) -> Iterator[tuple[list[Variable], Arrays]]:
    for sample in samples.LOSSES[thing.name]:
        yield function_program(thing.make(), *sample())


# --- networks ---


def training(
    net: nn.Module, x: Any, y: Any, optimizer: Any, loss: Any, metrics: Any = ()
) -> tuple[list[Variable], Arrays]:
    net.compile(optimizer, loss, metrics)
    feed = make_feed(x, y)
    tracing.build(net, feed, net.train_step if tracing.has_own_step(net) else None)
    tracing.attach(net)
    return of_traced(tracing.trace_training(net, feed))


def optimizer_program(thing: Registered) -> tuple[list[Variable], Arrays]:
    random.set_seed(0)
    generator = np.random.default_rng(0)
    net = nn.Sequential(nn.Dense(4, activation="tanh"), nn.Dense(2))
    options = {"weight_decay": 1e-3, "clip_value": 0.5, "clip_norm": 1.0}
    x = generator.standard_normal((ROWS, 3), np.float32)
    return training(net, x, generator.standard_normal((ROWS, 2), np.float32), thing.make(**options), "mse")


def rows_for(model: Registered) -> tuple[samples.Rows, ...]:
    takes_tokens = "tokens" in signature(model.factory).parameters
    return samples.MODELS.get(model.name, samples.TABLES + (samples.TEXTS if takes_tokens else ()))


def model_program(thing: Registered, rows: samples.Rows) -> tuple[list[Variable], Arrays]:
    random.set_seed(0)
    generator = np.random.default_rng(0)
    supplied = {} if rows.tokens is None else {"tokens": rows.tokens}
    net = thing.make(outputs=rows.outputs, **supplied, **rows.options)
    x: np.ndarray = generator.random((ROWS, *rows.features), np.float32)
    if rows.tokens is not None:
        x = generator.integers(0, rows.tokens, (ROWS, *rows.features)).astype(np.int32)
    shape = net.eval()(x).shape
    if net.task is not None:
        loss = None if tracing.has_own_step(net) else "mse"
        return training(net, x, x if net.task == "reconstruction" else None, PLAIN, loss)
    *kept, outputs = shape
    sizes = [int(each) for each in kept]
    if outputs > 1:
        return training(net, x, generator.integers(0, outputs, sizes), PLAIN, "sparse_categorical_crossentropy")
    return training(net, x, generator.random((*sizes, 1), np.float32), PLAIN, "mse")
