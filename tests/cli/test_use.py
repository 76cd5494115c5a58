"""What is done with a trained network: evaluate, predict, inspect."""

import csv
import io
import json

import numpy as np
import pytest

import nbdl
from nbdl.train import RunFolder
from tests.cli.conftest import write_houses


def table(text):
    """Read the CSV text of predictions: the header, and the rows as dicts."""
    return list(csv.DictReader(io.StringIO(text)))


# --- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate(done, runs):
    result = json.loads(done("evaluate", runs / "iris", "--json").stdout)
    assert (result["part"], result["rows"], result["weights"]) == ("test", 30, "last")
    assert set(result) == {"loss", "accuracy", "part", "rows", "data_changed", "weights", "run"}
    text = done("evaluate", runs / "iris").stdout
    assert text == f"On 30 rows (test): loss {result['loss']:.4g}, accuracy {result['accuracy']:.4g}.\n"


def test_evaluate_measures_what_training_reported(train, done, work):
    reported = json.loads(train("--data", "iris", "--epochs", "2", "--out", "run", "--json").stdout)["test"]
    result = json.loads(done("evaluate", "run", "--json").stdout)
    assert (result["loss"], result["accuracy"]) == (reported["loss"], reported["accuracy"])


def test_evaluate_in_the_units_of_the_file(done, runs, work):
    """The error is that of the predictions in the file's units, worked out by hand."""
    prices = write_houses(work / "new.csv", rows=40, seed=5)
    result = json.loads(done("evaluate", runs / "houses", "--data", "new.csv", "--json").stdout)
    predicted = np.array([float(row["price"]) for row in table(done("predict", runs / "houses", "new.csv").stdout)])
    assert result["rows"] == 40
    # Prices in float32 have seven digits; sums of 40 of them in another order lose one more.
    assert result["mae"] == pytest.approx(np.mean(np.abs(predicted - prices)), rel=1e-5)
    spread = np.sum((prices - prices.mean()) ** 2)
    assert result["r2"] == pytest.approx(1 - np.sum((predicted - prices) ** 2) / spread, rel=1e-4)


def test_evaluate_best_weights(done, runs):
    assert json.loads(done("evaluate", runs / "iris", "--best", "--json").stdout)["weights"] == "best"


def test_evaluate_validation_rows_where_there_are_no_test_rows(train, done, work):
    train("--data", "iris", "--epochs", "1", "--out", "run", "--set", "data.test_fraction=0")
    result = json.loads(done("evaluate", "run", "--json").stdout)
    last = RunFolder.open("run").metrics.rows()[-1]
    assert (result["part"], result["rows"]) == ("validation", 15)
    assert result["loss"] == pytest.approx(last["val_loss"], rel=1e-6)


def test_evaluate_another_data_set(done, runs):
    result = json.loads(done("evaluate", runs / "iris", "--data", "iris", "--json").stdout)
    assert result["part"] == "test rows of iris"


def test_data_that_have_changed_since_training_are_told_of(train, done, houses, work):
    """What counts as test rows now may have been trained on."""
    train("--data", houses, "--target", "price", "--epochs", "1", "--out", "run")
    same = done("evaluate", "run", "--json")
    assert (json.loads(same.stdout)["data_changed"], same.stderr) == (False, "")
    lines = (work / houses).read_text().splitlines()
    (work / houses).write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    for command in (["evaluate", "run"], ["plot", "run", "--only", "predictions"]):
        result = done(*command, "--json")
        assert json.loads(result.stdout)["data_changed"] is True
        assert result.stderr.count("have changed since it was trained") == 1
    assert done("evaluate", "run", "--data", houses).stderr == ""
    assert json.loads(done("plot", "run", "--only", "curves", "--json").stdout)["data_changed"] is False


# --- predict ---------------------------------------------------------------------------------------------------------

FLOWERS = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n"


def test_predict_classes(done, runs, work):
    (work / "flowers.csv").write_text(FLOWERS)
    rows = table(done("predict", runs / "iris", "flowers.csv").stdout)
    assert len(rows) == 2
    for row in rows:
        shares = {name.removeprefix("probability "): float(value) for name, value in row.items() if " " in name}
        assert set(shares) == {"setosa", "versicolor", "virginica"}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
        assert row["prediction"] == max(shares, key=shares.__getitem__)


def test_predict_json_and_file_say_the_same(done, runs, work):
    (work / "flowers.csv").write_text(FLOWERS)
    rows = table(done("predict", runs / "iris", "flowers.csv").stdout)
    data = json.loads(done("predict", runs / "iris", "flowers.csv", "--json").stdout)
    assert [{name: str(value) for name, value in row.items()} for row in data] == rows
    result = done("predict", runs / "iris", "flowers.csv", "--out", "answer.csv")
    assert (result.stdout, table((work / "answer.csv").read_text())) == ("", rows)
    assert "Wrote 2 predictions to answer.csv" in result.stderr


def test_predict_agrees_with_evaluate(done, runs, work):
    """On arrays as well as on the data set's own rows."""
    from nbdl.data import load

    test = load("digits").test
    np.save("images.npy", test.x.reshape(-1, 64) * 16)
    np.savez("images.npz", x=test.x * 16)
    rows = table(done("predict", runs / "digits", "images.npy").stdout)
    right = np.mean([int(row["prediction"]) == label for row, label in zip(rows, test.y, strict=True)])
    assert right == pytest.approx(json.loads(done("evaluate", runs / "digits", "--json").stdout)["accuracy"])
    assert table(done("predict", runs / "digits", "images.npz").stdout) == rows


