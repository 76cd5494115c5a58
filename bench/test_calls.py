"""Calls that follow one another at once, of programs with two workers; and rows whose width fills no whole vectors.

    pytest bench/test_calls.py --benchmark-only --benchmark-group-by=group

Each group is one thing with and without what makes it quick: workers that stand by in compiled code between calls,
loops over whole vectors of which the last overlaps, and a look for NaN at the first product in place of the rows.
"""

from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.codegen import loop_text, threads
from nbdl.train import tracing

RNG = np.random.default_rng(0)


def network(*units: int, activation: str) -> nn.Module:
    nbdl.set_seed(0)
    return nn.Sequential(*[nn.Dense(each, activation) for each in units])


@pytest.mark.parametrize("waiting", ["standing by", "asleep"])
@pytest.mark.parametrize("units", [(10,), (64, 64, 10)], ids=str)
def test_1024_rows_by_two_workers(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, units: tuple[int, ...], waiting: str
) -> None:
    if waiting == "asleep":
        monkeypatch.setattr(threads, "PAUSE", 0.0)
    net, x = network(*units, activation="relu"), RNG.random((1024, 784), dtype=np.float32)
    benchmark.group = f"1024 rows by two workers, 784-{'-'.join(map(str, units))}"
    benchmark.pedantic(net.predict, (x,), {"workers": 2}, rounds=20, iterations=200, warmup_rounds=2)


@pytest.mark.parametrize("form", ["whole vectors", "as LLVM cuts them"])
@pytest.mark.parametrize("width", [31, 48, 61, 64, 100])
def test_width(benchmark: Any, monkeypatch: pytest.MonkeyPatch, width: int, form: str) -> None:
    if form != "whole vectors":
        monkeypatch.setattr(loop_text, "WHOLE", 2**30)  # wider than any row
    net, x = nn.LSTM(width), RNG.random((16, 50, 10), dtype=np.float32)
    benchmark.group = f"50 steps of an LSTM with {width} units, 16 rows"
    benchmark.pedantic(net.predict, (x,), {"workers": 1}, rounds=20, iterations=50, warmup_rounds=2)


@pytest.mark.parametrize("looked_at", ["the first product", "the rows"])
def test_finite(benchmark: Any, monkeypatch: pytest.MonkeyPatch, looked_at: str) -> None:
    if looked_at == "the rows":
        monkeypatch.setattr(tracing, "_is_product_with", lambda node, x: False)
    net, x = network(10, activation="softmax"), RNG.random((1024, 784), dtype=np.float32)
    benchmark.group = "1024 rows, 784-10: what is looked at for NaN"
    benchmark.pedantic(net.predict, (x,), {"workers": 2}, rounds=20, iterations=200, warmup_rounds=2)
