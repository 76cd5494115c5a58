"""Each kind of data with each kind of model: train, evaluate, predict."""

import csv
import io
import json

import numpy as np
import pytest
from nbdl_cli.network import open_run

from nbdl.plugins import isolated_plugins
from nbdl.train import RunFolder
from tests.cli.kinds import Models, write_sequences, write_series, write_text
from tests.cli.test_mistakes import refused
from tests.data.test_images import write_images

PAIRS = "\n".join(f"{left}{right}\txy" for left in "abcdef" for right in "abcdef") + "\n"
RUNS = {
    "verses": ["chars", "--data", "text", "--set", "data.path=verses.txt", "--set", "data.window=8", "--epochs", "4",
               "--set", "optimizer.lr=0.1"],
    "names": ["chars", "--data", "names", "--set", "data.path=verses.txt", "--epochs", "1"],
    "tones": ["pool", "--data", "tones_TRAIN.ts", "--epochs", "20", "--set", "optimizer.lr=0.05"],
    "tones-mlp": ["mlp", "--set", "model.hidden=[4]", "--data", "tones_TRAIN.ts", "--epochs", "1"],
    "power": ["linear", "--data", "series", "--set", "data.path=power.csv", "--set", "data.window=6", "--epochs", "60",
              "--set", "optimizer.lr=0.05"],
    "forecast": ["gru", "--data", "series", "--set", "data.path=power.csv", "--set", "data.window=6", "--set",
                 "model.hidden=4", "--set", "optimizer.lr=0.0", "--epochs", "1"],
    "squeeze": ["squeeze", "--data", "wine", "--epochs", "2"],
    "mean": ["mean", "--data", "wine", "--epochs", "2"],
    "pairs": ["parrot", "--data", "pairs", "--set", "data.path=pairs.tsv", "--set", "data.unit=characters"],
    "pets": ["logistic", "--data", "images", "--set", "data.folder=pets", "--set", "data.size=[4,4]", "--epochs", "1"],
}


@pytest.fixture(scope="module", autouse=True)
def models():
    with isolated_plugins(Models(), installed=True):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files, and one with the runs that have been made."""
    folder = tmp_path_factory.mktemp("kinds")
    write_text(folder / "verses.txt")
    write_sequences(folder / "tones_TRAIN.ts")
    write_sequences(folder / "tones_TEST.ts", rows=20, lengths=(2, 11), seed=1)
    write_series(folder / "power.csv")
    write_images(folder / "pets", count=10)
    (folder / "pairs.tsv").write_text(PAIRS)
    return folder


@pytest.fixture
def at(folder, monkeypatch):
    """Work in the folder with the files."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NBDL_DATA", raising=False)
    return folder


@pytest.fixture
def run(at, done):
    """Return a function that gives the name of a run, trained when it is first asked for."""
    def make(name):
        if not (at / f"run-{name}").exists():
            done("train", *RUNS[name], "--workers", "1", "--out", f"run-{name}")
        return f"run-{name}"

    return make


def report(name):
    return json.loads(open(f"run-{name}/report.json").read())


def table(result):
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.mark.parametrize("name", RUNS)
def test_training_evaluating_and_predicting_agree(name, run, done):
    """What evaluate says is what training reported; a run without a loss says so."""
    run(name)
    if name == "mean":
        return
    result = json.loads(done("evaluate", f"run-{name}", "--json").stdout)
    if "test" in report(name):
        for metric, value in report(name)["test"].items():
            assert result[metric] == value
    else:
        best = report(name)["best"] or report(name)["training"]
        assert result["loss"] == pytest.approx(best["val_loss"], rel=1e-6)
        assert result["part"] == "validation"


