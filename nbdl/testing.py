"""The kit that plugins are tested with; the built-in ones pass the same checks.

Each check raises `AssertionError` with what was found. A plugin's own tests call them:

>>> import nbdl
>>> def squared(prediction, target):
...     '''Mean squared error.'''
...     return nbdl.mean(nbdl.mean(nbdl.square(prediction - target), axis=1))
>>> check_loss(squared, np.array([[1.0], [2.0]]), np.array([[1.5], [0.0]]))
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import getdoc, isclass, signature
from typing import Any

import numpy as np

from nbdl import functions, lazy, random
from nbdl.docstrings import argument_docs, summary_line
from nbdl.ir import ops
from nbdl.ir.graph import Node, topological
from nbdl.ir.interpret import interpret
from nbdl.ir.shapes import Batch, has_batch
from nbdl.nn.module import Module, Parameter
from nbdl.optim.optimizer import Optimizer
from nbdl.options import Options, read_options
from nbdl.resolve import resolve
from nbdl.tensor import Tensor
from nbdl.train.metric import Metric

EXTREME = (-1e4, -30.0, 0.0, 30.0, 1e4)
"""Inputs at which formulas overflow that were written without thinking of them."""

# Central differences are off by step**2 * f''' / 6 and by the rounding of f, eps * f / step; with step = eps**(1/3)
# both are about 4e-11 times the size of f and its derivatives. Sums of many elements and steep functions multiply that
# by some thousands.
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
GRADIENT_TOLERANCE = 1e-6

Function = Callable[..., Tensor]


@contextmanager
def interpreted() -> Iterator[None]:
    """Inside, nothing is compiled however often it comes back: values are NumPy's, to the last place."""
    rounds, lazy.ROUNDS = lazy.ROUNDS, sys.maxsize
    try:
        yield
    finally:
        lazy.ROUNDS = rounds


# --- gradients --------------------------------------------------------------------------------------------------------


@interpreted()
def check_gradients(function: Function, *arrays: Any, tolerance: float = GRADIENT_TOLERANCE) -> None:
    """Compare the gradient of a function with central differences, in float64, at every element of every float array.

    Args:
        function: takes as many tensors as there are arrays and returns a tensor of any shape.
        arrays: where to look; integers and booleans are passed on and not differentiated. Keep away from corners: a
            difference across one is no derivative.
        tolerance: largest error, relative to the size of the gradient (at least 1).
    """
    points = [_as_float64(array) for array in arrays]
    weights = _weights(np.shape(function(*map(Tensor, points)).numpy()))

    def weighted(values: Sequence[np.ndarray]) -> float:
        return float(np.sum(function(*map(Tensor, values)).numpy() * weights))

    tensors = [Tensor(point, requires_grad=point.dtype.kind == "f") for point in points]
    functions.sum(function(*tensors) * weights).backward()
    for place, tensor in enumerate(tensors):
        if points[place].dtype.kind != "f":
            continue
        found = np.zeros_like(points[place]) if tensor.grad is None else tensor.grad.numpy()
        expected = _central_differences(weighted, points, place)
        error = np.max(np.abs(found - expected), initial=0.0)
        limit = tolerance * max(1.0, float(np.max(np.abs(expected), initial=0.0)))
        assert error <= limit, (
            f"gradient of argument {place}: off by {error:.3g} > {limit:.3g}\n{found}\ninstead of\n{expected}"
        )


