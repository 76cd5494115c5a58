"""Mistakes: each ends in one clear message on stderr and exit code 2 (1 for work that failed), without a trace."""

import os
import subprocess
import sys

import numpy as np
import pytest

from nbdl.train import RunFolder
from tests.cli.conftest import write_houses


def refused(result, *messages, code=2):
    """Assert that a command ended as a mistake should."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 5  # of which four are the usage, if the command can't be read
    for message in messages:
        assert message in result.stderr


@pytest.fixture
def mistake(invoke, work):
    """Return a function that runs `nbdl train` with a mistake in it: nothing may be left behind."""

    def run(*arguments, code=2, messages):
        before = {entry.name for entry in work.iterdir()}
        refused(invoke("train", *arguments), *messages, code=code)
        assert {entry.name for entry in work.iterdir()} == before

    return run


# --- what was asked for ----------------------------------------------------------------------------------------------

IRIS = ("mlp", "--data", "iris")


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["mpl", "--data", "iris"], ["there is no model 'mpl'; did you mean 'mlp'?"]),
        (["mlp"], ["which data? Give it as --data NAME|FILE"]),
        ([], ["which model? Give it as nbdl train MODEL"]),
        (["mlp", "--data", "iriss"], ["there is no data set 'iriss'; did you mean 'iris'"]),
        ([*IRIS, "--loss", "msee"], ["there is no loss 'msee'; did you mean 'mse'"]),
        ([*IRIS, "--optimizer", "adamm"], ["there is no optimizer 'adamm'; did you mean 'adam'"]),
        ([*IRIS, "--schedule", "cosin"], ["there is no schedule 'cosin'; did you mean 'cosine'"]),
        ([*IRIS, "--metric", "accurcy"], ["there is no metric 'accurcy'; did you mean 'accuracy'"]),
        (
            [*IRIS, "--callback", "early_stoping"],
            ["there is no callback 'early_stoping'; did you mean 'early_stopping'"],
        ),
        ([*IRIS, "--epoch", "3"], ["No such option", "--epochs"]),
        ([*IRIS, "--epochs", "three"], ["Invalid value for '--epochs'", "valid integer"]),
        ([*IRIS, "--epochs", "0"], ["epochs must be at least 1, not 0"]),
        ([*IRIS, "--epochs", "-2"], ["epochs must be at least 1, not -2"]),
        ([*IRIS, "--batch-size", "0"], ["batch_size must be at least 1, not 0"]),
        ([*IRIS, "--workers", "0"], ["workers must be at least 1, not 0"]),
        ([*IRIS, "--seed", "-1"], ["seed must be at least 0, not -1"]),
        (
            [*IRIS, "--device", "gpu"],
            ["option 'device' of group 'train' takes one of 'auto', 'cpu', 'cuda', not 'gpu'"],
        ),
        ([*IRIS, "--device", "cuda"], ["CUDA"]),
        ([*IRIS, "--target", "species"], ["--target is for files; the data set 'iris' has its own target"]),
        ([*IRIS, "--set", "model.hiden=[3]"], ["model 'mlp' has no option 'hiden'; did you mean 'hidden'?"]),
        (
            [*IRIS, "--set", "model.hidden=wide"],
            ["option 'hidden' of model 'mlp' takes a list of whole numbers", "wide"],
        ),
        ([*IRIS, "--set", "model.hidden=[0]"], ["a whole number of at least 1, not 0"]),
        ([*IRIS, "--set", "model.dropout=1.5"], ["dropout of at least 0 and less than 1, not 1.5"]),
        ([*IRIS, "--set", "model.activation=rellu"], ["there is no activation 'rellu'; did you mean 'relu'"]),
        ([*IRIS, "--set", "optimizer.lr=-1"], ["the learning rate lr can't be negative"]),
        ([*IRIS, "--set", "optimizer.momentum=0.9"], ["optimizer 'adam' has no option 'momentum'"]),
        ([*IRIS, "--set", "modl.hidden=[3]"], ["there is no group 'modl'; did you mean 'model'?"]),
        ([*IRIS, "--set", "hidden"], ["--set hidden can't be read; write --set group.option=value"]),
        ([*IRIS, "--set", "schedule.steps=3"], ["options for the schedule (steps) need its name too"]),
        ([*IRIS, "--schedule", "cosine"], ["schedule 'cosine' needs the option 'steps'"]),
        (
            [*IRIS, "--schedule", "cosine", "--set", "schedule.lr=1", "--set", "optimizer.lr=1"],
            ["the learning rate is given twice"],
        ),
        ([*IRIS, "--callback", "csv_log"], ["callback 'csv_log' needs the option 'path'"]),
        ([*IRIS, "--set", "train.validation_split=1"], ["validation_split is a share from 0 to below 1"]),
        ([*IRIS, "--config", "absent.toml"], ["there is no configuration file absent.toml"]),
        ([*IRIS, "--resume", "absent"], ["there is no run folder absent"]),
        ([*IRIS, "--loss", "mse"], ["mse compares a prediction (n, 3) with a target (n,)", "sparse_categorical"]),
        (
            ["mlp", "--data", "diabetes", "--loss", "sparse_categorical_crossentropy"],
            ["takes scores (rows, ..., classes)"],
        ),
    ],
    ids=lambda value: " ".join(value)[:60],
)
def test_a_wrong_request(mistake, arguments, messages):
    mistake(*arguments, messages=messages)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model", "run.toml can't be read as TOML"),
        ("[modl]\nname = 'mlp'", "run.toml: there is no group 'modl'; did you mean 'model'?"),
        ("[model]\nname = 'mlp'\nhiden = [3]\n[data]\nname = 'iris'", "has no option 'hiden'"),
        ("train = 3", "run.toml: train is a table ([train]), not 3"),
        (
            "model = 'mlp'\ndata = 'iris'\n[train]\nepochs = 'many'",
            "option 'epochs' of group 'train' takes a whole number",
        ),
    ],
    ids=lambda value: value[:20],
)
def test_a_wrong_configuration_file(mistake, work, text, message):
    (work / "run.toml").write_text(text)
    mistake("--config", "run.toml", messages=[message])


# --- data ------------------------------------------------------------------------------------------------------------


def rows(*extra, count=40):
    """The lines of a CSV file with two classes, and more lines."""
    lines = [f"{number % 7},{number * 0.5},{'ab'[number % 2]}" for number in range(count)]
    return "\n".join(["u,v,label", *lines, *extra]) + "\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (rows(), [], "Say target=NAME (on the command line --target NAME); it has u, v, label"),
        (rows(), ["--target", "lable"], "rows.csv has no column 'lable'; did you mean 'label'?"),
        (rows(), ["--target", "9"], "has no column number 9; columns are counted from 1 to 3"),
        (rows("3,oops,a"), ["--target", "label"], "line 42: column 'v' holds numbers, but here it says 'oops'"),
        (rows("3,oops,a"), ["--target", "label"], "(on the command line --set data.categorical=[v])"),
        (rows("3,inf,a"), ["--target", "label"], "line 42: column 'v' is infinite"),
        (rows("3,1e300,a"), ["--target", "label"], "line 42: column 'v' holds 1e+300, which is too large for float32"),
        (rows("3,-1e39,a"), ["--target", "v"], "line 42: column 'v' holds -1e+39, which is too large for float32"),
        (rows("3,4"), ["--target", "label"], "line 42"),
        ("", ["--target", "label"], "rows.csv is empty"),
        ("u,v,label\n", ["--target", "label"], "has a header (u, v, label) and no rows below it"),
        ("u,v,label\n", ["--target", "label"], "header=False (on the command line --set data.header=false)"),
        (rows(count=1), ["--target", "label"], "rows"),
        (rows().replace(",b", ",a"), ["--target", "label"], "one class only (a)"),
        (rows(), ["--target", "label", "--set", "data.task=regression"], "label"),
        (rows(), ["--target", "label", "--set", "data.test_file=absent.csv"], "there is no file absent.csv"),
        (rows(), ["--target", "label", "--set", "data.test_fraction=2"], "leave nothing to train on"),
        (rows(), ["--target", "label", "--set", "data.drop=[w]"], "has no column 'w'"),
    ],
    ids=lambda value: str(value)[-30:].strip(),
)
def test_wrong_tables(mistake, work, text, options, message):
    (work / "rows.csv").write_text(text)
    mistake("mlp", "--data", "rows.csv", *options, messages=[message])


X, Y = np.arange(120, dtype=np.float32).reshape(30, 4) % 11, np.arange(30) % 3
NAN = np.where(np.arange(120).reshape(30, 4) == 5, np.nan, 1.0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": NAN, "y": Y}, "is NaN in row 2"),
        ({"x": X, "y": Y[:7]}, "x has 30 rows and y has 7"),
        ({"a": X}, "x and y, or x_train and y_train"),
        ({"x": X.astype(str), "y": Y}, "it has to hold numbers"),
        ({"x_train": NAN, "y_train": Y, "x_test": X, "y_test": Y}, "(train)"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :3], "y_test": Y}, "3"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 5}, "is none of the 3 classes"),
        ({"x": X[:0], "y": Y[:0]}, "is empty"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_wrong_arrays(mistake, work, arrays, message):
    np.savez(work / "rows.npz", **arrays)
    mistake("mlp", "--data", "rows.npz", messages=[message])


def test_missing_and_broken_files(mistake, work):
    mistake("mlp", "--data", "absent.csv", "--target", "y", messages=["there is no file", "absent.csv"])
    mistake("mlp", "--data", "./", "--target", "y", messages=["is a folder"])
    (work / "broken.npz").write_bytes(b"PK\x03\x04 no more")
    mistake("mlp", "--data", "broken.npz", messages=["broken.npz can't be read as an NPZ file"])
    (work / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe" * 20)
    mistake("mlp", "--data", "picture.csv", "--target", "1", messages=["picture.csv"])


def test_numbers_that_stop_being_finite(invoke, houses):
    """Work that failed: exit code 1, and the run's folder holds what was there before."""
    options = ["--optimizer", "sgd", "--set", "optimizer.lr=1e30", "--out", "run"]
    result = invoke("train", "linear", "--data", houses, "--target", "price", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "training stopped at step" in result.stderr
    assert "smaller learning rate" in result.stderr
    assert "Traceback" not in result.stderr
    weights = RunFolder.open("run").load_weights()[0]
    assert all(np.isfinite(value).all() for value in weights.values())


def test_a_batch_larger_than_the_data_is_no_mistake(train, work):
    train("--data", "iris", "--epochs", "1", "--batch-size", "100000")


# --- run folders -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(train, work):
    """A run on iris, in the folder `run`."""
    train("--data", "iris", "--epochs", "1", "--out", "run")
    return work / "run"


def test_a_folder_that_is_used(invoke, run, work):
    refused(invoke("train", *IRIS, "--out", "run"), "holds a run already; continue it with --resume")
    (work / "thesis").mkdir()
    (work / "thesis" / "thesis.tex").write_text("")
    refused(invoke("train", *IRIS, "--out", "thesis"), "isn't empty and holds no run (there is 'thesis.tex')")
    refused(invoke("train", *IRIS, "--out", "thesis/thesis.tex"), "thesis.tex")


def test_two_runs_at_once(invoke, run):
    with RunFolder.resume(run):
        refused(invoke("train", "--resume", "run", "--epochs", "2"), "is in use by another run (process")


COMMANDS = [
    ["train", "--resume", "run", "--epochs", "2"],
    ["evaluate", "run"],
    ["predict", "run", "rows.csv"],
    ["plot", "run"],
]


@pytest.mark.parametrize("command", [*COMMANDS, ["inspect", "./run"]], ids=lambda command: command[0])
def test_what_is_no_run(invoke, work, command):
    (work / "rows.csv").write_text("1,2,3,4\n")
    refused(invoke(*command), "there is no run folder")
    (work / "run").mkdir()
    refused(invoke(*command), "run is no run folder: it has no config.toml")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("weights.safetensors", ["evaluate", "run"]),
        ("weights.safetensors", ["predict", "run", "rows.csv"]),
        ("weights.safetensors", ["train", "--resume", "run", "--epochs", "2"]),
        ("state.safetensors", ["train", "--resume", "run", "--epochs", "2"]),
        ("preprocessing.safetensors", ["evaluate", "run"]),
        ("preprocessing.safetensors", ["inspect", "run"]),
        ("best.safetensors", ["evaluate", "run", "--best"]),
        ("config.toml", ["evaluate", "run"]),
        ("config.toml", ["train", "--resume", "run", "--epochs", "2"]),
        ("metrics.csv", ["plot", "run", "--only", "curves"]),
    ],
    ids=str,
)
def test_files_that_are_cut_off(invoke, run, work, name, command):
    (work / "rows.csv").write_text("1,2,3,4\n")
    content = (run / name).read_bytes()
    cut = content[: len(content) // 2] if name != "metrics.csv" else content + b"what,is,this,now,?\n"
    (run / name).write_bytes(cut)
    refused(invoke(*command), name)


def test_a_model_that_is_no_longer_installed(invoke, run):
    text = (run / "config.toml").read_text()
    (run / "config.toml").write_text(text.replace('"mlp"', '"deep_net"'))
    refused(invoke("evaluate", "run"), "config.toml: there is no model 'deep_net'")
    (run / "config.toml").write_text(text.replace("8,", "9,"))
    refused(invoke("evaluate", "run"), "don't fit the network of its config.toml")


# --- rows for a trained network --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,5,6\n", "has 3 columns; the training data had 5 with the target and 4 without"),
        ("sepal length (cm),petal length (cm)\n1,2\n", "has no column 'sepal width (cm)', which the training data had"),
        ("1,2,x,4\n1,2,3,4\n1,2,3,4\n1,2,3,4\n1,2,3,4\n1,2,3,4\n", "column 'petal length (cm)' holds numbers"),
        ("", "is empty"),
    ],
    ids=lambda value: value[:15],
)
def test_rows_that_do_not_fit(invoke, run, work, text, message):
    (work / "rows.csv").write_text(text)
    refused(invoke("predict", "run", "rows.csv"), message)


