"""Start-up stays light: what an import or a help text must not load, and how long it may take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"numba", "llvmlite", "sklearn", "scipy", "matplotlib", "pandas", "torch", "jax"}
NBDL = Path(sys.executable).with_name("nbdl.exe" if os.name == "nt" else "nbdl")
HELP = (
    "import sys; from typer.testing import CliRunner; from nbdl_cli.main import app; "
    "assert CliRunner().invoke(app, {}).exit_code == 0"
)


def loaded_by(statement):
    """Return the heavy packages that a fresh process has loaded after a statement."""
    program = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import nbdl",
        "import nbdl; nbdl.Tensor; nbdl.nn; nbdl.optim; nbdl.hookimpl",
        "import nbdl.plugins; nbdl.plugins.names('losses')",
        HELP.format(["--help"]),
        HELP.format(["show", "--help"]),
        HELP.format(["train", "--help"]),
        HELP.format(["predict", "--help"]),
        HELP.format(["plugins", "--help"]),
        HELP.format(["models"]),
    ],
)
def test_nothing_heavy_is_imported(statement):
    assert loaded_by(statement) == set()


def test_help_imports_neither_numpy_nor_rich():
    """They would take half of the time that `nbdl --help` may take."""
    for arguments in (["--help"], ["train", "--help"]):
        program = HELP.format(arguments) + "\nprint(*{'numpy', 'rich', 'pygments', 'nbdl.tensor'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""


def processor_seconds(command):
    """Return the least processor time of ten runs: unlike the time on the clock, others' load hardly changes it."""
    times = []
    for _ in range(10):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(times)


@pytest.mark.skipif(not NBDL.exists(), reason="nbdl isn't installed in this environment")
def test_help_is_quick():
    assert processor_seconds([NBDL, "--help"]) < 0.35


def test_import_is_quick():
    assert processor_seconds([sys.executable, "-c", "import nbdl"]) < 0.2
