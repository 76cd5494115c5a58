"""addition, reversal and dates: pairs of texts made up by rule, so that there are as many as one wants."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from nbdl.data.dataset import Dataset
from nbdl.data.pairs import Pair, pairs_dataset
from nbdl.errors import DataError

LETTERS = "abcdefghijklmnopqrstuvwxyz"
Drawn = TypeVar("Drawn")
# The days that dates are drawn from: as many years before and after 2000.
FIRST_DAY, LAST_DAY = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# {d} day, {m} month, {y} year; {M} and {W} are the names of month and weekday, {a} and {w} their first three letters.
DATE_FORMATS = (
    "{d} {M} {y}", "{d} {a} {y}", "{M} {d}, {y}", "{a} {d}, {y}", "{W}, {d} {M} {y}", "{w}, {d} {a} {y}",
    "{W}, {M} {d}, {y}", "{d}.{m}.{y}", "{m}/{d}/{y}", "{d:02}.{m:02}.{y}", "{m:02}/{d:02}/{y}", "{y} {M} {d}",
)


def addition(*, data_dir: Path | None = None, seed: int = 0, digits: int = 3, rows: int = 50_000,
             test_fraction: float = 0.1, validation_fraction: float = 0.1) -> Dataset:
    """Sums as texts: "123+45" gives "168", to be learned character by character.

    Numbers have 1 to `digits` digits, each as often. A sum that occurs in one part occurs in no other, its terms
    exchanged neither. x and y as for `pairs`.

    Args:
        data_dir: not needed.
        seed: what the sums are drawn from, and which go where.
        digits: how many digits a number has at most.
        rows: number of sums; fewer if there aren't that many.
        test_fraction: share of the sums for testing.
        validation_fraction: share of the sums for validation.

    Raises:
        DataError: an option out of its range.

    Source: Zaremba, Sutskever, Learning to Execute, arXiv:1410.4615 (2014); the setting is that of the Keras example
    "Sequence to sequence learning for performing number addition".
    """
    _check("digits", digits, 1, 9)

    def draw(rng: np.random.Generator, count: int) -> list[tuple[int, int]]:
        numbers = rng.integers(0, 10 ** rng.integers(1, digits + 1, (count, 2)))
        return [(min(pair), max(pair)) for pair in numbers.tolist()]

    rng = np.random.default_rng(seed)
    different = 10**digits * (10**digits + 1) // 2
    found = [tuple(pair[:: 1 if first else -1])
             for pair, first in zip(_different(draw, rng, rows, different), rng.random(rows) < 0.5, strict=False)]
    return pairs_dataset("addition", [(f"{one}+{two}", str(one + two)) for one, two in found], seed=seed,
                         test_fraction=test_fraction, validation_fraction=validation_fraction)


def reversal(*, data_dir: Path | None = None, seed: int = 0, length: int = 10, letters: int = 26, rows: int = 10_000,
             test_fraction: float = 0.1, validation_fraction: float = 0.1) -> Dataset:
    """Letters to be put in the opposite order: "keras" gives "sarek". x and y as for `pairs`.

    Args:
        data_dir: not needed.
        seed: what the texts are drawn from, and which go where.
        length: how many letters a text has at most; each number from 1 is as frequent, as far as there are texts.
        letters: how many different letters there are, up to 26.
        rows: number of texts; fewer if there aren't that many.
        test_fraction: share of the texts for testing.
        validation_fraction: share of the texts for validation.

    Raises:
        DataError: an option out of its range.

    Source: Sutskever, Vinyals, Le, Sequence to Sequence Learning with Neural Networks, NeurIPS 2014, section 3.3, for
    what the order means.
    """
    _check("length", length, 1, 100)
    _check("letters", letters, 2, len(LETTERS))

    def draw(rng: np.random.Generator, count: int) -> list[str]:
        drawn, sizes = rng.integers(0, letters, (count, length)), rng.integers(1, length + 1, count)
        return ["".join(LETTERS[letter] for letter in row[:size]) for row, size in zip(drawn, sizes, strict=True)]

    different = sum(letters**size for size in range(1, length + 1))
    found = _different(draw, np.random.default_rng(seed), rows, different)
    return pairs_dataset("reversal", [(text, text[::-1]) for text in found], seed=seed, test_fraction=test_fraction,
                         validation_fraction=validation_fraction)


def dates(*, data_dir: Path | None = None, seed: int = 0, rows: int = 20_000, test_fraction: float = 0.1,
          validation_fraction: float = 0.1) -> Dataset:
    """Dates as people write them, to be written as ISO 8601 says: "Tuesday, 3 May 2011" gives "2011-05-03".

    Twelve ways to write a date, from 1950 to 2049, in capital or small letters; 3.5.2011 is the third of May, as is
    5/3/2011. x and y as for `pairs`.

    Args:
        data_dir: not needed.
        seed: what the dates are drawn from, and which go where.
        rows: number of dates.
        test_fraction: share of the dates for testing.
        validation_fraction: share of the dates for validation.

    Raises:
        DataError: an option out of its range.

    Source: ISO 8601-1:2019, Date and time: Representations for information interchange.
    """
    def draw(rng: np.random.Generator, count: int) -> list[Pair]:
        days = rng.integers(0, (LAST_DAY - FIRST_DAY).days + 1, count).tolist()
        return [_written(FIRST_DAY + datetime.timedelta(day), DATE_FORMATS[form], small)
                for day, form, small in zip(days, rng.integers(0, len(DATE_FORMATS), count),
                                            rng.random(count) < 0.5, strict=True)]

    # Each date has at least six texts of its own: those with the month's name, in capital or small letters.
    different = 6 * ((LAST_DAY - FIRST_DAY).days + 1)
    return pairs_dataset("dates", _different(draw, np.random.default_rng(seed), rows, different), seed=seed,
                         test_fraction=test_fraction, validation_fraction=validation_fraction)


def _written(day: datetime.date, form: str, small: bool) -> Pair:
    month, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    text = form.format(d=day.day, m=day.month, y=day.year, M=month, a=month[:3], W=weekday, w=weekday[:3])
    return text.lower() if small else text, day.isoformat()


def _different(draw: Callable[[np.random.Generator, int], list[Drawn]], rng: np.random.Generator, rows: int,
               most: int) -> list[Drawn]:
    """Draw until there are `rows` different ones, or nine tenths of all that there are: the last are drawn rarely."""
    _check("rows", rows, 10, 10_000_000)
    wanted = min(rows, max(10, most * 9 // 10))
    found: dict[Drawn, None] = {}
    while len(found) < wanted:
        found |= dict.fromkeys(draw(rng, rows))
    return list(found)[:wanted]


def _check(option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise DataError(f"{option} goes from {least} to {most:,}, not {value}.")
