"""What plugins' losses, metrics, optimizers, ... promise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from inspect import getdoc, isclass
from typing import Any

import numpy as np

from nbdl import functions
from nbdl.docstrings import argument_docs, summary_line
from nbdl.ir.shapes import has_batch
from nbdl.nn.module import Parameter
from nbdl.optim.optimizer import Optimizer
from nbdl.options import Options, read_options
from nbdl.tensor import Tensor
from nbdl.testing.functions import (
    GRADIENT_TOLERANCE,
    Function,
    batch_reductions,
    check_gradients,
    check_traces,
    gradient,
    interpreted,
    trace,
)
from nbdl.train.metric import Metric

EXTREME = (-1e4, -30.0, 0.0, 30.0, 1e4)
"""Inputs at which formulas overflow that were written without thinking of them."""


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