def test_predict_ignores_the_target(done, runs, work):
    """A file that has the target, even with labels that are missing or new, is as good as one without."""
    (work / "with.csv").write_text("area,town,price\n100,Ulm,?\n,Bonn,1\n")
    (work / "without.csv").write_text("town,area\nUlm,100\nBonn,\n")
    first, second = (done("predict", runs / "houses", name).stdout for name in ("with.csv", "without.csv"))
    assert first == second
    assert len(table(first)) == 2


def test_predict_of_a_model_that_ends_in_probabilities(done, work):
    done("train", "logistic", "--data", "iris", "--epochs", "20", "--set", "optimizer.lr=0.1", "--out", "run")
    (work / "flowers.csv").write_text(FLOWERS)
    for row in table(done("predict", "run", "flowers.csv").stdout):
        shares = [float(value) for name, value in row.items() if name != "prediction"]
        assert sum(shares) == pytest.approx(1, abs=1e-6)
        assert max(shares) > 0.7  # a softmax of a softmax never gives more than 0.58


def test_predict_scores_of_a_loss_that_knows_no_probabilities(train, done, work):
    train("--data", "iris", "--epochs", "1", "--out", "run", "--loss", "hinge")
    (work / "flowers.csv").write_text(FLOWERS)
    assert "score setosa" in table(done("predict", "run", "flowers.csv").stdout)[0]


# --- inspect ---------------------------------------------------------------------------------------------------------


def test_inspect_shows_the_layers(done, runs):
    text = done("inspect", runs / "iris").stdout
    assert "dense_1" in text
    assert "67 parameters are trained" in text  # 4 * 8 + 8 + 8 * 3 + 3
    assert text == done("inspect", "mlp", "--data", "iris", "--set", "model.hidden=[8]").stdout


def test_inspect_graph(done, runs):
    text = done("inspect", runs / "iris", "--graph").stdout
    order = [
        "inputs",
        "sequential.dense_1",
        "loss",
        "backward of sequential.dense_1",
        "update by Adam",
        "results",
    ]
    places = [text.index(f"\n{title}\n" if title != "inputs" else "inputs\n") for title in order]
    assert places == sorted(places)
    assert "float32 (n, 8)" in text


def test_inspect_memory(done, runs):
    text = done("inspect", runs / "iris", "--memory").stdout
    assert "parameters, optimizer, totals" in text
    assert "first_moment" in text
    small, large = (done("inspect", runs / "iris", "--memory", "--batch-size", n).stdout.split()[-1] for n in (16, 160))
    assert int(large.replace(",", "")) > int(small.replace(",", ""))


@pytest.mark.parametrize("program", ["training", "evaluation", "prediction"])
def test_inspect_source(done, runs, program):
    text = done("inspect", runs / "iris", "--source", "--program", program).stdout
    compile(text, "source", "exec")
    assert "\033" not in text  # plain in a pipe
    if program == "training":
        assert text == (runs / "iris" / "source.py").read_text()


def test_inspect_the_program_for_a_size_of_batches(done):
    """That for large ones goes through their rows in blocks."""
    few, many = (
        done("inspect", "mlp", "--input-shape", "4", "--source", "--batch-size", n).stdout for n in (32, 10**6)
    )
    assert "for block in range(blocks)" in many
    assert "blocks" not in few


def test_inspect_a_model_without_data(done):
    rest = ("--outputs", "3", "--set", "model.hidden=[7]")
    text = done("inspect", "mlp", "--input-shape", "5,5,1", *rest).stdout
    assert f"{25 * 7 + 7 + 7 * 3 + 3} parameters are trained" in text
    for shape in ("5x5x1", "(5, 5, 1)", "5,5,1,"):
        assert text == done("inspect", "mlp", "--input-shape", shape, *rest).stdout


# --- export -----------------------------------------------------------------------------------------------------------


def test_weights_as_an_archive_of_numpy(train, done, work):
    train("--data", "iris", "--epochs", "2", "--out", "run")
    told = json.loads(done("export", "run", "--to", "npz", "--out", "weights", "--json").output)
    assert told == {"run": "run", "to": "npz", "file": "weights", "weights": "last"}
    with np.load(work / "weights") as found:
        kept, _ = RunFolder.open(work / "run").load_weights()
        assert set(found.files) == set(kept)
        assert all(np.array_equal(found[name], kept[name]) for name in kept)


def test_a_network_that_nbdl_loads(train, done, work):
    train("--data", "iris", "--epochs", "2", "--out", "run", "--callback", "best_weights")
    done("export", "run", "--to", "network", "--out", "iris.nbdl", "--best")
    loaded = nbdl.load(work / "iris.nbdl")
    assert loaded.predict(np.ones((2, 4), np.float32)).shape == (2, 3)
    assert loaded.optimizer is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "onyx", "--out", "file"), "there is no exporter 'onyx'; there is network, npz"),
        (("--to", "npz", "--out", "."), "is a folder; name a file"),
        (("--to", "npz", "--out", "missing/file"), "missing"),
        (("--to", "npz", "--out", "file", "--set", "depth"), "write --set OPTION=VALUE"),
        (("--to", "npz", "--out", "file", "--set", "depth=3"), "depth"),
    ],
)
def test_exports_that_cannot_be(train, invoke, work, arguments, words):
    train("--data", "iris", "--epochs", "1", "--out", "run")
    result = invoke("export", "run", *arguments)
    assert result.exit_code in (1, 2), result.output
    assert words in result.output
    assert not (work / "file").exists()