def _as_float64(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _weights(shape: tuple[int, ...]) -> np.ndarray:
    """Different for every element, so that errors in the output's elements can't cancel."""
    return np.cos(np.arange(int(np.prod(shape)), dtype=np.float64) + 0.5).reshape(shape)


def _central_differences(function: Callable[..., float], points: Sequence[np.ndarray], place: int) -> np.ndarray:
    result = np.zeros_like(points[place])
    for index in np.ndindex(result.shape):
        step = STEP * max(1.0, abs(float(points[place][index])))
        ends = []
        for sign in (1, -1):
            moved = [point.copy() for point in points]
            moved[place][index] += sign * step
            ends.append(function(moved))
        result[index] = (ends[0] - ends[1]) / (2 * step)
    return result


def gradient(function: Function, *arrays: Any) -> np.ndarray:
    """The gradient of the sum of what a function returns, with respect to its first argument."""
    first = Tensor(arrays[0], requires_grad=True)
    functions.sum(function(first, *map(Tensor, arrays[1:]))).backward()
    return np.zeros_like(arrays[0]) if first.grad is None else first.grad.numpy()


# --- tracing ----------------------------------------------------------------------------------------------------------


def trace(function: Function, *arrays: Any, differentiable: bool = False) -> tuple[Node, list[Node]]:
    """Record a function on inputs whose first axis is the symbolic batch; return the result and the inputs."""
    leaves = []
    for array in map(np.asarray, arrays):
        shape = (Batch(), *array.shape[1:])
        leaves.append(ops.leaf(shape, array.dtype, differentiable=differentiable and array.dtype.kind == "f"))
    return function(*map(Tensor.wrap, leaves)).node, leaves


@interpreted()
def check_traces(function: Function, *arrays: Any) -> None:
    """Check that a function can be recorded with a symbolic batch axis, and gives the same as outside of a program.

    All arrays have rows first, at least two of them.
    """
    output, leaves = trace(function, *arrays)
    for rows in (1, len(arrays[0])):
        parts = [np.asarray(array)[:rows] for array in arrays]
        (found,) = interpret([output], dict(zip(leaves, parts, strict=True)), rows=rows)
        expected = function(*map(Tensor, parts)).numpy()
        assert found.shape == expected.shape, (
            f"traced, the result has the shape {found.shape} instead of {expected.shape}"
        )
        np.testing.assert_array_equal(found, expected, err_msg=f"traced, with {rows} rows")


def batch_reductions(outputs: Sequence[Node]) -> list[Node]:
    """The nodes at which rows of the batch meet: sums, maxima and matrix products over the batch axis."""
    return [node for node in topological(outputs) if _loses_batch(node)]


def _loses_batch(node: Node) -> bool:
    return any(has_batch(each.shape) for each in node.inputs) and not has_batch(node.shape)


# --- what each kind promises ------------------------------------------------------------------------------------------


def check_documented(factory: Callable[..., Any], *, options: Options | None = None, source: bool = True) -> None:
    """Check that a docstring has a summary on one line, says what each option is, and (if asked) names its source.

    Args:
        factory: what is registered.
        options: its options, as `Registered.options` has them; by default every parameter counts.
        source: whether a line that starts with `Source:` is needed.
    """
    name, doc = getattr(factory, "__name__", repr(factory)), getdoc(factory) or ""
    if isclass(factory):
        doc = factory.__doc__ or ""  # a base's docstring describes the base
    assert doc.strip(), f"{name} has no docstring"
    assert "\n" not in doc.strip().split("\n\n")[0], f"{name}: the summary must fit on one line: {summary_line(doc)!r}"
    known = argument_docs(factory)
    for option in read_options(factory) if options is None else options:
        assert known.get(option.name), f"{name}: the docstring's Args section doesn't say what {option.name!r} is"
        assert option.type is not Any, f"{name}: the option {option.name!r} has no annotation"
    assert not source or re.search(r"^\s*Source: \S", doc, re.MULTILINE), f"{name}: the docstring names no 'Source:'"


@interpreted()
def check_activation(activation: Function, *, shape: tuple[int, ...] = (5, 4)) -> None:
    """Check an activation: shape and dtype kept, NaN shown, finite at extremes, right gradient, traceable."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=shape) * 2
    for dtype in (np.float32, np.float64):
        y = activation(Tensor(x.astype(dtype)))
        assert y.shape == shape, f"the shape {shape} became {y.shape}"
        assert y.dtype == dtype, f"{np.dtype(dtype)} became {y.dtype}"
    extremes = np.array([EXTREME], np.float32)
    assert np.isfinite(activation(Tensor(extremes)).numpy()).all(), (
        f"not finite at {EXTREME}: {activation(Tensor(extremes))}"
    )
    slopes = gradient(activation, extremes)
    assert np.isfinite(slopes).all(), f"the gradient isn't finite at {EXTREME}: {slopes}"
    hidden = activation(Tensor(np.array([[np.nan, 1.0]], np.float32))).numpy()
    assert np.isnan(hidden[0, 0]), f"NaN became {hidden[0, 0]}: a run that went wrong would not be noticed"
    check_gradients(activation, x)
    check_traces(activation, x)


@interpreted()
def check_loss(loss: Function, prediction: Any, target: Any, *, tolerance: float = GRADIENT_TOLERANCE) -> None:
    """Check a loss on sample data, rows first: a scalar, the mean over rows, right gradient, traceable.

    Args:
        loss: `function(prediction, target) -> scalar Tensor`.
        prediction: some predictions, two rows or more, away from corners of the loss.
        target: as many targets.
        tolerance: as for `check_gradients`.
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    whole = loss(Tensor(prediction), Tensor(target))
    assert whole.shape == (), f"a loss is a scalar, not of shape {whole.shape}"
    rows = [float(loss(Tensor(prediction[i : i + 1]), Tensor(target[i : i + 1]))) for i in range(len(prediction))]
    # Both are means of the same numbers added up in different order: rounding is all that may differ.
    np.testing.assert_allclose(float(whole), np.mean(rows), rtol=1e-5, err_msg="the loss isn't the mean over its rows")
    check_gradients(lambda p: loss(p, Tensor(target)), prediction, tolerance=tolerance)
    check_traces(loss, prediction, target)
    output, _ = trace(loss, prediction, target)
    meeting = batch_reductions([output])
    assert [node.name for node in meeting] == ["sum"], (
        f"rows must meet in exactly one sum, where sample weights come in, not in {meeting}: take the mean of each row "
        "first, and then nbdl.mean of these"
    )


def check_loss_extremes(loss: Function, target: Any, classes: int | None = None) -> None:
    """Check that a loss of logits is finite, and has a finite gradient, where the logits are huge.

    Args:
        loss: `function(prediction, target) -> scalar Tensor`.
        target: targets for as many rows as `EXTREME` has numbers.
        classes: size of the predictions' last axis; None for predictions `(rows,)`.
    """
    logits, target = np.array(EXTREME, np.float32), np.asarray(target)
    if classes is not None:
        logits = np.stack([np.roll(logits, -place) for place in range(classes)], axis=1)
        if target.dtype.kind in "iu" and target.ndim > 1:  # the same at each position of a sequence
            logits = np.repeat(logits[:, None], target.shape[1], axis=1)
    value = float(loss(Tensor(logits), Tensor(target)))
    assert np.isfinite(value), f"the loss is {value} at logits {logits}"
    slopes = gradient(loss, logits, target)
    assert np.isfinite(slopes).all(), f"the gradient is {slopes} at logits {logits}"


@interpreted()
def check_metric(metric: Metric, prediction: Any, target: Any) -> None:
    """Check a metric on sample data: sums that add up over batches, without a batch axis, floating-point, traceable.

    Args:
        metric: the metric.
        prediction: some predictions, two rows or more.
        target: as many targets.
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    whole = metric.sums(Tensor(prediction), Tensor(target))
    assert whole.dtype.kind == "f", f"sums are floating-point, not {whole.dtype}"
    total = np.zeros(whole.numpy().shape)
    for start, stop in ((0, 1), (1, len(prediction))):
        total += metric.sums(Tensor(prediction[start:stop]), Tensor(target[start:stop])).numpy()
    np.testing.assert_allclose(
        total, whole.numpy(), rtol=1e-5, err_msg="sums over two parts don't add up to the sum over all rows"
    )
    check_traces(metric.sums, prediction, target)
    output, _ = trace(metric.sums, prediction, target)
    assert not has_batch(output.shape), f"the sums still have the batch axis: {output!r}"
    result = metric.result(whole.numpy().astype(np.float64))
    assert np.isfinite(result).all(), f"the result is {result}"


@interpreted()
def check_optimizer(make: Callable[[], Optimizer], *, steps: int = 60, sizes: Iterable[int] = (1, 7, 33)) -> None:
    """Check an optimizer: it lowers a quadratic, keeps its slots, takes odd sizes and zero gradients, repeats itself.

    Args:
        make: returns a new optimizer, with a learning rate that lowers sum((x - 1)**2) from x = 0 within `steps`.
        steps: how many updates it is given.
        sizes: sizes of the parameters that it is tried on.
    """
    for dtype in (np.float32, np.float64):
        before, after = _minimize(make(), steps, sizes, dtype), _minimize(make(), steps, sizes, dtype)
        for size, first, second in zip(sizes, before, after, strict=True):
            np.testing.assert_array_equal(first, second, err_msg="two runs from the same start differ")
            loss = float(np.sum((first - 1) ** 2))
            assert loss < 0.9 * size, (
                f"{dtype.__name__}, size {size}: after {steps} steps the loss is {loss:.4g} of {size}"
            )


def _minimize(optimizer: Optimizer, steps: int, sizes: Iterable[int], dtype: Any) -> list[np.ndarray]:
    parameters = [Parameter(np.zeros(size, dtype)) for size in sizes]
    idle = Parameter(np.zeros(3, dtype))  # never has a gradient, and so may never become NaN
    optimizer.attach([*parameters, idle])
    assert optimizer.state is not None
    slots = {name: slot.shape for name, slot in optimizer.state.slots.items()}
    for _ in range(steps):
        loss = functions.asarray(0.0)
        for parameter in parameters:
            loss = loss + functions.sum(functions.square(parameter - 1.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert {name: slot.shape for name, slot in optimizer.state.slots.items()} == slots, "the slots changed"
        assert all(slot.dtype == dtype for slot in optimizer.state.slots.values()), (
            f"slots aren't {np.dtype(dtype)} as the parameters"
        )
    np.testing.assert_array_equal(idle.numpy(), 0, err_msg="a parameter without gradient moved")
    return [np.array(parameter.numpy()) for parameter in parameters]


@interpreted()
def check_schedule(schedule: Callable[[Tensor], Tensor], steps: int = 100) -> None:
    """Check a learning-rate schedule: a scalar of the step's dtype, finite and never negative."""
    for dtype in (np.float32, np.float64):
        for number in (0, 1, steps // 2, steps - 1, steps, 10 * steps):
            rate = schedule(Tensor(float(number), dtype))
            assert rate.shape == (), f"the rate has the shape {rate.shape}; it is a scalar"
            assert rate.dtype == dtype, f"the rate is {rate.dtype} for a step of {np.dtype(dtype)}"
            assert 0 <= float(rate) < np.inf, f"the rate at step {number} is {float(rate)}"


def check_initializer(initializer: Callable[..., np.ndarray], shape: tuple[int, ...] = (12, 8)) -> None:
    """Check an initializer: shape and dtype as asked, finite, the same for the same seed."""
    for dtype in (np.float32, np.float64):
        first, second = (initializer(np.random.default_rng(3), shape, np.dtype(dtype)) for _ in range(2))
        assert first.shape == shape, f"the shape is {first.shape} instead of {shape}"
        assert first.dtype == dtype, f"the dtype is {first.dtype} instead of {np.dtype(dtype)}"
        assert np.isfinite(first).all(), "starting values must be finite"
        np.testing.assert_array_equal(first, second, err_msg="the same seed gives other values: draw from `rng` only")


@interpreted()
def check_model(
    factory: Callable[..., Module],
    *,
    features: tuple[int, ...] = (6,),
    outputs: int = 3,
    tokens: int | None = None,
    steps: int = 30,
) -> None:
    """Check a model: the shape of its output, that it can be traced, and that training it lowers the loss.

    The output is `(rows, outputs)`; a model of sequences may answer at each position, `(rows, time, outputs)`. One that
    takes lengths must not look behind them.

    Args:
        factory: `factory(*, outputs) -> Module`; it is also given `tokens` if that isn't None.
        features: shape of one row.
        outputs: how many outputs to ask for.
        tokens: size of a vocabulary, for a model whose inputs are tokens `(rows, time)`.
        steps: how many steps of full-batch Adam it is given.
    """
    random.set_seed(0)
    generator = np.random.default_rng(0)
    if tokens is None:
        x = generator.normal(size=(24, *features)).astype(np.float32)
    else:
        x = generator.integers(0, tokens, (24, *features)).astype(np.int32)
    net = factory(outputs=outputs, **({} if tokens is None else {"tokens": tokens})).eval()
    shape = net(x).shape
    shapes = {(24, outputs)} | ({(24, features[0], outputs)} if len(features) + (tokens is not None) == 2 else set())
    assert shape in shapes, f"the output has the shape {shape} instead of {' or '.join(map(str, sorted(shapes)))}"
    assert net.parameters(), "it has no parameters to train"
    check_traces(net, x)
    if "lengths" in signature(net.forward).parameters:
        _check_lengths(net, x)
    y = _targets_for(x, shape, generator)
    loss = resolve("losses", "sparse_categorical_crossentropy" if outputs > 1 else "mse")
    optimizer = resolve("optimizers", {"name": "adam", "lr": 0.01}).attach(net.parameters())
    start = float(loss(net(x), y))
    for _ in range(steps):
        value = loss(net.train()(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    end = float(loss(net.eval()(x), y))
    assert end < start, f"after {steps} steps the loss is {end:.4g}, and it was {start:.4g}"


def _targets_for(x: np.ndarray, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Targets that can be learned, for inputs and the shape of the output."""
    rows, *time, outputs = shape
    if outputs == 1:  # as numbers, these can be fitted by a probability as well
        return (x.reshape(rows, *time, -1)[..., :1] > 0).astype(np.float32)
    if time and x.dtype.kind == "i":
        return (x.astype(np.int64) + 1) % outputs
    return generator.integers(0, outputs, (rows, *time))


def _check_lengths(net: Module, x: np.ndarray) -> None:
    """Check that what stands behind the end of a row makes no difference."""
    time = x.shape[1]
    lengths = np.arange(len(x)) % time + 1
    behind = (np.arange(time) >= lengths[:, None]).reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    padded, other = (np.where(behind, filling, x).astype(x.dtype) for filling in (0, 1))
    first, second = net(padded, lengths).numpy(), net(other, lengths).numpy()
    if first.ndim == 3:
        first, second = (np.where(behind.reshape(*x.shape[:2], 1), 0, each) for each in (first, second))
    np.testing.assert_allclose(first, second, rtol=1e-6, err_msg="what stands behind a row's length changes the answer")
    whole = net(x, np.full(len(x), time)).numpy()
    # the same numbers, divided by a count that is one once and the other time a sum
    np.testing.assert_allclose(whole, net(x).numpy(), rtol=1e-4, atol=1e-5, err_msg="full lengths change the answer")
    check_traces(net, padded, lengths)
