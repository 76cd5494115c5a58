"""Prediction: the latency of one row, and rows a second at 1024 rows a call."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from nbdl.benchmarking import OURS, Benchmark, Predictor, in_turns, made
from nbdl_cli.measurements.measurement import (
    DIFFERENCE,
    Figures,
    LeftOut,
    Measurement,
    Results,
    Settings,
    Table,
    number,
    ratios_of,
    spread_text,
    spreads,
)
from nbdl_cli.measurements.steps import draw_ratios

SIZES = (1, 1024)


def measure(benchmark: Benchmark, settings: Settings) -> Figures:
    """Microseconds of a call for one row and for many, of everybody in turns; the outputs must be the same."""
    if benchmark.inputs is None:
        raise LeftOut("it offers no inputs")
    found, left_out = made(benchmark.predictors, settings.peers, settings.tell)
    predictors: dict[str, Predictor] = {name: predictor for name, (_, predictor) in found.items()}
    figures: Figures = {"rows": {}, "left_out": left_out}
    for size in SIZES:
        x = benchmark.inputs(size)
        outputs = {}
        for name, predictor in predictors.items():
            predictor.begin()
            outputs[name] = predictor.run(x)
        turns = {name: _turn(predictor, x) for name, predictor in predictors.items()}
        times = in_turns(turns, settings.rounds, settings.tell)
        figures["rows"][str(size)] = {"microseconds": spreads(times, 1e6), "ratio": ratios_of(times)}
        figures["difference"] = {name: difference(outputs[OURS], each) for name, each in outputs.items()}
    figures["agrees"] = all(each <= DIFFERENCE for each in figures["difference"].values())
    return figures


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference of outputs, relative to the largest of them; infinite if the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), 1e-12))


def _turn(predictor: Predictor, x: np.ndarray) -> Callable[[int], float]:
    def run(calls: int) -> float:
        predict = predictor.run
        predictor.begin()
        predict(x)
        begin = time.perf_counter()
        for _ in range(calls):
            predict(x)
        return time.perf_counter() - begin

    return run


def table(results: Results) -> Table:
    """A line for each predictor of each benchmark."""
    rows = []
    for name, figures in results.items():
        one, many = (figures["rows"][str(size)] for size in SIZES)
        for predictor in one["microseconds"]:
            ours = predictor == OURS
            rows.append(
                (
                    name if ours else "",
                    predictor,
                    number(one["microseconds"][predictor]["median"]),
                    "" if ours else spread_text(one["ratio"][predictor]),
                    f"{SIZES[1] / many['microseconds'][predictor]['median'] * 1e6:,.0f}",
                    "" if ours else spread_text(many["ratio"][predictor]),
                    f"{figures['difference'][predictor]:.1e}",
                )
            )
    columns = ("", "predictor", "one row, µs", "times nbdl's", "rows/s at 1024", "times nbdl's", "difference")
    return Table(columns, rows)


def draw(axes: Any, results: Results) -> None:
    """How many times nbdl's time the others take for one row."""
    draw_ratios(axes, {name: figures["rows"]["1"]["ratio"] for name, figures in results.items()})
    axes.set_ylabel("time to predict one row, in times nbdl's")


MEASUREMENT = Measurement("inference", "prediction", "predictors", measure, (table,), table, draw)
