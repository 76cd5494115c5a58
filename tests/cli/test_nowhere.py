"""Answers that can't be written: a full disk is told of, and a closed output is no bug."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
COMMANDS = [["models"], ["losses", "--json"], ["inspect", "mlp", "--source"]]


def run(arguments, **options):
    program = f"import sys; sys.argv = ['nbdl', *{arguments!r}]; from nbdl_cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda value: value[0])
def test_a_full_disk(arguments):
    with open("/dev/full", "w") as full:
        done = run(arguments, stdout=full)
    assert done.returncode != 0
    assert "Error: the answer can't be written: No space left on device" in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda value: value[0])
def test_a_closed_output(arguments):
    done = run(arguments, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")
