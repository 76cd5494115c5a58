"""Programs of networks as tests for cards look at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl import nn
from nbdl.codegen.cuda.program import CudaProgram
from nbdl.train import tracing
from nbdl.train.feed import make_feed


def training_program(net: nn.Module, x: np.ndarray, y: np.ndarray, loss: str) -> CudaProgram:
    """The program of a training step with Adam."""
    net.compile(optimizer="adam", loss=loss)
    feed = make_feed(x, y)
    tracing.build(net, feed)
    tracing.attach(net)
    return CudaProgram.of(tracing.trace_training(net, feed).program)


def step_on(card: Any, program: CudaProgram, rows: int) -> None:
    """Launch the kernels of a step, wherever their arrays may be."""
    places: list[Any] = []
    for variable in program.variables:
        if variable.role in ("rows", "row_result"):
            places.append((0, 1, rows))
        elif variable.role != "key":
            places.append(0)
    program.module.step(card, rows, 0, rows, 0, *places)


def _rows(*shape: int) -> np.ndarray:
    return np.zeros((64, *shape), np.float32)


LABELS = np.zeros(64, np.int64)
ENTROPY = "sparse_categorical_crossentropy"


def linear() -> CudaProgram:
    """W1 of the workloads."""
    return training_program(nn.Sequential(nn.Dense(1)), _rows(10), _rows(1), "mse")


def mlp() -> CudaProgram:
    """W3 of the workloads."""
    net = nn.Sequential(nn.Dense(64, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10))
    return training_program(net, _rows(784), LABELS, ENTROPY)


def cnn() -> CudaProgram:
    """W6 of the workloads."""
    net = nn.Sequential(
        nn.Conv2D(32, 3, activation="relu"), nn.MaxPool2D(2), nn.Conv2D(64, 3, activation="relu"), nn.MaxPool2D(2),
        nn.Flatten(), nn.Dense(64, activation="relu"), nn.Dense(10),
    )  # fmt: skip
    return training_program(net, _rows(28, 28, 1), LABELS, ENTROPY)


def lstm() -> CudaProgram:
    """W8 of the workloads, with fewer steps."""
    net = nn.Sequential(nn.LSTM(50), nn.Dense(1))
    return training_program(net, _rows(6, 10), _rows(1), "mse")


PROGRAMS: dict[str, Callable[[], CudaProgram]] = {"linear": linear, "mlp": mlp, "cnn": cnn, "lstm": lstm}