def test_a_text(run, done, at):
    config = RunFolder.open(run("verses")).config()
    assert config["data"]["path"] == str(at / "verses.txt")
    assert (config["loss"]["name"], config["metrics"]) == ("sparse_categorical_crossentropy", ["accuracy"])
    assert report("verses")["training"]["loss"] < 1.2  # four letters and a line break would have 1.6
    (at / "new.txt").write_text("banana\nnunaba\n")
    (row,) = table(done("predict", "run-verses", "new.txt"))
    assert row["input"] == "banana\nn"
    assert row["prediction"][0] == "a"  # after b always, after n it may be u
    assert set(row["prediction"][2:5:2]) <= set("au")
    assert set(row["prediction"]) <= set("abnu\n")
    json_rows = json.loads(done("predict", "run-verses", "new.txt", "--json").stdout)
    assert json_rows == [row]
    measured = json.loads(done("evaluate", "run-verses", "--data", "new.txt", "--json").stdout)
    assert measured["rows"] == 1


def test_an_epoch_may_have_as_many_rows_as_one_likes(at, done):
    done("train", *RUNS["verses"][:-4], "--epochs", "2", "--set", "train.epoch_rows=40", "--batch-size", "10",
         "--workers", "1", "--out", "run-short")
    state = RunFolder.open("run-short").load_checkpoint()
    assert state.meta["rows"] == 40
    assert RunFolder.open("run-short").config()["train"]["epoch_rows"] == 40
    done("train", "--resume", "run-short", "--epochs", "3")
    done("train", *RUNS["verses"][:-4], "--epochs", "3", "--set", "train.epoch_rows=40", "--batch-size", "10",
         "--workers", "1", "--out", "run-long")
    one, two = (RunFolder.open(name).load_weights()[0] for name in ("run-short", "run-long"))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_names(run, done, at):
    run("names")
    (at / "new.txt").write_text("bana\nnu\n")
    rows = table(done("predict", "run-names", "new.txt"))
    assert [row["input"] for row in rows] == ["bana", "nu"]


def test_sequences_of_different_lengths(run, done, at):
    run("tones")
    assert report("tones")["test"]["accuracy"] > 0.9
    rows = table(done("predict", "run-tones", "tones_TEST.ts"))
    right = [row["prediction"] == ("first", "second")[number % 2] for number, row in enumerate(rows)]
    assert np.mean(right) == pytest.approx(report("tones")["test"]["accuracy"])
    assert float(rows[0]["probability first"]) + float(rows[0]["probability second"]) == pytest.approx(1, abs=1e-6)
    assert json.loads(done("evaluate", "run-tones", "--data", "tones_TEST.ts", "--json").stdout)["rows"] == 20


def test_a_model_without_lengths_sees_the_padding(run):
    assert RunFolder.open(run("tones-mlp")).load_weights()[0]["layers.1.weight"].shape == (11 * 2, 4)


def test_forecasts_in_units_beside_persistence(run, done, at):
    run("power")
    test = report("power")["test"]
    wave = write_series(at / "power.csv")
    naive = np.sqrt(np.mean((wave[96:] - wave[95:-1]) ** 2))
    assert test["persistence_rmse"] == pytest.approx(naive, rel=1e-5)
    assert test["below_persistence"] == pytest.approx(1 - test["rmse"] / naive, rel=1e-5)
    assert test["below_persistence"] > 0.5
    text = done("evaluate", "run-power").stdout
    assert f"{test['below_persistence']:.1%} below persistence" in text
    rows = table(done("predict", "run-power", "power.csv"))
    assert list(rows[0]) == ["line", "power +1"]
    assert (rows[0]["line"], rows[-1]["line"]) == ("7", "121")  # the header is line 1
    forecasts = np.array([float(row["power +1"]) for row in rows])
    error = forecasts[-25:-1] - wave[96:]
    assert np.sqrt(np.mean(error**2)) == pytest.approx(test["rmse"], rel=1e-4)


def test_recurrent_networks_are_told_what_is_forecast(run, at):
    """Only what is added to the last value is left to learn."""
    assert open_run(at / run("forecast")).net.series == 0


def test_reconstruction(run, done, at):
    config = RunFolder.open(run("squeeze")).config()
    assert (config["loss"]["name"], config["metrics"]) == ("mse", [])
    assert set(report("squeeze")["test"]) == {"loss", "rows"}
    rows = np.random.default_rng(0).normal(size=(3, 13))
    np.save(at / "rows.npy", rows)
    answer = table(done("predict", "run-squeeze", "rows.npy"))
    assert (len(answer), list(answer[0])) == (3, [f"value {number}" for number in range(1, 14)])


