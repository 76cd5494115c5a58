"""What `fit` costs: its epochs, with a progress bar and a callback, beside the bare program's steps."""

import time

import numpy as np

from nbdl.benchmarking import OURS, Benchmark
from nbdl_cli.measurements.measurement import (
    Figures,
    LeftOut,
    Measurement,
    Results,
    Settings,
    Table,
    number,
    rounded,
    spread,
    spreads,
)

SECONDS = 1.0
"""How long the epochs of a turn take."""


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Microseconds a step of both in turns, the extra cost in percent, and the seconds before the first epoch ends.

    The first epochs of `fit` include what it prepares and aren't compared with anything.
    """
    train = benchmark.fit
    assert train is not None  # the measurement needs it
    if OURS not in benchmark.peers:
        raise LeftOut("it offers no bare program")
    bare = benchmark.peers[OURS]()[OURS]
    steps = -(-benchmark.rows // benchmark.batch)
    if benchmark.rows % benchmark.batch:
        raise LeftOut(f"its {benchmark.rows} rows make no whole number of batches of {benchmark.batch}")
    order = np.random.default_rng(2).permutation(benchmark.rows).reshape(steps, benchmark.batch)
    bare.run(order)
    begin = time.perf_counter()
    bare.run(order)
    epochs = max(4, round(SECONDS / (time.perf_counter() - begin)))
    train(2)
    times: dict[str, list[float]] = {"fit": [], "program": []}
    prepared = []
    for count in range(settings.rounds):
        settings.tell(f"{benchmark.name}: round {count + 1} of {settings.rounds}")
        begin = time.perf_counter()
        for _ in range(epochs - 2):
            bare.run(order)
        times["program"].append((time.perf_counter() - begin) / (epochs - 2) / steps)
        clock = train(epochs)
        times["fit"].append((clock[-2] - clock[2]) / (epochs - 2) / steps)
        prepared.append(clock[1] - clock[0])
    extra = [100 * (ours / program - 1) for ours, program in zip(times["fit"], times["program"], strict=True)]
    return {
        "microseconds": spreads(times, 1e6),
        "extra_percent": spread(extra),
        "seconds_of_the_first_epoch": rounded(min(prepared)),
        "epochs": epochs,
        "steps_an_epoch": steps,
    }


def table(results: Results) -> Table:
    """A line for each benchmark."""
    rows = []
    for name, figures in results.items():
        extra = figures["extra_percent"]
        times = [number(figures["microseconds"][each]["median"]) for each in ("program", "fit")]
        cost = f"{extra['median']:.1f} % ({extra['low']:.1f} to {extra['high']:.1f})"
        size = f"{figures['epochs']} of {figures['steps_an_epoch']:,} steps"
        rows.append((name, *times, cost, size, f"{figures['seconds_of_the_first_epoch']:.2f}"))
    columns = ("", "bare program, µs a step", "fit", "more", "epochs", "seconds of the first, with what it prepares")
    return Table(columns, rows)


MEASUREMENT = Measurement("fit", "what fit costs", "fit", measure, (table,), table)
