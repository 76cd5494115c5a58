"""What `compile` keeps: optimizer, loss and metrics; and how a step measures them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nbdl.errors import OptionError
from nbdl.hookspecs import KINDS
from nbdl.ir.graph import scope
from nbdl.ir.shapes import product, show_shape
from nbdl.nn.module import Module
from nbdl.optim.optimizer import Optimizer
from nbdl.resolve import resolve
from nbdl.tensor import Tensor
from nbdl.train.feed import Batch
from nbdl.train.metric import Metric
from nbdl.train.totals import Measured
from nbdl.train.tracing import has_own_step, has_own_test
from nbdl.train.weighting import weigh_rows


class MeanOf(Metric):
    """A function `(prediction, target) -> scalar mean` as a metric: the mean of the batches' means, weighted by their
    rows.
    """

    def __init__(self, function: Callable[..., Tensor]):
        self.function = function

    def sums(self, prediction: Any, target: Any) -> Tensor:
        """Return the function's value; the caller weighs it."""
        return self.function(prediction, target)

    def result(self, sums: np.ndarray) -> float:
        """Not used: a mean is reported as the loss is."""
        return float(sums)


def compile_network(net: Module, optimizer: Any, loss: Any, metrics: Sequence[Any], *, debug: bool) -> None:
    """Resolve names and keep the result on the network.

    Raises `OptionError` for what is no optimizer, loss or list of metrics, and for two results of one name.
    """
    found = resolve("optimizers", optimizer)
    if isinstance(found, type):
        found = found()
    if not isinstance(found, Optimizer):
        raise OptionError(f"the optimizer must be a name or an nbdl.optim.Optimizer, not {found!r}")
    if loss is None and not has_own_step(net):
        raise OptionError(
            "compile needs a loss: a name such as 'mse' or 'sparse_categorical_crossentropy', or a function"
        )
    measure = None if loss is None else resolve("losses", loss)
    if measure is not None and not callable(measure):
        raise OptionError(f"the loss must be a name or a function, not {measure!r}")
    net._metrics = _metrics(metrics)
    net.optimizer, net._loss = found, measure
    net.__dict__["_debug"] = debug
    net.__dict__["_compiled"] = {"optimizer": optimizer, "loss": loss, "metrics": list(metrics)}


def _metrics(given: Any) -> dict[str, Metric]:
    """Metrics by the names under which they are reported."""
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise OptionError(f"metrics is a list of metrics, also for a single one, not {given!r}")
    found: dict[str, Metric] = {}
    for name, metric in map(_metric, given):
        if name == "loss" or name in found:
            what = "a metric is called 'loss', as the loss is" if name == "loss" else f"two metrics are called {name!r}"
            raise OptionError(
                f"{what}, and each needs a name of its own: that of a function, or the attribute `name` of a Metric"
            )
        found[name] = metric
    return found


def _metric(given: Any) -> tuple[str, Metric]:
    found = resolve("metrics", given)
    if isinstance(found, type) and issubclass(found, Metric):
        found = found()
    if isinstance(given, str):
        name = given.rpartition(":")[2]
    elif isinstance(given, Mapping):
        name = str(given["name"]).rpartition(":")[2]
    else:
        name = getattr(found, "name", None) or getattr(found, "__name__", None) or type(found).__name__.lower()
    if isinstance(found, Metric):
        return name, found
    if callable(found):
        return name, MeanOf(found)
    raise OptionError(f"a {KINDS['metrics'].singular} must be a name, a Metric or a function, not {given!r}")


def require_compiled(net: Module) -> None:
    """Raise `OptionError` unless the network knows how it is trained."""
    if getattr(net, "optimizer", None) is None and not has_own_step(net):
        raise OptionError("call net.compile(optimizer=..., loss=...) before fit or evaluate")


def is_measured(net: Module) -> bool:
    """Whether a network can be evaluated: it has a loss, or a `test_step` of its own."""
    return has_own_test(net) or net._loss is not None


def measured_loss(net: Module, prediction: Tensor, batch: Batch) -> Tensor:
    """The scalar loss of a batch, rows weighted if the batch has weights."""
    require_compiled(net)
    loss = net._loss
    if loss is None:
        raise OptionError("compile got no loss; give one, or override train_step and test_step")
    with scope("loss"):
        if batch.weight is None:
            value = loss(prediction, batch.y)
        elif "sample_weight" in inspect.signature(loss).parameters:
            value = loss(prediction, batch.y, sample_weight=batch.weight)
        else:
            value = loss(prediction, batch.y)
            read = [each.node for each in (prediction, prediction.logits) if each is not None]
            value = Tensor.wrap(weigh_rows(value.node, read, batch.weight.node))
    if not isinstance(value, Tensor) or product(value.shape) != 1:
        shape = show_shape(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise OptionError(
            f"a loss returns a scalar tensor; {getattr(loss, '__name__', loss)} returned {shape}: take its mean"
        )
    return value


def measured_metrics(net: Module, prediction: Tensor, batch: Batch) -> dict[str, Tensor | Measured]:
    """The metrics' sums over a batch."""
    measured: dict[str, Tensor | Measured] = {}
    for name, metric in getattr(net, "_metrics", {}).items():
        with scope(name):
            sums = metric.sums(prediction, batch.y)
        measured[name] = sums if isinstance(metric, MeanOf) else Measured(metric, sums)
    return measured


def source_of(net: Module, kind: str) -> str:
    """The generated source of the last program of a kind."""
    programs = net.__dict__.get("_programs", {})
    if kind not in programs:
        doors = {"training": "fit", "evaluation": "evaluate", "prediction": "predict"}
        if kind not in doors:
            raise OptionError(f"there are training, evaluation and prediction programs, none called {kind!r}")
        raise OptionError(f"there is no {kind} program yet: call {doors[kind]} once")
    source: str = programs[kind].source
    return source


def remember(net: Module, kind: str, program: Any) -> None:
    """Keep the last program of a kind, for `source`."""
    net.__dict__.setdefault("_programs", {})[kind] = program
