"""nbdl: the program that `fit` runs, with as many workers as `fit` chooses; `predict`, `fit` and the explicit loop."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import nbdl
from nbdl import nn, optim, plugins
from nbdl.benchmarking import Predictor, Trainer
from nbdl.cards import choose_device
from nbdl.resolve import resolve
from nbdl.train import tracing
from nbdl.train.callbacks import Callback
from nbdl.train.device import bind, choose_workers
from nbdl.train.feed import Batch, make_feed
from nbdl.train.profiling import time_kernels
from nbdl.train.tracing import Traced
from nbdl_benchmarks import layers as described
from nbdl_benchmarks.values import Arrays, starting_values
from nbdl_benchmarks.workloads import Workload, named

RECURRENT = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


def trainers(workload: Workload, workers: int | None = None, device: str = "cpu") -> dict[str, Trainer]:
    """One trainer."""
    net = network(workload)
    x, y = workload.data()
    traced = _traced(net, workload)
    chosen = choose_workers(traced.program.plan, workload.batch) if workers is None else workers
    bound = bind(traced.program, traced.arrays, choose_device(device), batch=workload.batch, workers=chosen)

    def run(order: np.ndarray) -> None:
        bound.run(order.reshape(-1), 0, len(order))

    def loss() -> float:
        bound.pull()
        traced.take_over()
        if isinstance(net, Adversaries):
            return float(net.losses(nbdl.asarray(x), nbdl.asarray(y))[0])
        return float(net.evaluate(x, y)["loss"])

    def memory() -> int:
        return bound.working_bytes

    return {"nbdl": Trainer(run, loss, memory)}


def _traced(net: nn.Module, workload: Workload) -> Traced:
    x, y = workload.data()
    feed = make_feed((x, y)) if workload.generator else make_feed(x, y)
    tracing.build(net, feed, net.train_step if workload.generator else None)
    tracing.attach(net)
    return tracing.trace_training(net, feed, workload.batch)


def kernels(workload: Workload, steps: int) -> dict[str, float]:
    """Microseconds a step of each kernel of the program that `fit` runs."""
    traced = _traced(network(workload), workload)
    return time_kernels(traced, rows=workload.rows, batch=workload.batch, steps=steps)


def predictors(workload: Workload) -> dict[str, Predictor]:
    """`predict`, as anyone would call it."""
    net = sequential(*workload.predicting, workload.inputs(1))
    return {"nbdl": Predictor(net.predict)}


def eager(workload: Workload) -> dict[str, Trainer]:
    """The explicit loop, without `jit`."""
    if workload.generator:
        raise NotImplementedError("the explicit loop has one network")
    net = network(workload)
    x, y = workload.data()
    loss_of = resolve("losses", "mse" if workload.loss == "mse" else "sparse_categorical_crossentropy")
    optimizer = optim.adam()
    optimizer.attach(net.parameters())

    def run(order: np.ndarray) -> None:
        for rows in order:
            optimizer.zero_grad()
            loss = loss_of(net(x[rows]), nbdl.asarray(y[rows]))
            loss.backward()
            optimizer.step()
        net.parameters()[0].numpy()  # steps are recorded, and done when a value is asked for

    return {"nbdl": Trainer(run, lambda: float(net.evaluate(x, y)["loss"]))}


def training(name: str) -> Callable[[int], None]:
    """A program that trains so many steps with `fit`."""
    workload = named(name)
    net = network(workload)
    x, y = workload.data()
    data = ((x, y),) if workload.generator else (x, y)

    def run(steps: int) -> None:
        rows = min(steps * workload.batch, workload.rows)
        epochs = -(-steps * workload.batch // rows)
        net.fit(*data, epochs=epochs, epoch_rows=rows, batch_size=workload.batch, verbose=False, seed=0)

    return run


def fit(workload: Workload, epochs: int) -> list[float]:
    """Train with a progress bar, drawn as on a terminal, and a callback that looks at the clock; return its times."""
    from rich.console import Console  # the programs whose start and memory are measured don't need it

    net = network(workload)
    x, y = workload.data()
    data = ((x, y),) if workload.generator else (x, y)
    clock, bar = Clock(), plugins.lookup("callbacks", "progress").make()
    bar.console = Console(file=io.StringIO(), force_terminal=True)
    begin = time.perf_counter()
    net.fit(*data, epochs=epochs, batch_size=workload.batch, verbose=False, callbacks=[bar, clock])
    return [begin, *clock.times, time.perf_counter()]


class Clock(Callback):
    """Keeps the time of each epoch's end."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Look at the clock."""
        self.times.append(time.perf_counter())


