"""Run commands in this process, or as a person would: the installed `nbdl` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

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
def nbdl(nbdl_path, tmp_path, monkeypatch):
    """Return a function that runs the installed command in a process of its own, with a cache of its own."""
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NBDL_DEBUG", raising=False)

    def run(*arguments, **options):
        command = [str(nbdl_path), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)

    return run
