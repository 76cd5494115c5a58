"""How long a card takes to learn MNIST to 99 % of the test images: the time of training, data on the card.

    python bench/mnist_card.py [--device cuda] [--epochs 12] [--batch-size 512] [--precision tf32]

A first training compiles, and isn't timed; the second begins anew with other numbers. Test images are looked at after
each epoch, outside of the time. The data set is found where `nbdl train --data mnist` finds it.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

import nbdl
from nbdl import nn
from nbdl.cards import examine_cuda
from nbdl.data import load
from nbdl.train import Callback

WANTED = 0.99


class Clock(Callback):
    """Counts the seconds of epochs, and stops once enough test images are recognised."""

    def __init__(self, net: nn.Module, x: np.ndarray, y: np.ndarray, device: str):
        self.net, self.x, self.y, self.device = net, x, y, device
        self.seconds, self.begin = 0.0, 0.0
        self.epochs: list[dict[str, float]] = []

    def run_start(self, run: Any) -> None:
        """Begin to count."""
        self.begin = time.perf_counter()

    def epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Measure, with the clock stopped."""
        run.bound.pull()
        self.seconds += time.perf_counter() - self.begin
        accuracy = float(nbdl.train.evaluate(self.net, self.x, self.y, device=self.device)["accuracy"])
        self.epochs.append({"seconds": round(self.seconds, 3), "accuracy": accuracy})
        if accuracy >= WANTED:
            run.stop("enough test images are recognised")
        self.begin = time.perf_counter()


def network() -> nn.Module:
    """Two convolutions and two dense layers."""
    return nn.Sequential(
        nn.Conv2D(32, 3, activation="relu"), nn.MaxPool2D(2), nn.Conv2D(64, 3, activation="relu"), nn.MaxPool2D(2),
        nn.Flatten(), nn.Dropout(0.25), nn.Dense(128, activation="relu"), nn.Dropout(0.25), nn.Dense(10),
    )  # fmt: skip


def train(data: Any, seed: int, options: argparse.Namespace) -> Clock:
    """Train once."""
    nbdl.set_seed(seed)
    net = network()
    net.compile({"name": "adam", "lr": options.lr}, "sparse_categorical_crossentropy", ["accuracy"])
    clock = Clock(net, data.test.x, data.test.y, options.device)
    net.fit(
        data.train.x, data.train.y, epochs=options.epochs, batch_size=options.batch_size, callbacks=[clock], seed=seed,
        device=options.device, precision=options.precision, verbose=False,
    )  # fmt: skip
    return clock


def main() -> None:
    """Train twice, and print the second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    data = load("mnist")
    train(data, 0, argparse.Namespace(**{**vars(options), "epochs": 1}))
    clock = train(data, 1, options)
    print(json.dumps({"cards": examine_cuda()["cards"], **vars(options), "epochs": clock.epochs}, indent=1))


if __name__ == "__main__":
    main()
