"""What is said about cards, on machines that have none."""

from __future__ import annotations

import re

import pytest

from nbdl import cards
from nbdl.errors import OptionError

NEW = {"name": "a card", "capability": "9.0", "memory_gib": 140}
OLD = {"name": "an old card", "capability": "6.1", "memory_gib": 6}
NUMBA = {"numba-cuda": "0.30.4"}


@pytest.mark.parametrize(
    ("driver", "toolkit", "found", "packages", "words"),
    [
        ("13.0", "13.5.37", [NEW], NUMBA, ""),
        ("13.2", "12.9.1", [OLD], NUMBA, ""),
        ("12.4", None, [NEW], NUMBA, ""),
        ("13.0", "13.5.37", [], NUMBA, "finds no card"),
        ("13.0", None, [NEW], {}, 'numba-cuda isn\'t: pip install "nbdl\\[cuda\\]"'),
        ("12.4", "13.5.37", [NEW], NUMBA, 'newer driver, or pip install "numba-cuda\\[cu12\\]"'),
        ("13.0", "13.5.37", [OLD], NUMBA, "capability 6.1, and CUDA 13 compiles for 7.5"),
    ],
)
def test_what_is_missing(driver: str, toolkit: str | None, found: list, packages: dict, words: str) -> None:
    said = cards.what_is_missing(driver, toolkit, found, packages)
    assert re.search(words, said) if words else not said


def test_a_card_that_can_t_be_used_is_an_error_and_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(cards, "why_no_card", lambda: "the driver finds no card")
    assert cards.choose_device("auto") == "cpu"
    with pytest.raises(OptionError, match="CUDA can't be used here: the driver finds no card; `nbdl doctor`"):
        cards.choose_device("cuda")


def test_auto_is_a_card_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(cards, "why_no_card", lambda: "")
    assert cards.choose_device("auto") == cards.choose_device("cuda") == "cuda"
    assert cards.choose_device("cpu") == "cpu"


def test_a_card_that_is_there_and_not_used_is_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "why_no_card", lambda: "numba-cuda isn't")
    monkeypatch.setattr(cards, "examine_cuda", lambda: {"cards": [NEW]})
    assert cards.unused_card() == "numba-cuda isn't"
    monkeypatch.setattr(cards, "examine_cuda", lambda: {"cards": []})
    assert cards.unused_card() == ""
