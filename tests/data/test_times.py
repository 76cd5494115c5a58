"""When the rows of a series are: dates in a column, or in several; and when each target is."""

import numpy as np
import pytest

from nbdl.data import load, preprocessing_from_state
from nbdl.data.table import Table
from nbdl.data.times import times_of

ROWS = 30


def table(**columns):
    return Table("t", tuple(columns), tuple(list(map(str, cells)) for cells in columns.values()), tuple(range(ROWS)))


def days(count=ROWS):
    return (np.datetime64("2019-12-30") + np.arange(count)).astype(str).tolist()


@pytest.mark.parametrize(("columns", "first", "last"), [
    ({"sold": range(ROWS), "day": days()}, "2019-12-30", "2020-01-28"),
    ({"when": [f"{day} 06:30" for day in days()]}, "2019-12-30T06:30", "2020-01-28T06:30"),
    ({"Year": [1990 + n // 12 for n in range(ROWS)], "MONTH": [1 + n % 12 for n in range(ROWS)]}, "1990-01", "1992-06"),
    ({"year": [2020] * ROWS, "month": [2] * ROWS, "day": [28 + n // 24 for n in range(ROWS)],
      "hour": [n % 24 for n in range(ROWS)]}, "2020-02-28T00", "2020-02-29T05"),
    ({"year": range(1700, 1700 + ROWS)}, "1700", "1729"),
])
def test_moments(columns, first, last):
    times = times_of(table(**columns)).astype(str)
    assert (times[0], times[-1], len(times)) == (first, last, ROWS)


@pytest.mark.parametrize("columns", [
    {"sold": range(ROWS)},
    {"name": [f"a-{n}" for n in range(ROWS)]},
    {"day": days()[::-1]},  # not one after the other
    {"day": days(ROWS - 1) + days(1)},
    {"day": [*days(ROWS - 1), "NA"]},
    {"year": [1990.5 + n for n in range(ROWS)]},
    {"month": range(1, ROWS + 1)},
], ids=str)
def test_rows_without_moments_are_counted(columns):
    assert times_of(table(**columns)).tolist() == list(range(1, ROWS + 1))


def test_times_and_unit_of_a_data_set(write):
    """The target of a window of 4, 2 and 5 steps ahead; days whose target is missing have no row."""
    text = "day,warm\n" + "".join(f"{day},{'NA' if n == 25 else n * n % 17}\n" for n, day in enumerate(days()))
    data = load("series", path=write(text, "warm.csv"), window=4, horizon=(2, 5), validation_fraction=0.2,
                test_fraction=0.5, unit="°C")
    times = data.times["test"]
    assert times.shape == (len(data.test), 2)
    # Targets 15 and 18 to 26 and 29, those without that hit 25: not 22 and 25, not 25 and 28.
    expected = [n for n in range(15, 27) if n not in (22, 25)]
    assert (times[:, 0] - np.datetime64("2019-12-30")).astype(int).tolist() == expected
    assert (times[:, 1] - times[:, 0]).astype(int).tolist() == [3] * len(expected)
    values = data.inverse_target(data.test.y)[:, 0]
    np.testing.assert_allclose(values, [n * n % 17 for n in expected], rtol=1e-5, atol=1e-5)
    assert preprocessing_from_state(*data.preprocessing.to_state()).unit == "°C"
