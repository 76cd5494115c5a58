"""Runs that are killed at any moment, by SIGKILL or Ctrl-C: what resumes them ends with the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from nbdl.train import RunFolder
from tests.cli.conftest import SMALL

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL and no SIGINT for other processes")

# The command with checkpoints after every stretch of a millisecond, so that kills hit one being written.
EAGER = """
import sys
from nbdl.train import checkpoint, run
run.STRETCH = 0.001
checkpoint.AFTER_EPOCH = checkpoint.WITHIN_EPOCH = checkpoint.SHARE = 0
from nbdl_cli.main import main
main()
"""
RUN = ("train", "mlp", "--data", "digits", "--epochs", "8", *SMALL)


def start(*arguments):
    command = [sys.executable, "-c", EAGER, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*arguments):
    process = start(*arguments)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def wait_for(found, process, seconds=90):
    """Wait until something is so, or the process has ended."""
    end = time.monotonic() + seconds
    while not found() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.0005)


def everything(path):
    """Weights and state of a run, as bytes."""
    saved = RunFolder.open(path).load_checkpoint()
    return {name: array.tobytes() for part in (saved.weights, saved.state) for name, array in part.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(*RUN, "--out", str(folder))
    return folder


def moments(folder):
    """When to kill: what to wait for, and for how many seconds after that."""
    present = [
        folder / name for name in ("config.toml", "preprocessing.safetensors", "state.safetensors", "metrics.csv")
    ]
    rng = random.Random(0)
    waits = [(lambda file=file: file.exists(), 0.0) for file in present]
    waits += [(lambda: any(folder.glob("*.next")), 0.0), (lambda: any(folder.glob(".state*.part")), 0.0)] * 2
    return waits + [(folder.exists, rng.uniform(0, 0.4)) for _ in range(4)]


def test_a_run_that_is_killed_again_and_again(whole, tmp_path):
    folder = tmp_path / "run"
    kills = 0
    for found, seconds in moments(folder):
        arguments = (
            ["train", "--resume", str(folder)] if (folder / "config.toml").exists() else [*RUN, "--out", str(folder)]
        )
        process = start(*arguments)
        wait_for(found, process)
        time.sleep(seconds)
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 4  # else the runs were too short to show anything
    finish("train", "--resume", str(folder))
    assert everything(folder) == everything(whole)
    assert RunFolder.open(folder).metrics.rows() == RunFolder.open(whole).metrics.rows()


def test_a_run_with_ctrl_c(whole, tmp_path):
    folder = tmp_path / "run"
    process = start(*RUN, "--out", str(folder))
    wait_for((folder / "metrics.csv").exists, process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert "everything is saved in" in errors
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last == f"Go on with: nbdl train --resume {folder}"
    assert json.loads(finish(*last.split()[4:], "--json"))["epochs"] == 8
    assert everything(folder) == everything(whole)


def test_the_comparison_can_fail(whole, tmp_path):
    finish(*RUN, "--seed", "1", "--out", str(tmp_path / "run"))
    assert everything(tmp_path / "run") != everything(whole)