def test_generation(run, done, invoke):
    folder = RunFolder.open(run("mean"))
    assert (folder.config()["loss"], folder.config()["metrics"]) == ({}, [])
    assert set(folder.metrics.rows()[0]) == {"epoch", "distance"}
    assert "test" not in report("mean")
    result = invoke("evaluate", "run-mean")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the model 'mean' has neither a loss nor a test_step" in result.stderr
    done("inspect", "run-mean", "--source")
    done("train", "--resume", "run-mean", "--epochs", "3")


def test_what_a_model_says_about_its_training(run, done, at):
    config = RunFolder.open(run("pairs")).config()
    assert (config["train"]["epochs"], config["train"]["batch_size"]) == (3, 7)
    assert (config["optimizer"]["name"], config["optimizer"]["lr"]) == ("sgd", 0.5)
    assert (config["loss"]["name"], config["metrics"]) == ("sparse_categorical_crossentropy", ["exact_match"])
    changed = ["--epochs", "1", "--set", "optimizer.lr=0.1", "--out", "run-again"]
    done("train", "--config", "run-pairs/config.toml", *changed)
    config = RunFolder.open("run-again").config()
    assert (config["train"]["epochs"], config["train"]["batch_size"], config["optimizer"]["lr"]) == (1, 7, 0.1)


def test_show_tells_what_a_model_is_trained_with(done):
    assert "Trained by default with:\n\nmetrics = [\n    \"exact_match\",\n]" in done("show", "parrot").stdout
    assert "[train]\nepochs = 3\nbatch_size = 7\n" in done("show", "parrot").stdout
    assert json.loads(done("show", "parrot", "--json").stdout)[0]["training"]["optimizer"] == {"name": "sgd", "lr": 0.5}
    assert "Trained by default" not in done("show", "chars").stdout


def test_pairs_are_decoded_by_the_network_itself(run, done, at):
    run("pairs")
    (at / "sources.txt").write_text("ab\nfe\n")
    assert table(done("predict", "run-pairs", "sources.txt")) == [
        {"input": "ab", "prediction": "xy"}, {"input": "fe", "prediction": "xy"}]


def test_images(run, done):
    run("pets")
    rows = table(done("predict", "run-pets", "pets/cat"))
    assert len(rows) == 10
    assert len(table(done("predict", "run-pets", "pets/dog/0.png"))) == 1
    assert json.loads(done("evaluate", "run-pets", "--data", "./pets", "--json").stdout)["rows"] == 20


def test_inspecting_a_model_with_its_data(at, done):
    text = done("inspect", *RUNS["verses"][:3], "--set", "data.path=verses.txt").stdout
    assert "embedding" in text


# --- mistakes: one sentence each -------------------------------------------------------------------------------------

TEXT = ["chars", "--data", "text", "--set", "data.path=wrong"]
SERIES = ["linear", "--data", "series", "--set", "data.path=wrong"]
IMAGES = ["logistic", "--data", "images", "--set", "data.folder=wrong"]
GOOD_SERIES = "a,b\n" + "".join(f"{number},{number % 3}\n" for number in range(40))