def network(workload: Workload) -> nn.Module:
    """The workload's network with its starting values, compiled for training."""
    if workload.generator:
        return Adversaries(workload)
    net = sequential(workload.row, workload.layers, workload.data()[0][:1])
    net.compile("adam", "mse" if workload.loss == "mse" else "sparse_categorical_crossentropy")
    return net


def sequential(row: described.Shape, layers: tuple[described.Layer, ...], sample: np.ndarray) -> nn.Sequential:
    """A described network with its starting values."""
    net = nn.Sequential(*[_layer(each) for each in layers])
    net(sample)
    for module, arrays in zip(net, starting_values(row, layers), strict=True):
        _fill(module, arrays)
    return net


def _activation(name: str) -> Any:
    return None if name == "linear" else {"name": name, "slope": 0.2} if name == "leaky_relu" else name


def _layer(layer: described.Layer) -> nn.Module:
    if isinstance(layer, described.Dense):
        return nn.Dense(layer.units, _activation(layer.activation))
    if isinstance(layer, described.Convolution):
        return nn.Conv2D(layer.filters, layer.size, activation=_activation(layer.activation))
    if isinstance(layer, described.MaxPool):
        return nn.MaxPool2D(layer.size)
    if isinstance(layer, described.Recurrent):
        return getattr(nn, RECURRENT[layer.kind])(layer.units)
    if isinstance(layer, described.Embedding):
        return _Tokens(layer.tokens, layer.width)
    if isinstance(layer, described.EncoderBlock):
        return nn.TransformerBlock(layer.heads, layer.feed_forward, activation="relu")
    return nn.Flatten()


class _Tokens(nn.Module):
    """Tokens and positions as vectors."""

    def __init__(self, tokens: int, width: int):
        self.table = nn.Embedding(tokens, width)
        self.width = width

    def build(self, *shapes: Any) -> None:
        self.positions = self.parameter("positions", (shapes[0][1], self.width), "zeros")

    def forward(self, *inputs: Any) -> Any:
        return self.table(inputs[0]) + self.positions


def _fill(module: nn.Module, arrays: Arrays) -> None:
    parameters = [each for _, each in module.named_parameters()]
    if isinstance(module, _Tokens):
        parameters = [module.table.weight, module.positions]
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.assign(array)


class Adversaries(nn.Module):
    """A generator and a discriminator, each with its own Adam, both stepping on every batch."""

    def __init__(self, workload: Workload):
        x, noise = workload.data()
        self.discriminator = sequential(workload.row, workload.layers, x[:1])
        self.generator = sequential(workload.noise, workload.generator, noise[:1])
        self.judging, self.making = optim.adam(), optim.adam()

    def losses(self, real: Any, noise: Any) -> tuple[Any, Any]:
        """What the discriminator and the generator make less."""
        made = self.generator(noise)
        judged = _surprise(self.discriminator(real), 1.0) + _surprise(self.discriminator(made.detach()), 0.0)
        return judged, _surprise(self.discriminator(made), 1.0)

    def train_step(self, batch: Batch) -> Mapping[str, Any]:
        """One step of both."""
        real, noise = batch.inputs
        made = self.generator(noise)
        judged = _surprise(self.discriminator(real), 1.0) + _surprise(self.discriminator(made.detach()), 0.0)
        self.judging.minimize(judged, self.discriminator.parameters())
        fooled = _surprise(self.discriminator(made), 1.0)
        self.making.minimize(fooled, self.generator.parameters())
        return {"loss": judged, "generator_loss": fooled}


def _surprise(logits: Any, target: float) -> Any:
    return nbdl.mean(nbdl.maximum(logits, 0.0) - logits * target + nbdl.log1p(nbdl.exp(-nbdl.abs(logits))))
