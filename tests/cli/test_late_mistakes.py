"""Mistakes that come to light when training has begun: the corrected command finds the folder free."""

from nbdl.train import RunFolder
from tests.cli.test_mistakes import IRIS, refused

TO_RUN = (*IRIS, "--epochs", "2", "--out", "run")
NOT_MEASURED = ("--set", "callback.best_weights.monitor=lss", "--set", "callback.best_weights.mode=min")


def test_a_folder_is_free_again_after_a_mistake(invoke, train, work):
    result = invoke("train", *TO_RUN, *NOT_MEASURED)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "best_weights watches 'lss', which this run doesn't measure; watch another: did you mean" in result.stderr
    assert [entry.name for entry in (work / "run").iterdir()] == [".lock"]
    train("--data", "iris", "--epochs", "1", "--out", "run")


def test_a_run_whose_work_failed_is_kept(invoke, work):
    assert invoke("train", *TO_RUN, "--optimizer", "sgd", "--set", "optimizer.lr=1e38").exit_code == 1
    assert RunFolder.open("run").has_checkpoint()


def test_a_run_that_is_resumed_is_kept(invoke, train, work):
    train("--data", "iris", "--epochs", "1", "--out", "run")
    (work / "run" / "metrics.csv").unlink()
    config = work / "run" / "config.toml"
    config.write_text(config.read_text().replace('"val_loss"', '"lss"').replace("auto", "min"))
    refused(invoke("train", "--resume", "run", "--epochs", "2"), "lss")
    assert RunFolder.open("run").has_checkpoint()
