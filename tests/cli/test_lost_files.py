"""Runs from which files are gone or damaged: nothing is overwritten, and every command says what is still possible."""

import pytest

from nbdl.train import RunFolder
from tests.cli.test_mistakes import refused

RESUME = ("train", "--resume", "run", "--epochs", "2")


@pytest.fixture
def run(train, work):
    """A run on iris, in the folder `run`."""
    train("--data", "iris", "--epochs", "1", "--out", "run")
    return work / "run"


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ([], "weights.safetensors, best.safetensors, metrics.csv): bring it back, evaluate and predict without it, or"),
        (["weights"], "best.safetensors, metrics.csv): bring it back, evaluate and predict with --best, or train anew"),
        (["weights", "best"], "metrics.csv): bring it back, or train anew with --config"),
    ],
    ids=len,
)
def test_a_trained_run_without_its_state_is_not_begun_anew(invoke, run, gone, message):
    for name in ("state", *gone):
        (run / f"{name}.safetensors").unlink()
    before = {entry.name: entry.read_bytes() for entry in run.iterdir() if entry.name != ".lock"}
    refused(invoke(*RESUME), "there is no file", "state.safetensors, though the run was trained (there is " + message)
    assert before == {entry.name: entry.read_bytes() for entry in run.iterdir() if entry.name != ".lock"}


def test_weights_are_used_without_the_state(done, run):
    (run / "state.safetensors").unlink()
    done("evaluate", "run")
    (run / "weights.safetensors").unlink()
    done("evaluate", "run", "--best")


def test_lost_weights_are_missed_by_all_commands_alike(invoke, run):
    (run / "weights.safetensors").unlink()
    refused(invoke("evaluate", "run"), "weights.safetensors, though the run was trained", "with --best")
    assert invoke(*RESUME).stderr == invoke("evaluate", "run").stderr


def test_what_a_kill_before_the_first_checkpoint_leaves_is_resumed(done, run):
    for name in ("state", "best", "weights"):
        (run / f"{name}.safetensors").unlink()
    (run / "weights.safetensors.next").write_bytes(b"half of it")
    (run / "metrics.csv").write_text("epoch,loss\n0,0.")  # no row is whole
    done(*RESUME)
    assert len(RunFolder.open("run").metrics.rows()) == 2


def test_a_run_that_ended_before_it_began(invoke, run):
    for name in ("weights", "state", "best", "preprocessing"):
        (run / f"{name}.safetensors").unlink()
    (run / "metrics.csv").unlink()
    for command in (["evaluate", "run"], ["inspect", "run"]):
        refused(invoke(*command), "--resume")


def test_best_weights_that_were_not_kept(invoke, run):
    (run / "best.safetensors").unlink()
    refused(invoke("evaluate", "run", "--best"), "run has no best weights")


def test_a_source_that_is_no_text(invoke, run):
    (run / "source.py").write_bytes(b"\xff\xfe\x00")
    refused(invoke("inspect", "run", "--source"), "source.py is damaged: it isn't text")
