"""Forecasts: windows against a loop, parts in the order of time, scaling, gaps, persistence."""

import numpy as np
import pytest

from nbdl.data import load, preprocessing_from_state, read_rows
from nbdl.data.series import forward_fill
from nbdl.errors import DataError

ROWS = 100


def table(gaps=(), rows=ROWS, seed=0):
    """The text of a CSV file: a date, a level that climbs, a temperature, a wind; and the levels."""
    rng = np.random.default_rng(seed)
    level = np.round(np.arange(rows) + rng.normal(size=rows), 3)
    warm = np.round(20 + rng.normal(size=rows), 2)
    wind = rng.choice(["N", "SE"], rows)
    lines = [f"2001-{number:03},{'NA' if number in gaps else level[number]},{warm[number]},{wind[number]}"
             for number in range(rows)]
    return "date,level,warm,wind\n" + "\n".join(lines) + "\n", level


@pytest.fixture
def levels(write):
    """The path of the table, and its levels."""
    text, level = table()
    return write(text, "levels.csv"), level


def units(data, y):
    """Scaled targets in units; float32 has seven digits."""
    return data.inverse_target(y)


@pytest.mark.parametrize(("window", "horizon", "step"), [(5, 1, 1), (5, 3, 1), (7, (1, 2, 6), 1), (4, 2, 3)])
def test_against_a_loop(levels, window, horizon, step):
    path, level = levels
    data = load("series", path=path, target="level", window=window, horizon=horizon, step=step)
    ahead = (horizon,) if isinstance(horizon, int) else horizon
    expected = {"train": [], "validation": [], "test": []}
    for start in range(0, ROWS, step):
        end = start + window - 1
        targets = [end + more for more in ahead]
        for part, (low, high) in {"train": (0, 70), "validation": (70, 80), "test": (80, 100)}.items():
            if all(low <= place < high for place in targets):
                expected[part].append((start, targets))
    scaled = (level - level[:70].mean()) / level[:70].std()
    for part, split in data.splits().items():
        seen = [scaled[start : start + window] for start, _ in expected[part]]
        np.testing.assert_allclose(split.values[:, :, 0], seen, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(units(data, split.y), [level[targets] for _, targets in expected[part]],
                                   rtol=1e-5, atol=1e-5)


def test_columns_and_their_scales(levels):
    path, level = levels
    data = load("series", path=path, target="level", window=5)
    assert data.features == ("level", "warm", "wind=N", "wind=SE")
    assert data.preprocessing.target.names == ("level +1",)
    assert data.notes[0].startswith("date is left out: its text differs in nearly every row")
    x = data.train.x
    assert set(np.unique(x[:, :, 2:])) == {0, 1}
    np.testing.assert_array_equal(x[:, :, 2] + x[:, :, 3], 1)
    column = data.preprocessing.numbers[0]
    # Only the training part counts: the level of the others is higher.
    assert (column.mean, column.scale) == (pytest.approx(level[:70].mean()), pytest.approx(level[:70].std()))
    assert load("series", path=path, target="level", columns=["warm"]).features == ("level", "warm")


def test_no_target_stands_in_a_window_of_an_earlier_part(levels):
    """What a part forecasts, no part before it has seen."""
    path, _ = levels
    data = load("series", path=path, target="level", window=5, horizon=3)
    highest = units(data, data.train.values[:, :, 0]).max()
    assert units(data, data.train.y).max() >= highest
    assert highest < units(data, data.test.y).min()


def test_nothing_is_copied_where_nothing_is_missing(levels):
    assert load("series", path=levels[0], target="level", window=9).train.values.strides[0] == 4 * 4


@pytest.mark.parametrize("values", [[1.0, 2.0], [np.nan, 2.0, np.nan, np.nan, 5.0, np.nan], [np.nan, np.nan]])
def test_forward_fill(values):
    expected, last = [], -1.0
    for value in values:
        last = last if np.isnan(value) else value
        expected.append(last)
    assert forward_fill(np.array(values), -1.0).tolist() == expected


def test_gaps(write):
    gaps = {0, 30, 31, 85}
    text, level = table(gaps)
    data = load("series", path=write(text, "levels.csv"), target="level", window=5)
    assert data.features[:3] == ("level", "warm", "level is missing")
    assert "level: 4 missing values are taken as the last known one before" in data.notes
    ends = [row for row in range(5, 70) if row not in gaps]
    assert len(data.train) == len(ends)
    assert len(data.test) == 19
    np.testing.assert_allclose(units(data, data.train.y)[:, 0], level[ends], rtol=1e-5, atol=1e-5)
    row = ends.index(33)  # its window is 28 to 32
    np.testing.assert_allclose(units(data, data.train.values[row, :, :1])[:, 0], level[[28, 29, 29, 29, 32]], rtol=1e-5)
    np.testing.assert_array_equal(data.train.values[row, :, 2], [0, 0, 1, 1, 0])
    # Where nothing is known yet, the mean stands, which is 0.
    assert (data.train.values[0, 0, 0], data.train.values[0, 0, 2]) == (0, 1)


def test_persistence(write):
    text, level = table({50})
    data = load("series", path=write(text, "levels.csv"), target="level", window=5, horizon=(1, 4))
    ends = [row for row in range(4, 66) if row + 1 != 50 and row + 4 != 50]
    last = np.array([level[49 if row == 50 else row] for row in ends])
    np.testing.assert_allclose(data.preprocessing.baseline(data.train.x), np.stack([last, last], axis=1), rtol=1e-5)
    errors = np.stack([last - level[np.array(ends) + 1], last - level[np.array(ends) + 4]])
    assert data.preprocessing.persistence_rmse(data.train.x, data.train.y) == pytest.approx(
        np.sqrt(np.mean(errors**2)), rel=1e-5)


def test_a_new_file(levels, write):
    path, _ = levels
    data = load("series", path=path, target="level", window=5, horizon=2, step=3)
    again = preprocessing_from_state(*data.preprocessing.to_state())
    text, level = table(rows=20, seed=7)
    new = write(text, "new.csv")
    x, y = read_rows(new, again)
    np.testing.assert_array_equal(x, read_rows(new, data.preprocessing)[0])
    np.testing.assert_allclose(units(data, y)[:, 0], level[[6, 9, 12, 15, 18]], rtol=1e-5)
    # Without targets every window counts, and the last ends in the last row.
    x, lines = again.last(again.table(new))
    assert lines == [6, 9, 12, 15, 18, 21]
    np.testing.assert_allclose(units(data, x[-1, :, :1])[:, 0], level[15:], rtol=1e-5)
    np.testing.assert_array_equal(read_rows(new, again, with_targets=False)[0], x)


def test_the_only_column_of_numbers_needs_no_name(write):
    text = "month,sold\n" + "".join(f"{number}th,{number % 7}\n" for number in range(60))
    assert load("series", path=write(text, "sold.csv"), window=6).features == ("sold",)


@pytest.mark.parametrize(("options", "message"), [
    ({}, r"which column is to be predicted\? Say target=NAME \(.*\); it has date, level, warm, wind"),
    ({"target": "lvel"}, "has no column 'lvel'; did you mean 'level'"),
    ({"target": "level", "columns": ["warmth"]}, "has no column 'warmth'; did you mean 'warm'"),
    ({"target": "level", "columns": ["date"]}, "the column 'date' can't be used: its text differs in nearly every row"),
    ({"target": "wind"}, "column 'wind' holds numbers, but here it says"),
    ({"target": "level,warm"}, r"one column is forecast, not 2 \(level, warm\)"),
    ({"target": "level", "window": 100}, "has 100 rows; a window takes 100, and a target 1 further on"),
    ({"target": "level", "window": 69, "horizon": 5}, "the 70 of the train part hold no target of a window of 69, 5"),
    ({"target": "level", "horizon": (1, 15)}, "the 10 of the validation part hold no target of a window of 24, 15"),
    ({"target": "level", "window": 0}, "window must be at least 1, not 0"),
    ({"target": "level", "horizon": 0}, "horizon is a number of steps ahead of at least 1"),
    ({"target": "level", "horizon": ()}, "horizon is a number of steps ahead of at least 1"),
    ({"target": "level", "test_fraction": 0.95}, r"validation_fraction \+ test_fraction is a share above 0"),
])
def test_what_is_refused(levels, options, message):
    with pytest.raises(DataError, match=message):
        load("series", path=levels[0], **options)


def test_a_target_that_never_changes(write):
    text = "a,b\n" + "".join(f"{3 if number < 50 else 4},{number % 5}\n" for number in range(60))
    with pytest.raises(DataError, match="'a' is the same in all rows of the training part"):
        load("series", path=write(text), target="a", window=5)
    data = load("series", path=write(text), target="b", window=5)
    assert data.notes == ("a is left out: it is the same in all rows of the training part, or missing",)


@pytest.mark.data
@pytest.mark.parametrize(("name", "rows", "channels"), [
    ("airline", (89, 14, 29), 1), ("sunspots", (1842, 282, 564), 1), ("temperatures", (2527, 365, 730), 1),
    ("pollution", (28751, 4335, 8666), 12),
])
def test_the_real_ones(real_data, name, rows, channels):
    data = load(name, data_dir=real_data)
    assert tuple(map(len, data.splits().values())) == rows
    assert data.input_shape[1] == channels
    assert data.preprocessing.persistence_rmse(data.test.x, data.test.y) > 0
