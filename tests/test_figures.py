"""docs/performance.md shows what is in bench/results/, and has a place for each measurement."""

import json
import runpy
from pathlib import Path

import pytest
from nbdl_cli.measurements import MEASUREMENTS

ROOT = Path(__file__).parent.parent


@pytest.fixture
def figures():
    return runpy.run_path(str(ROOT / "docs" / "figures.py"))


def test_the_pages_are_up_to_date(figures):
    for page, link in figures["PAGES"].items():
        text = page.read_text(encoding="utf-8")
        assert figures["filled"](text, link=link) == text, "python docs/figures.py brings the pages up to date"


def test_each_measurement_has_its_place(figures):
    places = [figures["PLACE"].finditer(page.read_text(encoding="utf-8")) for page in figures["PAGES"]]
    assert {place[2] for page in places for place in page} == {*MEASUREMENTS, "trainings"}


def test_a_table_of_what_networks_learned(figures, tmp_path):
    about = {"cores": 2, "processor": "Abacus", "date": "2026-01-02T03:04:05", "versions": {"nbdl": "0.1.0"}}
    training = {"command": "nbdl train a", "bounded": ["val_loss"], "val_loss": 0.12345, "rows": 3, "seconds": 7.6}
    (tmp_path / "t.json").write_text(json.dumps({**about, "trainings": {"a": training}}))
    text = figures["filled"]("<!-- trainings from t.json -->\n<!-- end of trainings -->", tmp_path)
    assert "| `nbdl train a` | val loss 0.1235 | 8 |" in text
    assert "2 cores of an Abacus, 2026-01-02" in text


def test_tables_come_from_the_files(figures, tmp_path):
    spread = {"median": 12.34, "low": 11.0, "high": 13.0}
    about = {"cores": 2, "processor": "Abacus", "gflops_a_core": 7.0, "rounds": 3, "date": "2026-01-02T03:04:05",
             "versions": {"nbdl": "0.1.0", "absent": ""}}  # fmt: skip
    result = {"title": "a | line", "mebibytes": {"nbdl": spread, "torch": spread}, "ratio": {"torch": spread}}
    (tmp_path / "x.json").write_text(json.dumps({**about, "results": {"memory": {"w0": result}}}))
    page = "before\n<!-- memory from x.json -->\nold\n<!-- end of memory -->\nafter\n"
    text = figures["filled"](page, tmp_path)
    assert text.startswith("before\n<!-- memory from x.json -->\n\n|")
    assert "| w0 | nbdl | 12.3 |  | a \\| line |" in text
    assert "|  | torch | 12.3 | 12.34× (11.00 to 13.00) |  |" in text
    assert "2 cores of an Abacus (7 GFLOP/s each), 3 rounds, 2026-01-02" in text
    assert "absent" not in text
    assert "old" not in text
    assert "![" not in text
    (tmp_path / "x.png").touch()
    assert "](../bench/results/x.png)" in figures["filled"](text, tmp_path)
    assert figures["filled"](text, tmp_path).count("<!-- end of memory -->\nafter") == 1


def test_what_is_not_measured_is_not_made_up(figures, tmp_path):
    page = "<!-- fit from y.json -->\n<!-- end of fit -->"
    assert "Not measured yet" in figures["filled"](page, tmp_path)
