"""The command line with `--device cuda`, on a simulated card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nbdl_cli.main import app
from typer.testing import CliRunner

SMALL = ["--set", "model.hidden=[4]", "--epochs", "1", "--batch-size", "50", "--seed", "1"]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_train_evaluate_and_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flowers = tmp_path / "flowers.csv"
    flowers.write_text("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n")
    run("train", "mlp", "--data", "iris", "--device", "cuda", "--out", "run", *SMALL)
    assert 'device = "cuda"' in (tmp_path / "run" / "config.toml").read_text()
    assert 0 < json.loads(run("evaluate", "run", "--device", "cuda", "--json"))["loss"] < 2
    (predicted,) = json.loads(run("predict", "run", "flowers.csv", "--device", "cuda", "--json"))
    shares = [value for name, value in predicted.items() if name.startswith("probability")]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
