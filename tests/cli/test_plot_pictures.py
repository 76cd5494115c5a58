"""What pictures show: the numbers in them are those of the run, in the units of the data."""

import csv
import shutil

import numpy as np
import pytest
from nbdl_cli.figures import drawing, mosaic, number_text, percent, some
from nbdl_cli.pictures.subject import Subject
from nbdl_cli.pictures.table import find

from nbdl.errors import DataError, RunError
from nbdl.train import RunFolder


@pytest.fixture
def draw(runs):
    """Return a function that draws a picture of a run and returns the run and the figure."""

    def drawn(run, picture):
        subject = Subject(runs / run)
        with drawing():
            return subject, find(picture).draw(subject)

    return drawn


def points(axes):
    """Return the places of all points and lines that are drawn, `(n, 2)`."""
    return np.concatenate([line.get_xydata() for line in axes.lines])


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def cells(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def test_curves(draw, runs):
    """Epochs from 1, training and validation, labelled axes and a legend."""
    subject, figure = draw("iris", "curves")
    loss, accuracy = figure.axes
    assert (loss.get_xlabel(), accuracy.get_ylabel()) == ("epoch", "accuracy")
    assert loss.get_ylabel() == "loss (sparse categorical crossentropy)"
    rows = subject.folder.metrics.rows()
    for line, name in zip(loss.lines, ("loss", "val_loss"), strict=True):
        assert line.get_xdata().tolist() == [1, 2]
        assert line.get_ydata().tolist() == [row[name] for row in rows]
    assert labels(loss) == ["training", "validation"]


def test_curves_of_a_regression_have_units(draw):
    _, figure = draw("houses", "curves")
    assert "mae of price" in [axes.get_ylabel() for axes in figure.axes]


def test_confusion(draw):
    """Counted by hand; the title says the accuracy that evaluating says."""
    subject, figure = draw("iris", "confusion")
    counts = np.zeros((3, 3), int)
    for true, predicted in zip(subject.rows.y, subject.predicted.argmax(axis=1), strict=True):
        counts[true, predicted] += 1
    axes = figure.axes[0]
    assert [int(text.get_text()) for text in axes.texts] == counts.ravel().tolist()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["setosa", "versicolor", "virginica"]
    assert percent(counts.trace() / counts.sum()) in figure.get_suptitle()


def test_mistakes(draw):
    """Each image is a wrong one, under its true class and over the one predicted, the surest first."""
    subject, figure = draw("digits", "misclassified")
    wrong = np.flatnonzero(subject.decisions != subject.rows.y)
    assert wrong.size
    chances = np.exp(subject.predicted) / np.exp(subject.predicted).sum(axis=1, keepdims=True)
    surest = sorted(wrong, key=lambda row: -chances[row].max())
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert len(drawn) == min(len(wrong), 30)
    for axes, row in zip(drawn, surest, strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), subject.rows.x[row, ..., 0])
        assert axes.get_title() == str(subject.rows.y[row])
        assert axes.get_xlabel() == f"{subject.decisions[row]}, {percent(chances[row].max())}"


def test_no_mistakes(draw, runs):
    subject = Subject(runs / "digits")
    subject.decisions = subject.rows.y
    with pytest.raises(DataError, match="all 359 test rows are right"):
        find("misclassified").draw(subject)


def test_filters(draw):
    """The units of the first layer as images: all 8, each with its weights in their places."""
    subject, figure = draw("digits", "filters")
    weight = dict(subject.net.named_parameters())["layers.1.weight"].numpy()
    assert weight.shape == (64, 8)
    board = np.asarray(figure.axes[0].images[0].get_array())
    tiles = [board[:, 26 * unit : 26 * unit + 24][::3, ::3] for unit in range(8)]  # a pixel is drawn as 3×3
    for unit, tile in enumerate(tiles):
        np.testing.assert_array_equal(tile.ravel(), weight[:, unit])
    assert "all 8 filters of dense_1, 8×8 pixels each" in figure.get_suptitle()


