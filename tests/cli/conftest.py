"""Run commands in this process, or as a person would: the installed `nbdl` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

NBDL = Path(sys.executable).with_name("nbdl.exe" if os.name == "nt" else "nbdl")


@pytest.fixture
def invoke():
    """Return a function that runs a command in this process and returns its result."""
    from nbdl_cli.main import app

    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="nbdl")


@pytest.fixture
def nbdl_path():
    """Return the path of the installed command."""
    if not NBDL.exists():
        pytest.skip("nbdl isn't installed in this environment")
    return NBDL


@pytest.fixture
def nbdl(nbdl_path, monkeypatch):
    """Return a function that runs the installed command in a process of its own.

    It uses the same cache as everything else here: with an empty one each test would compile all kernels again.
    """
    monkeypatch.delenv("NBDL_DEBUG", raising=False)

    def run(*arguments, **options):
        command = [str(nbdl_path), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)

    return run


SMALL = ("--set", "model.hidden=[8]", "--batch-size", "16", "--workers", "1")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBDL_DATA", raising=False)
    monkeypatch.delenv("NBDL_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def done(invoke):
    """Return a function that runs a command which must succeed."""

    def run(*arguments):
        result = invoke(*arguments)
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
def train(done):
    """Return a function that trains a small network."""
    return lambda *arguments: done("train", "mlp", *SMALL, *arguments)


def write_houses(path, rows=60, seed=0):
    """Write a CSV file of a regression: numbers with gaps, a category, a price; return the prices."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(30, 200, rows)
    town = rng.choice(["Ulm", "Bonn"], rows)
    price = 3000 * area + 50_000 * (town == "Bonn") + rng.normal(0, 5000, rows)
    cells = [f"{a:.1f}" if number % 7 else "" for number, a in enumerate(area)]
    lines = [f"{a},{t},{p:.0f}" for a, t, p in zip(cells, town, price, strict=True)]
    path.write_text("area,town,price\n" + "\n".join(lines) + "\n")
    return np.round(price)


@pytest.fixture
def houses(work):
    """Return the name of a CSV file with houses."""
    write_houses(work / "houses.csv")
    return "houses.csv"


def write_planes(folder, rows=120, seed=0):
    """Write CSV files of a classification by two features, and of a regression by one."""
    rng = np.random.default_rng(seed)
    warmth, pressure = rng.uniform(0, 100, rows), rng.uniform(1, 9, rows)
    solid = warmth < 12 * pressure
    (folder / "ice.csv").write_text("warmth (°C),pressure (bar),state\n" + "".join(
        f"{w:.2f},{p:.2f},{'solid' if s else 'liquid'}\n" for w, p, s in zip(warmth, pressure, solid, strict=True)))
    area = rng.uniform(30, 200, rows)
    price = 3000 * area + rng.normal(0, 20_000, rows)
    (folder / "flats.csv").write_text("area (m²),price (€)\n" + "".join(
        f"{a:.1f},{p:.0f}\n" for a, p in zip(area, price, strict=True)))


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with runs on iris, digits and tables: many features (houses), two (ice) and one (flats)."""
    from nbdl_cli.main import app

    folder = tmp_path_factory.mktemp("runs")
    write_houses(folder / "houses.csv")
    write_planes(folder)
    for name, data in (
        ("iris", ["iris"]),
        ("digits", ["digits"]),
        ("houses", [str(folder / "houses.csv"), "--target", "price"]),
        ("ice", [str(folder / "ice.csv"), "--target", "state"]),
        ("flats", [str(folder / "flats.csv"), "--target", "price (€)"]),
    ):
        arguments = ["train", "mlp", *SMALL, "--epochs", "2", "--out", str(folder / name), "--data", *data]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    return folder
