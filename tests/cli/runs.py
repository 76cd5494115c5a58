"""Runs that tests of commands look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from typer.testing import CliRunner


def train(folder: Path, runs: Mapping[str, Sequence[str]]) -> None:
    """Train each run, given by its name and the arguments of `nbdl train`, into a folder below `folder`."""
    from nbdl_cli.main import app

    for name, arguments in runs.items():
        result = CliRunner().invoke(app, ["train", *arguments, "--out", str(folder / name)])
        assert result.exit_code == 0, result.output