def test_predictions_are_in_the_units_of_the_file(draw, runs):
    _, figure = draw("houses", "predictions")
    (axes,) = figure.axes
    prices = [float(row[2]) for row in cells(runs / "houses.csv")]
    for true in axes.lines[0].get_xdata():
        assert np.min(np.abs(np.array(prices) - true)) <= 1e-6 * true  # float32 has seven digits
    assert axes.get_xlabel() == "true price"
    error = np.sqrt(np.mean((axes.lines[0].get_xdata() - axes.lines[0].get_ydata()) ** 2))
    assert f"RMSE {number_text(error)}" in figure.get_suptitle()


def test_line(draw, runs):
    """All rows of the file, and what the network predicts over them."""
    subject, figure = draw("flats", "line")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("area (m²)", "price (€)")
    assert labels(axes)[:2] == ["training rows", "test rows"]
    rows = np.array(cells(runs / "flats.csv"), float)
    drawn = np.concatenate([line.get_xydata() for line in axes.lines[:2]])
    np.testing.assert_allclose(np.sort(drawn[:, 0]), np.sort(rows[:, 0]), rtol=1e-5)
    np.testing.assert_allclose(np.sort(drawn[:, 1]), np.sort(rows[:, 1]), rtol=1e-5)
    curve = axes.lines[2].get_xydata()
    scale = subject.facts.preprocessing
    x = (curve[:, :1] - scale.numbers[0].mean) / scale.numbers[0].scale
    # float32 through two scalings, in prices of hundreds of thousands.
    np.testing.assert_allclose(curve[:, 1], scale.inverse_target(subject.net.predict(x))[:, 0], rtol=1e-5)


def test_boundaries(draw, runs):
    """At the places of the rows the plane has the colour of the class that is predicted there."""
    from matplotlib.colors import to_rgb
    from nbdl_cli.figures import COLORS

    subject, figure = draw("ice", "boundaries")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("warmth (°C)", "pressure (bar)")
    assert labels(axes) == ["liquid", "solid", "wrong"]
    rows = np.array([row[:2] for row in cells(runs / "ice.csv")], float)
    drawn = points(axes)
    for row in rows:
        assert np.abs(drawn - row).max(axis=1).min() < 1e-3
    left, right, bottom, top = axes.images[0].get_extent()
    plane = np.asarray(axes.images[0].get_array())
    assert axes.images[0].origin == "lower"
    back = subject.facts.preprocessing.numbers
    decided = 0
    for x, wanted in zip(subject.rows.x, subject.decisions, strict=True):
        u, v = (x[place] * back[place].scale + back[place].mean for place in (0, 1))
        color = plane[int((v - bottom) / (top - bottom) * 299.999), int((u - left) / (right - left) * 299.999)]
        shades = [np.dot(1 - color, 1 - np.array(to_rgb(each))) for each in COLORS[:2]]
        decided += int(np.argmax(shades) == wanted)
    assert decided >= 0.95 * len(subject.rows)  # rows next to the boundary may lie in a pixel of the other side


def test_wrong_rows_are_ringed(draw):
    subject, figure = draw("ice", "boundaries")
    wrong = int((subject.decisions != subject.rows.y).sum())
    rings = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert sum(len(line.get_xdata()) for line in rings) == wrong


# --- the tools -------------------------------------------------------------------------------------------------------


def test_small_tools():
    assert [percent(share) for share in (0, 0.5, 1, 0.9999, 1e-6)] == ["0 %", "50.0 %", "100 %", ">99.9 %", "<0.1 %"]
    assert [number_text(value) for value in (0, 3, 12345.6, -0.5)] == ["0", "3.000", "12,346", "-0.5000"]
    assert number_text(1e12) == "1e+12"
    assert some(1, 5).tolist() == [0]


def test_a_mosaic_has_each_image_in_its_place():
    images = np.arange(5 * 30 * 30, dtype=np.float32).reshape(5, 30, 30)
    board = mosaic(images, 2, gap=3, fill=-1)
    assert board.shape == (3 * 30 + 2 * 3, 2 * 30 + 3)
    np.testing.assert_array_equal(board[33:63, 33:63], images[3])
    assert (board[66:, 33:] == -1).all()  # there is no sixth


def test_runs_without_an_epoch_are_refused(runs, tmp_path):
    shutil.copytree(runs / "iris", tmp_path / "run")
    RunFolder.open(tmp_path / "run").metrics_file.unlink()
    with pytest.raises(RunError, match="has finished no epoch yet"):
        find("curves").draw(Subject(tmp_path / "run"))
