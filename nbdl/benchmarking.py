"""What benchmarks are made of, and how they are measured.

A benchmark is a piece of training that several frameworks do alike: the same network, starting values and rows. Each
framework has one or more *trainers*. They take turns of about the same time within a round, so that a busy machine
slows all of them, and ratios are taken within a round; the losses after the same steps are compared, so that nobody is
fast by doing less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

OURS = "nbdl"
STRETCH = 64
"""Trainers are asked for multiples of so many steps: compilers that unroll a fixed number are served by it."""
TURN = 0.15
"""Seconds of a turn."""
CHECKED = 2 * STRETCH
"""Steps after which losses are compared."""


@dataclass(frozen=True)
class Trainer:
    """Something that trains.

    `run(order)` takes a step for each row of `order`, `(steps, batch)` numbers of rows of the data; `loss()` is the
    loss over all rows with the present parameters.
    """

    run: Callable[[np.ndarray], None]
    loss: Callable[[], float]


Trainers = Mapping[str, Trainer]


@dataclass(frozen=True)
class Benchmark:
    """A piece of training.

    Args:
        name: what it is called on the command line.
        title: what it is, in a few words.
        batch: rows of a step.
        rows: rows of the data.
        operations: additions and multiplications of a step that can't be done without.
        bytes: bytes that a step must move.
        peers: for every framework a function that returns its trainers by name; it raises `ImportError` where the
            framework isn't installed.
        compare_losses: whether the same steps must give the same loss (not where random numbers differ).
    """

    name: str
    title: str
    batch: int
    rows: int
    operations: int
    bytes: int
    peers: Mapping[str, Callable[[], Trainers]]
    compare_losses: bool = True


@dataclass
class Comparison:
    """What was measured: by trainer, the microseconds a step in each round, and the loss after the same steps."""

    benchmark: Benchmark
    times: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def microseconds(self, trainer: str) -> float:
        """Median time of a step."""
        return statistics.median(self.times[trainer])

    def ratios(self, trainer: str) -> list[float]:
        """How many times nbdl's time a trainer takes, in each round."""
        return [theirs / ours for theirs, ours in zip(self.times[trainer], self.times[OURS], strict=True)]

    @property
    def largest_difference(self) -> float:
        """The largest relative difference of a loss from nbdl's."""
        ours = self.losses[OURS]
        return max((abs(loss - ours) / max(abs(ours), 1e-12) for loss in self.losses.values()), default=0.0)


def compare(benchmark: Benchmark, peers: list[str], rounds: int, report: Callable[[str], None] = print) -> Comparison:
    """Measure nbdl and some of its peers in turns; `report` is told what is going on.

    A framework that isn't installed, or fails, is left out with its reason.
    """
    result = Comparison(benchmark)
    trainers: dict[str, Trainer] = {}
    for peer in (OURS, *peers):
        if peer not in benchmark.peers:
            continue
        report(f"{benchmark.name}: preparing {peer}")
        try:
            made = benchmark.peers[peer]()
        except ImportError as error:
            result.left_out[peer] = str(error)
            continue
        trainers |= made
    orders = _Orders(benchmark)
    for name, trainer in trainers.items():  # compiles, warms up, and shows that all do the same
        trainer.run(orders.first(CHECKED))
        result.losses[name] = trainer.loss()
    steps = {name: _steps_in_a_turn(trainer, orders) for name, trainer in trainers.items()}
    result.times = {name: [] for name in trainers}
    for number in range(rounds):
        report(f"{benchmark.name}: round {number + 1} of {rounds}")
        for name, trainer in trainers.items():
            result.times[name].append(_seconds(trainer, orders.next(steps[name])) / steps[name] * 1e6)
    return result


class _Orders:
    """Which rows are taken in each step."""

    def __init__(self, benchmark: Benchmark):
        self.benchmark = benchmark
        self.rng = np.random.default_rng(2)

    def first(self, steps: int) -> np.ndarray:
        """The same rows for everybody."""
        return self._draw(np.random.default_rng(3), steps)

    def next(self, steps: int) -> np.ndarray:
        """Other rows each time."""
        return self._draw(self.rng, steps)

    def _draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        """Rows in random order, each epoch anew."""
        batch, rows = self.benchmark.batch, self.benchmark.rows
        epochs = -(-steps * batch // rows)
        order = np.concatenate([rng.permutation(rows) for _ in range(epochs)])
        return order[: steps * batch].reshape(steps, batch)


def _steps_in_a_turn(trainer: Trainer, orders: _Orders) -> int:
    steps = STRETCH
    while True:
        taken = _seconds(trainer, orders.next(steps))
        if taken > TURN / 4:
            return STRETCH * max(1, round(steps / STRETCH * TURN / taken))
        steps *= 2


def _seconds(trainer: Trainer, order: np.ndarray) -> float:
    begin = time.perf_counter()
    trainer.run(order)
    return time.perf_counter() - begin
