"""`nbdl plot`: which pictures are drawn, where they go, and what is said when one can't be drawn."""

import json
import struct
from pathlib import Path

import pytest
from nbdl_cli.figures import DPI, HEIGHT, WIDTH
from nbdl_cli.pictures import table

from nbdl.errors import DataError
from nbdl.train import RunFolder
from tests.cli.pictures import PICTURES, names_in
from tests.cli.test_mistakes import refused


def size_of(png):
    """Return width and height of a PNG file in pixels, from its header."""
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("run", PICTURES)
def test_all_that_apply_are_drawn(done, runs, run):
    paths = done("plot", runs / run).stdout.split()
    assert names_in(paths) == ["curves", *PICTURES[run]]
    for name in names_in(paths):
        width, height = size_of((runs / run / "plots" / f"{name}.png").read_bytes())
        assert width <= WIDTH * DPI
        assert height <= HEIGHT * DPI


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_comes_out_the_same_each_time(done, runs, work, ending):
    for number in (1, 2):
        done("plot", runs / "iris", "--only", "confusion", "--out", f"{number}.{ending}")
    assert (work / f"1.{ending}").read_bytes() == (work / f"2.{ending}").read_bytes()


def test_what_a_user_has_set_up_does_not_count(done, runs, work):
    import matplotlib

    done("plot", runs / "iris", "--only", "confusion", "--out", "1.png")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        done("plot", runs / "iris", "--only", "confusion", "--out", "2.png")
        assert matplotlib.rcParams["font.size"] == 20  # and is left as it is
    assert (work / "1.png").read_bytes() == (work / "2.png").read_bytes()


# --- what is asked for -----------------------------------------------------------------------------------------------


def test_single_pictures(done, runs, work):
    result = done("plot", runs / "digits", "--only", "filters", "--only", "confusion")
    assert names_in(result.stdout.split()) == ["filters", "confusion"]
    assert done("plot", runs / "digits", "--only", "filters", "--out", "f.svg").stdout == "f.svg\n"
    assert "<svg" in (work / "f.svg").read_text()
    assert done("plot", runs / "digits", "--out", "curves.pdf").stdout == "curves.pdf\n"
    assert (work / "curves.pdf").read_bytes().startswith(b"%PDF")


def test_pictures_that_are_not_there(invoke, runs, work):
    refused(invoke("plot"), "which run? Give its folder", "--list")
    refused(invoke("plot", runs / "iris", "--only", "confussion"), "there is no picture 'confussion'; did you mean")
    refused(invoke("plot", runs / "iris", "--only", "filters"), "the picture 'filters' needs images", "--list")
    refused(invoke("plot", runs / "houses", "--only", "confusion"), "needs a network that tells classes apart")
    two = ("--only", "curves", "--only", "confusion", "--out", "one.png")
    refused(invoke("plot", runs / "iris", *two), "--out one.png is one file, for one picture")
    several = (runs / "iris", runs / "digits", "--only", "confusion")
    refused(invoke("plot", *several), "several runs are compared by their learning curves")


def test_several_runs(done, runs, work):
    assert done("plot", runs / "iris", runs / "digits", "--out", "both.svg").stdout == "both.svg\n"
    assert "<svg" in (work / "both.svg").read_text()
    path = done("plot", runs / "iris", runs / "digits").stdout.strip()
    assert path.endswith("iris/plots/comparison.png")


def test_list(done, runs):
    everything = done("plot", "--list").stdout.splitlines()
    assert [line.split()[0] for line in everything] == ["picture", *(picture.name for picture in table.PICTURES)]
    answers = {line.split()[0]: line for line in done("plot", runs / "iris", "--list").stdout.splitlines()}
    assert "yes" in answers["confusion"]
    assert "no: it needs images" in answers["filters"]


def test_json(done, runs):
    listed = json.loads(done("plot", runs / "ice", "--list", "--json").stdout)
    applying = [each["name"] for each in listed if each["applies"][str(runs / "ice")]]
    assert applying == ["curves", *PICTURES["ice"]]
    drawn = json.loads(done("plot", runs / "ice", "--json").stdout)
    assert (list(drawn["drawn"]), drawn["failed"]) == (applying, {})
    assert json.loads(done("plot", runs / "ice", "--only", "curves", "--json").stdout)["failed"] == {}
    both = json.loads(done("plot", runs / "ice", runs / "iris", "--json").stdout)
    assert list(both["drawn"]) == ["comparison"]


def test_training_draws_them_too(train, work):
    text = train("--data", "iris", "--epochs", "1", "--out", "run", "--plot").stdout
    assert [line for line in text.splitlines() if line.startswith("Drawn")] == [
        "Drawn: run/plots/curves.png",
        "Drawn: run/plots/confusion.png",
    ]


def test_the_page_about_pictures_tells_of_each():
    page = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text(encoding="utf-8")
    for picture in table.PICTURES:
        assert f"\n| `{picture.name}` | " in page


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_run_is_drawn_without_its_data(invoke, train, work, houses):
    train("--data", houses, "--target", "price", "--epochs", "1", "--out", "run")
    (work / houses).unlink()
    result = invoke("plot", "run")
    assert (result.exit_code, result.stdout) == (0, "run/plots/curves.png\n")
    assert result.stderr.startswith("No picture of predictions: there is no file")
    refused(invoke("plot", "run", "--only", "predictions"), "there is no file")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("there is nothing to see"), "No picture of confusion: there is nothing to see\n"),
        (ZeroDivisionError("oh"), "No picture of confusion: this is a bug in nbdl or in a plugin: ZeroDivisionError"),
    ],
    ids=["foreseen", "bug"],
)
def test_one_that_fails_does_not_keep_others_from_being_drawn(invoke, runs, monkeypatch, error, words):
    def fail(subject):
        raise error

    broken = [each if each.name != "confusion" else table.Picture("confusion", "", fail) for each in table.PICTURES]
    monkeypatch.setattr(table, "PICTURES", broken)
    (runs / "digits" / "plots" / "filters.png").unlink(missing_ok=True)
    result = invoke("plot", runs / "digits")
    assert (result.exit_code, names_in(result.stdout.split())) == (0, ["curves", "misclassified", "filters"])
    assert result.stderr.startswith(words)
    assert "Traceback" not in result.stderr


def test_a_damaged_run_is_an_error_after_the_others_are_drawn(invoke, train, work):
    train("--data", "iris", "--epochs", "1", "--out", "run")
    (work / "run" / "metrics.csv").write_text("epoch,loss\nwhat\n")
    result = invoke("plot", "run")
    assert (result.exit_code, result.stdout) == (2, "run/plots/confusion.png\n")
    assert "No picture of curves: " in result.stderr
    assert "metrics.csv" in result.stderr
    (work / "run" / "weights.safetensors").write_bytes(b"")
    result = invoke("plot", "run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No picture of the network: " in result.stderr


def test_labels_that_look_like_formulas(done, train, work):
    """Between two dollars matplotlib would read mathematics, and refuse it."""
    rows = "".join(f"{n},{n * n % 7},{'$x^{_$' if n % 2 else '%'}\n" for n in range(40))
    (work / "odd.csv").write_text("a $ b_{ $,c^{,kind $\\frac$\n" + rows)
    train("--data", "odd.csv", "--target", "kind $\\frac$", "--epochs", "1", "--out", "run")
    assert names_in(done("plot", "run").stdout.split()) == ["curves", "confusion", "boundaries"]
    assert RunFolder.open("run").plots.is_dir()
