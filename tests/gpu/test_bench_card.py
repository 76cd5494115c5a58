"""What `bench/card.py` does around its measurements, where there is no card."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nbdl.cards import examine_cuda

BENCH = Path(__file__).parent.parent.parent / "bench"


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("card", BENCH / "card.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.syspath_prepend(str(BENCH))
    return module


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_figures_of_a_process_are_kept_whatever_becomes_of_it(card: ModuleType) -> None:
    found = card.in_process(python("print('hello'); print('[\"a\", {\"b\": 1}]'); raise ValueError('broken')"), 60)
    assert found == {"a": {"b": 1}, "end": "status 1 ValueError: broken"}
    assert card.in_process(python("print('[\"a\", 2]')"), 60) == {"a": 2, "end": "status 0"}


def test_a_process_is_stopped_with_those_it_has_started(card: ModuleType) -> None:
    waiting = "import subprocess, sys; print('[\"a\", 1]', flush=True); "
    waiting += "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    begin = time.monotonic()
    assert card.in_process(python(waiting), 6.0) == {"a": 1, "end": "stopped after 6 s"}
    assert time.monotonic() - begin < 30
    assert card.in_process(python("1"), 0.0) == {"end": "left out for want of time"}


def test_tables(card: ModuleType, tmp_path: Path) -> None:
    figures = {
        "nn 4096": {"TFLOP/s": 41.25, "share": {"of cuBLAS": 0.8125}},
        "tn 4096": {"TFLOP/s": 2.0},
        "end": "status 0",
    }
    text = card.table("products", figures)
    assert "| | TFLOP/s | share: of cuBLAS |" in text
    assert "| nn 4096 | 41.2 | 0.812 |" in text
    assert "| tn 4096 | 2 |  |" in text
    assert "end: status 0" in text
    cuda = {"cards": [{"name": "a card", "capability": "9.0"}], "driver": "13.0"}
    card.write(tmp_path / "card.json", {"cuda": cuda, "date": "today", "products": figures})
    assert json.loads((tmp_path / "card.json").read_text())["products"] == figures
    assert (tmp_path / "card.md").read_text().startswith("# a card (9.0)\n\nDriver for CUDA 13.0, today.\n")


def test_parts_have_functions_and_times(card: ModuleType) -> None:
    pytest.importorskip("numba_cuda", reason="numba-cuda isn't installed: pip install 'nbdl[cuda]'")
    assert list(card.parts()) == list(card.SECONDS)
    *others, last = card.SECONDS.values()
    assert sum(others) < card.LIMIT <= last  # which has what is left
    assert card.LIMIT < 9 * 60


def test_every_workload_is_measured_with_both_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    order = importlib.import_module("card_training").order()
    assert len({each.name for each in order}) == len(order) == 24
    assert sum(each.batch == 1024 for each in order) == 12


@pytest.mark.skipif(examine_cuda()["usable"], reason="there is a card")
def test_without_a_card_it_says_so() -> None:
    done = subprocess.run([sys.executable, str(BENCH / "card.py")], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("there is nothing to measure: ")
    assert "Traceback" not in done.stderr


def test_arguments(card: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A part alone prints its figures, line by line."""
    part: Any = lambda: iter([("a", {"b": 1})])  # noqa: E731
    monkeypatch.setattr(card, "parts", lambda: {"copies": part})
    monkeypatch.setattr(card, "examine_cuda", lambda: {"usable": True})
    monkeypatch.setattr(sys, "argv", ["card.py", "--part", "copies"])
    card.main()
    assert json.loads(capsys.readouterr().out) == ["a", {"b": 1}]
