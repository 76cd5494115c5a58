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