def test_arrays_that_do_not_fit(invoke, run, work):
    np.save(work / "wide.npy", np.zeros((3, 7)))
    refused(invoke("predict", "run", "wide.npy"), "7")
    np.save(work / "objects.npy", np.array([{}], object), allow_pickle=True)
    refused(invoke("predict", "run", "objects.npy"), "can't be read as an NPY file")
    np.save(work / "infinite.npy", np.full((3, 4), np.inf))
    refused(invoke("predict", "run", "infinite.npy"), "is infinite")
    refused(invoke("predict", "run", "absent.npy"), "there is no file absent.npy")


def test_evaluating_on_other_data(invoke, run, work):
    (work / "rows.csv").write_text("1,2,3,4\n5,6,7,8\n")
    refused(invoke("evaluate", "run", "--data", "rows.csv"), "has no target (species) to compare with")
    (work / "rows.csv").write_text("1,2,3,4,setosa\n5,6,7,8,tulip\n")
    refused(invoke("evaluate", "run", "--data", "rows.csv"), "label 'tulip' is none of the 3 classes")
    refused(
        invoke("evaluate", "run", "--data", "wine"),
        "rows of shape (13,); the network was trained on rows of shape (4,)",
    )
    refused(invoke("evaluate", "run", "--data", "digits"), "classification with 10 outputs")
    refused(invoke("evaluate", "run", "--data", "diabetes"), "is a regression")


