"""What benchmarks are made of, and how several ways to do the same are measured in turns.

A benchmark is a piece of work that several frameworks do alike: the same network, starting values and rows. Each
framework has one or more *trainers* (or predictors, or whole programs). They take turns of about the same time within a
round, so that a busy machine slows all of them, and ratios are taken within a round; what comes out is compared, so
that nobody is fast by doing less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OURS = "nbdl"
STRETCH = 64
"""Trainers are asked for multiples of so many steps: compilers that unroll a fixed number are served by it."""
TURN = 0.15
"""Seconds of a turn."""
PAUSE = 0.2
"""Seconds before a turn: threads of the one before wait for more work in a loop for a while, on cores that it needs."""
CHECKED = STRETCH
"""Steps after which losses are compared: few enough that rounding stays small where training is on its way over an
edge (the transformer's loss falls from 4.0 to 1.3 between steps 96 and 128, and in which of them is chance).
"""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Trainer:
    """Something that trains.

    `run(order)` takes a step for each row of `order`, `(steps, batch)` numbers of rows of the data; `loss()` is the
    loss over all rows with the present parameters; `memory()`, where it is known, the bytes of working memory.
    """

    run: Callable[[np.ndarray], None]
    loss: Callable[[], float]
    memory: Callable[[], int] | None = None


@dataclass(frozen=True)
class Predictor:
    """Something that predicts: `run(x)` returns the output for rows; `begin()` is called before each turn."""

    run: Callable[[np.ndarray], np.ndarray]
    begin: Callable[[], None] = lambda: None


Trainers = Mapping[str, Trainer]
Predictors = Mapping[str, Predictor]


@dataclass(frozen=True)
class Benchmark:
    """A piece of work, and what can be measured of it: each measurement leaves out benchmarks that don't offer it.

    Functions that make something are called once in the process that measures, and raise `ImportError` where the
    framework isn't installed, or `NotImplementedError` for what it can't do; the peer is left out with that reason.
    Programs are Python source, run in new processes, which fail with `ModuleNotFoundError` where something is missing.

    Args:
        name: what it is called on the command line.
        title: what it is, in a few words.
        batch: rows of a step.
        rows: rows of the data.
        operations: additions and multiplications of a step that can't be done without.
        bytes: bytes that a step must move.
        peers: `steps`: for every framework a function that returns its trainers by name.
        compare_losses: whether the same steps must give the same loss (not where random numbers differ).
        inputs: `inference`: returns so many rows to predict.
        predictors: `inference`: for every framework a function that returns its predictors by name.
        programs: `start`, `memory`: for every framework a program that defines `run(steps)`.
        eager: `eager`: for every framework a function that returns trainers which run Python code in each step.
        workers: `scaling`: returns nbdl's trainer with so many workers.
        sizes: `growth`: by what grows (batch, width, ...) a function from a factor to the benchmark of that size.
        kernels: `kernels`: trains so many steps with nbdl, and returns the microseconds a step of each kernel, by
            name, and those of the whole (`"step"`).
        fit: `fit`: trains so many epochs with `fit`, and returns the clock's seconds (`time.perf_counter`) at the
            beginning, after each epoch and at the end.
        whole: `whole`: by name a program that does all there is to do, and prints a number for how well it did.
        published: `whole`: seconds that others have published, by whom and on which machine.
        device: where it runs, `cpu` or `cuda`.
    """

    name: str
    title: str
    batch: int
    rows: int
    operations: int
    bytes: int
    peers: Mapping[str, Callable[[], Trainers]] = field(default_factory=dict)
    compare_losses: bool = True
    inputs: Callable[[int], np.ndarray] | None = None
    predictors: Mapping[str, Callable[[], Predictors]] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    eager: Mapping[str, Callable[[], Trainers]] = field(default_factory=dict)
    workers: Callable[[int], Trainer] | None = None
    sizes: Mapping[str, Callable[[int], Benchmark]] = field(default_factory=dict)
    kernels: Callable[[int], dict[str, float]] | None = None
    fit: Callable[[int], list[float]] | None = None
    whole: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    device: str = "cpu"


@dataclass
class Comparison:
    """What was measured: by trainer, its framework, microseconds a step in each round, loss after the same steps."""

    benchmark: Benchmark
    peers: dict[str, str] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def microseconds(self, trainer: str) -> float:
        """Median time of a step."""
        return statistics.median(self.times[trainer])

    def ratios(self, trainer: str) -> list[float]:
        """How many times nbdl's time a trainer takes, in each round."""
        return ratios(self.times, [trainer])

    @property
    def largest_difference(self) -> float:
        """The largest relative difference of a loss from nbdl's."""
        ours = self.losses[OURS]
        return max((abs(loss - ours) / max(abs(ours), 1e-12) for loss in self.losses.values()), default=0.0)


def ratios(times: Mapping[str, list[float]], names: Iterable[str]) -> list[float]:
    """How many times nbdl's time the fastest of some takes, in each round.

    >>> ratios({"nbdl": [1.0, 2.0], "a": [3.0, 8.0], "b": [4.0, 6.0]}, ["a", "b"])
    [3.0, 3.0]
    """
    best = [min(each) for each in zip(*[times[name] for name in names], strict=True)]
    return [theirs / ours for theirs, ours in zip(best, times[OURS], strict=True)]


def made(
    offered: Mapping[str, Callable[[], Mapping[str, Any]]], peers: Iterable[str], report: Report
) -> tuple[dict[str, tuple[str, Any]], dict[str, str]]:
    """Make what nbdl and some of its peers offer: by name the framework and the thing, and why others are left out."""
    found: dict[str, tuple[str, Any]] = {}
    left_out: dict[str, str] = {}
    for peer in (OURS, *peers):
        if peer in offered:
            report(f"preparing {peer}")
            try:
                found |= {name: (peer, thing) for name, thing in offered[peer]().items()}
            except (ImportError, NotImplementedError) as error:
                left_out[peer] = str(error)
        else:
            left_out[peer] = "this benchmark has nothing for it"
    return found, left_out


def in_turns(
    things: Mapping[str, Callable[[int], float]], rounds: int, report: Report, stretch: int = 1
) -> dict[str, list[float]]:
    """Let things do the same in turns; return by name the seconds of one piece of work, in each round.

    Args:
        things: functions that do so many pieces of work (a multiple of `stretch`) and return the seconds they took.
    """
    counts = {name: _count_in_a_turn(run, stretch) for name, run in things.items()}
    times: dict[str, list[float]] = {name: [] for name in things}
    for number in range(rounds):
        report(f"round {number + 1} of {rounds}")
        for name, run in things.items():
            time.sleep(PAUSE)
            times[name].append(run(counts[name]) / counts[name])
    return times


def _count_in_a_turn(run: Callable[[int], float], stretch: int) -> int:
    count = stretch
    while True:
        taken = run(count)
        if taken > TURN / 4:
            return stretch * max(1, round(count / stretch * TURN / taken))
        count *= 2


def compare(
    benchmark: Benchmark,
    peers: Iterable[str],
    rounds: int,
    report: Report = print,
    offered: Mapping[str, Callable[[], Trainers]] | None = None,
) -> Comparison:
    """Measure training by nbdl and some of its peers in turns; `report` is told what is going on.

    A framework that isn't installed, or can't do it, is left out with its reason. `offered` are the trainers to
    compare, those of the benchmark's `peers` if it isn't given.
    """

    def tell(text: str) -> None:
        report(f"{benchmark.name}: {text}")

    found, left_out = made(benchmark.peers if offered is None else offered, peers, tell)
    result = Comparison(benchmark, {name: peer for name, (peer, _) in found.items()}, left_out=left_out)
    rows = _Rows(benchmark)
    turns: dict[str, Callable[[int], float]] = {}
    for name, (_, trainer) in found.items():  # compiles, warms up, and shows that all do the same
        tell(f"first steps of {name}")
        trainer.run(rows.first(CHECKED))
        result.losses[name] = trainer.loss()
        turns[name] = _turn(trainer, rows)
    times = in_turns(turns, rounds, tell, STRETCH)
    result.times = {name: [1e6 * seconds for seconds in each] for name, each in times.items()}
    return result


class _Rows:
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


def _turn(trainer: Trainer, rows: _Rows) -> Callable[[int], float]:
    def run(steps: int) -> float:
        order = rows.next(steps)
        begin = time.perf_counter()
        trainer.run(order)
        return time.perf_counter() - begin

    return run
