"""`nbdl train`: what a run leaves behind, what it says, and how it goes on."""

import json
import re

import numpy as np
import pytest

from nbdl.tensor_files import load_tensors
from nbdl.train import RunFolder
from tests.cli.conftest import SMALL, write_houses

FILES = {
    *("config.toml", "metrics.csv", "weights.safetensors", "state.safetensors", "best.safetensors"),
    *("preprocessing.safetensors", "source.py", "environment.json", "report.json"),
}


def weights(path):
    return RunFolder.open(path).load_weights()[0]


def assert_same_weights(first, second):
    one, two = weights(first), weights(second)
    assert one.keys() == two.keys()
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_a_run_leaves_everything_that_repeats_it(train, done, work):
    result = train("--data", "iris", "--epochs", "3", "--out", "run")
    assert {entry.name for entry in (work / "run").iterdir()} == {*FILES, ".lock"}
    folder = RunFolder.open("run")
    config = folder.config()
    assert config["model"] == {"name": "mlp", "hidden": [8], "activation": "relu", "dropout": 0.1}
    assert config["loss"]["name"] == "sparse_categorical_crossentropy"
    assert config["metrics"] == ["accuracy"]
    assert config["train"] == {
        **{"epochs": 3, "batch_size": 16, "seed": 0, "workers": 1},
        **{"device": "cpu", "validation_split": 0.1},
    }
    assert [row["epoch"] for row in folder.metrics.rows()] == [0, 1, 2]
    assert set(folder.metrics.rows()[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert "def step(" in folder.source_file.read_text()
    assert re.search(r"On 30 test rows: loss [\d.]+, accuracy [\d.]+\.\nThe run is in run\n$", result.stdout)
    assert "epoch 3/3  loss" in result.stderr
    done("train", "--config", "run/config.toml", "--out", "again")
    assert_same_weights("run", "again")


def test_the_seed_decides_everything(train, work):
    for name, seed in (("first", 0), ("same", 0), ("other", 1)):
        train("--data", "iris", "--epochs", "1", "--out", name, "--seed", seed)
    assert_same_weights("first", "same")
    with pytest.raises(AssertionError):
        assert_same_weights("first", "other")


def test_json(train, work):
    result = train("--data", "iris", "--epochs", "2", "--out", "run", "--json")
    report = json.loads(result.stdout)
    assert (report["epochs"], report["workers"], report["test"]["rows"]) == (2, 1, 30)
    assert 0 <= report["test"]["accuracy"] <= 1
    assert set(report["training"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert report["run"] == str(work / "run")
    assert report == json.loads((work / "run" / "report.json").read_text())


def test_folders_are_numbered(train, work):
    for number in (1, 2):
        result = train("--data", "iris", "--epochs", "1")
        assert f"The run is in runs/mlp-iris-{number}\n" in result.stdout
    assert (work / "runs" / "mlp-iris-2" / "config.toml").exists()


def test_a_csv_file(train, houses):
    result = train("--data", houses, "--target", "price", "--epochs", "2", "--out", "run", "--json")
    report = json.loads(result.stdout)
    assert set(report["test"]) == {"loss", "mae", "r2", "rows"}
    # The loss is of standardised prices, the error in the units of the file.
    assert report["test"]["loss"] < 10
    assert report["test"]["mae"] > 1000


def test_the_best_epoch_is_kept(train, work):
    options = ["--data", "iris", "--epochs", "6", "--optimizer", "sgd", "--set", "optimizer.lr=2.0"]
    result = train(*options, "--out", "run")
    losses = [row["val_loss"] for row in RunFolder.open("run").metrics.rows()]
    best = losses.index(min(losses))
    assert best != 5  # else this run shows nothing
    assert f"The network has the weights of epoch {best + 1}, the best by val_loss {losses[best]:.4g}." in result.stdout
    kept, meta = load_tensors("run/best.safetensors")
    assert meta["epoch"] == best
    assert all(np.array_equal(kept[name], value) for name, value in weights("run").items())


def test_no_validation_rows_no_best_epoch(train, work):
    train("--data", "iris", "--epochs", "1", "--out", "run", "--set", "train.validation_split=0")
    assert not (work / "run" / "best.safetensors").exists()
    assert set(RunFolder.open("run").metrics.rows()[0]) == {"epoch", "loss", "accuracy"}


def test_everything_can_be_chosen(train, work):
    chosen = ["--optimizer", "sgd", "--schedule", "cosine", "--set", "schedule.steps=20", "--set", "optimizer.lr=0.3"]
    chosen += ["--metric", "f1", "--metric", "accuracy", "--callback", "early_stopping"]
    chosen += ["--set", "callback.early_stopping.patience=1", "--set", "callback.early_stopping.min_delta=9.0"]
    result = train("--data", "wine", "--epochs", "9", "--out", "run", *chosen)
    config = RunFolder.open("run").config()
    assert config["schedule"] == {"name": "cosine", "steps": 20, "lr": 0.3, "end": 0.0}
    assert "lr" not in config["optimizer"]
    assert config["metrics"] == ["f1", "accuracy"]
    assert config["callbacks"]["early_stopping"]["patience"] == 1
    assert "Trained 2 epochs" in result.stdout
    assert "Stopped early: val_loss has not improved for 1 epochs" in result.stdout


def test_notes_about_the_data_are_shown(train, work):
    lines = [f"{number},{number % 5},7,{'ab'[number % 2]}" for number in range(60)]
    (work / "rows.csv").write_text("id,value,same,label\n" + "\n".join(lines))
    result = train("--data", "rows.csv", "--target", "label", "--epochs", "1")
    assert "Note: same is left out: it is the same in every row." in result.stderr


# --- going on --------------------------------------------------------------------------------------------------------


def test_more_epochs_give_the_bits_of_a_long_run(train, done, work):
    train("--data", "iris", "--epochs", "5", "--out", "whole")
    train("--data", "iris", "--epochs", "2", "--out", "parts")
    result = done("train", "--resume", "parts", "--epochs", "5")
    assert_same_weights("whole", "parts")
    assert RunFolder.open("parts").metrics.rows() == RunFolder.open("whole").metrics.rows()
    assert RunFolder.open("parts").config() == RunFolder.open("whole").config()
    assert "epoch 3/5" in result.stderr
    assert "epoch 2/5" not in result.stderr
    assert "Trained 3 epochs (5 in all) in " in result.stdout


def test_a_finished_run_has_nothing_to_do(train, done, work):
    train("--data", "iris", "--epochs", "2", "--out", "run")
    before = (work / "run" / "state.safetensors").read_bytes()
    result = done("train", "--resume", "run")
    assert "On 30 test rows" in result.stdout
    assert load_tensors("run/state.safetensors")[0].keys()
    assert len(before) == len((work / "run" / "state.safetensors").read_bytes())
    assert len(RunFolder.open("run").metrics.rows()) == 2


def test_the_same_options_may_be_repeated_when_going_on(train, done, work):
    options = ["--data", "iris", "--seed", "3", "--out", "run"]
    train(*options, "--epochs", "1")
    done("train", "mlp", *SMALL, *options[:-2], "--epochs", "2", "--resume", "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "5"], "only --epochs can change: train.seed was 0, not 5"),
        (["--batch-size", "8"], "only --epochs can change: train.batch_size was 16, not 8"),
        (["--data", "wine"], "only --epochs can change: data.name was 'iris', not 'wine'"),
        (["--set", "model.hidden=[9]"], "only --epochs can change: model.hidden was [8], not [9]"),
        (["--metric", "f1"], "only --epochs can change: metrics was ['accuracy'], not ['f1']"),
        (["--epochs", "1"], "has done 2 epochs already; --epochs can only be raised"),
        (["--out", "other"], "leave out --out"),
    ],
    ids=str,
)
def test_a_run_goes_on_as_it_began(train, invoke, work, arguments, message):
    train("--data", "iris", "--epochs", "2", "--out", "run")
    result = invoke("train", "--resume", "run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_changed_data_are_noticed(train, invoke, houses, work):
    train("--data", houses, "--target", "price", "--epochs", "1", "--out", "run")
    write_houses(work / houses, seed=1)
    result = invoke("train", "--resume", "run", "--epochs", "2")
    assert result.exit_code == 2
    assert "the data of run have changed since it began" in result.stderr


def test_a_run_without_a_checkpoint_starts_from_the_beginning(train, done, work):
    """As a kill right after the configuration was written leaves it."""
    train("--data", "iris", "--epochs", "2", "--out", "whole")
    (work / "parts").mkdir()
    (work / "parts" / "config.toml").write_bytes((work / "whole" / "config.toml").read_bytes())
    done("train", "--resume", "parts")
    assert_same_weights("whole", "parts")