def test_data_that_moved(invoke, train, houses, work):
    train("--data", houses, "--target", "price", "--epochs", "1", "--out", "run")
    os.rename(houses, "moved.csv")
    refused(invoke("evaluate", "run"), "there is no file", "houses.csv")
    refused(invoke("train", "--resume", "run", "--epochs", "2"), "there is no file")


def test_inspecting_and_drawing_what_cannot_be(invoke, run):
    refused(invoke("inspect", "mpl"), "there is no model 'mpl'; did you mean 'mlp'?", "there is no folder mpl")
    for shape in ("a,b", "3,x", "3,,4", "", "3,0"):
        refused(invoke("inspect", "mlp", "--input-shape", shape), "--input-shape takes the sizes of one row")
    for size in (0, -5):
        refused(invoke("inspect", "run", "--batch-size", size), f"--batch-size must be at least 1, not {size}")
    refused(invoke("inspect", "mlp", "--outputs", "1"), "at least 2, not 1")
    refused(invoke("inspect", "mlp", "--data", "iris", "--outputs", "3"), "the data say both")
    refused(invoke("inspect", "mlp", "--program", "trainig"), "--program is training, evaluation or prediction")
    refused(invoke("inspect", "run", "--data", "iris"), "run is a run, whose data and options are known")
    refused(invoke("plot", "run", "--out", "curves.bmp"), "--out curves.bmp needs one of the endings .png, .svg, .pdf")
    refused(invoke("plot", "run", "--out", "absent/curves.png"), "there is no folder")
    (run / "metrics.csv").unlink()
    refused(invoke("plot", "run", "--only", "curves"), "has finished no epoch yet")


