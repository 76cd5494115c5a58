"""PyTorch: eager with one and with two threads, the loop of its tutorials; rows are gathered by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from nbdl.benchmarking import Predictor, Trainer
from nbdl_benchmarks import layers as described
from nbdl_benchmarks.values import Arrays, starting_values
from nbdl_benchmarks.workloads import Workload

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
}
THREADS = (1, 2)


Compile = Callable[[Any], Any]


def trainers(workload: Workload) -> dict[str, Trainer]:
    """A trainer for each number of threads."""
    return {named(threads): trainer(workload, threads) for threads in THREADS}


def trainer(workload: Workload, threads: int, compile: Compile = lambda function: function) -> Trainer:
    """A trainer with so many threads, whose functions may be compiled."""
    return (_adversaries if workload.generator else _single)(workload, threads, compile)


eager = trainers


def predictors(workload: Workload) -> dict[str, Predictor]:
    """The network in inference mode, for each number of threads; arrays go in and come out without being copied."""
    net = network(*workload.predicting).eval()

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            predicted: np.ndarray = net(torch.from_numpy(x)).numpy()
            return predicted

    return {named(threads): Predictor(run, partial(torch.set_num_threads, threads)) for threads in THREADS}


def named(threads: int) -> str:
    """What so many threads are called in the results."""
    return f"torch, {threads} thread{'s' * (threads > 1)}"


def _single(workload: Workload, threads: int, compile: Compile) -> Trainer:
    net = network(workload.row, workload.layers)
    optimizer = torch.optim.Adam([each for each in net.parameters() if each.requires_grad], lr=1e-3)
    criterion = nn.MSELoss() if workload.loss == "mse" else _crossentropy
    x, y = (torch.from_numpy(array) for array in workload.data())
    loss_of, step = compile(lambda x, y: criterion(net(x), y)), compile(optimizer.step)

    def run(order: np.ndarray) -> None:
        torch.set_num_threads(threads)
        for rows in torch.from_numpy(order):
            optimizer.zero_grad()
            picked = x[rows]
            loss_of(picked, picked if workload.repeats else y[rows]).backward()
            step()

    def loss() -> float:
        with torch.no_grad():
            return float(criterion(net(x), y))

    return Trainer(run, loss)


def _crossentropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1))


def _adversaries(workload: Workload, threads: int, compile: Compile) -> Trainer:
    discriminator = network(workload.row, workload.layers)
    generator = network(workload.noise, workload.generator)
    judging = torch.optim.Adam(discriminator.parameters(), lr=1e-3)
    making = torch.optim.Adam(generator.parameters(), lr=1e-3)
    x, noise = (torch.from_numpy(array) for array in workload.data())

    def surprise(logits: torch.Tensor, target: float) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def judged(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        return surprise(discriminator(real), 1.0) + surprise(discriminator(made.detach()), 0.0)

    make, judge = compile(generator), compile(judged)
    fool = compile(lambda made: surprise(discriminator(made), 1.0))
    judge_step, make_step = compile(judging.step), compile(making.step)

    def run(order: np.ndarray) -> None:
        torch.set_num_threads(threads)
        for rows in torch.from_numpy(order):
            made = make(noise[rows])
            judging.zero_grad()
            judge(x[rows], made).backward()
            judge_step()
            making.zero_grad()
            fool(made).backward()
            make_step()

    def loss() -> float:
        with torch.no_grad():
            return float(judged(x, generator(noise)))

    return Trainer(run, loss)


# --- networks ---------------------------------------------------------------------------------------------------------


def network(row: described.Shape, layers: tuple[described.Layer, ...]) -> nn.Module:
    """A described network with its starting values."""
    has_images = any(isinstance(layer, described.Convolution) for layer in layers)
    modules: list[nn.Module] = [_Permuted(0, 3, 1, 2)] * has_images  # channels come first in PyTorch
    for layer, shape, arrays in zip(layers, described.shapes(row, layers), starting_values(row, layers), strict=False):
        modules += _modules(layer, shape, arrays)
    return nn.Sequential(*modules)


def _modules(layer: described.Layer, shape: described.Shape, arrays: Arrays) -> Iterator[nn.Module]:
    if isinstance(layer, described.Dense):
        yield _linear(arrays[0], arrays[1])
    elif isinstance(layer, described.Convolution):
        convolution = nn.Conv2d(shape[2], layer.filters, layer.size)
        _set(convolution.weight, arrays[0].transpose(3, 2, 0, 1))
        _set(convolution.bias, arrays[1])
        yield convolution
    elif isinstance(layer, described.MaxPool):
        yield nn.MaxPool2d(layer.size)
    elif isinstance(layer, described.Flatten):
        yield _Permuted(0, 2, 3, 1)  # as everybody else flattens
        yield nn.Flatten()
    elif isinstance(layer, described.Recurrent):
        yield _Recurrent(layer, shape[1], arrays)
    elif isinstance(layer, described.Embedding):
        yield _Tokens(arrays)
    elif isinstance(layer, described.EncoderBlock):
        yield _block(layer, shape[1], arrays)
    if getattr(layer, "activation", "linear") in ACTIVATIONS:
        yield ACTIVATIONS[layer.activation]()  # type: ignore[union-attr]  # only layers that have one come here


def _set(parameter: Any, values: np.ndarray) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))


def _linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    made = nn.Linear(*weight.shape)
    _set(made.weight, weight.T)
    _set(made.bias, bias)
    return made


class _Permuted(nn.Module):
    """Axes in another order."""

    def __init__(self, *order: int):
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(*self.order)


class _Recurrent(nn.Module):
    """A recurrent layer that gives its last state. A second bias that adds nothing to the first stays at zero."""

    def __init__(self, layer: described.Recurrent, inputs: int, arrays: Arrays):
        super().__init__()
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[layer.kind]
        self.layer = kind(inputs, layer.units, batch_first=True)
        _set(self.layer.weight_ih_l0, arrays[0].T)
        _set(self.layer.weight_hh_l0, arrays[1].T)
        _set(self.layer.bias_ih_l0, arrays[2])
        second = self.layer.bias_hh_l0
        _set(second, arrays[3] if layer.kind == "gru" else np.zeros(second.shape, np.float32))
        second.requires_grad_(layer.kind == "gru")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0][:, -1]


class _Tokens(nn.Module):
    """Tokens and positions as vectors."""

    def __init__(self, arrays: Arrays):
        super().__init__()
        self.table = nn.Embedding(*arrays[0].shape)
        _set(self.table.weight, arrays[0])
        self.positions = nn.Parameter(torch.from_numpy(arrays[1].copy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.table(x) + self.positions


def _block(layer: described.EncoderBlock, width: int, arrays: Arrays) -> nn.Module:
    block = nn.TransformerEncoderLayer(
        width, layer.heads, layer.feed_forward, dropout=0.0, activation="relu", batch_first=True, norm_first=True
    )
    scale_1, offset_1, wq, bq, wk, bk, wv, bv, wo, bo, scale_2, offset_2, w1, b1, w2, b2 = arrays
    _set(block.norm1.weight, scale_1)
    _set(block.norm1.bias, offset_1)
    _set(block.self_attn.in_proj_weight, np.concatenate([wq.T, wk.T, wv.T]))
    _set(block.self_attn.in_proj_bias, np.concatenate([bq, bk, bv]))
    _set(block.self_attn.out_proj.weight, wo.T)
    _set(block.self_attn.out_proj.bias, bo)
    _set(block.norm2.weight, scale_2)
    _set(block.norm2.bias, offset_2)
    _set(block.linear1.weight, w1.T)
    _set(block.linear1.bias, b1)
    _set(block.linear2.weight, w2.T)
    _set(block.linear2.bias, b2)
    return block