@pytest.mark.parametrize(("content", "arguments", "message"), [
    ("", TEXT, "wrong is empty; there is no text in it"),
    ("too short", TEXT, "wrong (the part for training) has 8 characters; a window takes 64 and the one after them"),
    ("text", [*TEXT, "--set", "data.unit=letters"], "takes one of 'characters', 'words', not letters"),
    (GOOD_SERIES, [*SERIES, "--target", "a", "--set", "data.window=40"], "has 40 rows; a window takes 40, and"),
    (GOOD_SERIES, [*SERIES, "--target", "c"], "wrong has no column 'c'; there is a, b"),
    (GOOD_SERIES, SERIES, "Say target=NAME (on the command line --target NAME); it has a, b"),
    ("one\ttwo\nthree\n", ["chars", "--data", "pairs", "--set", "data.path=wrong"], "line 2 has no tab: 'three'"),
    ("", ["chars", "--data", "names", "--set", "data.path=wrong"], "wrong is empty"),
    ("xy" * 900, ["mlp", *TEXT[1:]], "the model 'mlp' takes numbers, and wrong has tokens, such as those of a text"),
    (None, ["chars", "--data", "iris"], "the model 'chars' takes tokens, such as those of a text; iris has numbers"),
    (None, ["squeeze", "--data", "text", "--set", "data.path=verses.txt"], "takes numbers, and verses has tokens"),
    (None, TEXT, "there is no file wrong"),
    (None, ["chars", "--data", "text"], "data set 'text' needs the option 'path'"),
    (None, IMAGES, "there is no folder wrong"),
    (None, ["chars", "--data", "tiny_shakespeare"], "there is no file input.txt in"),
    (None, [*RUNS["verses"], "--set", "train.epoch_rows=0"], "epoch_rows must be at least 1, not 0"),
], ids=lambda value: str(value)[-40:] if not isinstance(value, list) else "")
def test_wrong_data(at, invoke, content, arguments, message):
    (at / "wrong").unlink(missing_ok=True)
    if content is not None:
        (at / "wrong").write_text(content)
    refused(invoke("train", *arguments), message)


def test_wrong_folders_of_images(at, invoke):
    (at / "empty").mkdir()
    arguments = ["train", "logistic", "--data", "images", "--set"]
    refused(invoke(*arguments, "data.folder=empty"), "empty has no folders in it; each class needs a folder")
    (at / "empty" / "class").mkdir()
    refused(invoke(*arguments, "data.folder=empty"), "empty/class has no images in it")
    write_images(at / "mixed", size=(6, 4))
    write_images(at / "mixed" / "cat", names=("inside",))
    write_images(at / "larger", names=("cat",), size=(7, 4))
    (at / "larger" / "cat" / "0.png").rename(at / "mixed" / "dog" / "9.png")
    refused(invoke(*arguments, "data.folder=mixed"), "mixed/dog/9.png has 7×4 pixels, others 6×4")
    (at / "mixed" / "dog" / "9.png").write_bytes(b"\x89PNG\r\n")
    refused(invoke(*arguments, "data.folder=mixed"), "mixed/dog/9.png can't be read as an image")


def test_a_ts_file_that_is_cut_off(at, invoke):
    text = (at / "tones_TRAIN.ts").read_text()
    (at / "cut.ts").write_text(text[: text.rindex(":")])
    refused(invoke("train", "pool", "--data", "cut.ts"), "cut.ts, line 43: the label", "the line may be cut off")
    (at / "cut.ts").write_text(text[:30])
    refused(invoke("train", "pool", "--data", "cut.ts"), "cut.ts has no line @data")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("verses", "banana banana", "new.txt: the character ' ' (number 7) isn't in the vocabulary, which has '\\nabnu'"),
    ("verses", "bana", "new.txt has 4 characters; a window takes 8 and the one after them"),
    ("names", "ba" * 30, "new.txt, line 1 has 60 characters; the network takes at most 12"),
    ("power", "hour,power\n1,2\n3,4\n", "new.txt has 2 rows; a window takes 6"),
    ("power", "hour,strength\n" + "1,2\n" * 9, "new.txt has no column 'power'; there is hour, strength"),
    ("pairs", "ab\nxyz\n", "new.txt, line 2: the character 'x' (number 1) isn't in the vocabulary"),
    ("tones", "@classLabel false\n@data\n1,2:3\n", "new.txt, line 3: its channels have 1 to 2 values"),
    ("tones", "@classLabel false\n@data\n1,2\n", "new.txt has sequences of 1 channels; the training data had 2"),
], ids=lambda value: str(value)[:20])
def test_new_rows_that_do_not_fit(run, at, invoke, name, content, message):
    run(name)
    (at / "new.txt").write_text(content)
    refused(invoke("predict", f"run-{name}", "new.txt"), message)


def test_a_picture_that_is_none(run, at, invoke):
    run("pets")
    (at / "new.png").write_text("no picture")
    refused(invoke("predict", "run-pets", "new.png"), "new.png can't be read as an image")
    refused(invoke("evaluate", "run-pets", "--data", "./pets/cat"), "has no target (label) to compare with")