# --- the disk --------------------------------------------------------------------------------------------------------

LIMITED = """
import resource, sys
from nbdl_cli.main import main
sys.argv[1:] = {arguments!r}
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_disk_that_fills_up(work, train, monkeypatch):
    """The state doesn't fit any more: exit code 1, and the checkpoint from before is whole."""
    train("--data", "iris", "--epochs", "1", "--out", "run")
    before = RunFolder.open("run").load_checkpoint()
    largest = (work / "run" / "state.safetensors").stat().st_size
    arguments = ["train", "--resume", "run", "--epochs", "2"]
    program = LIMITED.format(arguments=arguments, size=largest // 2)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    after = RunFolder.open("run").load_checkpoint()
    assert after.meta == before.meta
    assert all(np.array_equal(after.weights[name], value) for name, value in before.weights.items())


@pytest.fixture
def small_disk(work):
    """A disk of 64 KiB, which only root can make."""
    (work / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(work / "disk")]
    if os.name == "nt" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a disk")
    yield work / "disk"
    subprocess.run(["umount", str(work / "disk")], check=True)


def test_a_full_disk(small_disk, invoke):
    result = invoke("train", *IRIS, "--epochs", "1", "--out", small_disk / "run", "--set", "model.hidden=[256]")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the disk is full" in result.stderr
    assert "Free some space" in result.stderr
    assert not list((small_disk / "run").glob("*.part"))


def test_a_folder_that_cannot_be_written(invoke, train, houses, work):
    (work / "file").write_text("")
    refused(invoke("train", *IRIS, "--epochs", "1", "--out", "file/run"), "file/run can't be")
    train("--data", houses, "--target", "price", "--epochs", "1", "--out", "run")
    write_houses(work / "new.csv", rows=3)
    refused(invoke("predict", "run", "new.csv", "--out", "absent/answer.csv"), "absent/answer.csv can't be written")
    refused(invoke("predict", "run", "new.csv", "--out", "run"), "--out run is a folder; name a file")
