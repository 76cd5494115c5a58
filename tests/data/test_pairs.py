"""Pairs of texts: what x and y hold, parts that share no source, toy tasks that are right."""

import datetime

import numpy as np
import pytest

from nbdl.data import load, preprocessing_from_state, read_rows
from nbdl.errors import DataError

LINES = [("Hello, you.", "Guten Tag."), ("Go!", "Geh!"), ("Go!", "Los!"), ("I see.", "Ich sehe."),
         ("You see?", "Siehst du?")]


def tsv(pairs=LINES):
    return "".join(f"{source}\t{target}\tfrom somewhere\n" for source, target in pairs)


def texts(data, part):
    """Source and target of each row, read back."""
    rows = getattr(data, part)
    return list(zip(data.preprocessing.decode_source(rows.values), data.preprocessing.decode(rows.y), strict=True))


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_what_rows_hold(write, unit):
    data = load("pairs", path=write(tsv(), "de.tsv"), unit=unit, test_fraction=0.0, validation_fraction=0.0)
    x, y = data.train.x, data.train.y
    assert (data.name, data.task, x.dtype, y.dtype) == ("de", "sequence", np.int32, np.int64)
    assert sorted(texts(data, "train")) == sorted(LINES)
    # The source ends in padding, the target in its end token and nothing; the start stands in neither.
    assert not np.isin(x, [1, 2]).any()
    assert not np.isin(y, [0, 1]).any()
    assert ((y == 2).sum(axis=1) == 1).all()
    for row in y:
        assert (row[np.flatnonzero(row == 2)[0] + 1 :] == -1).all()
    assert (x > 0).any(axis=0).all()
    assert (y >= 0).any(axis=0).all()
    assert data.tokens == len(data.preprocessing.source) != data.outputs == len(data.classes)


def test_parts_share_no_source(write):
    pairs = [(f"{number % 40}", f"{number}") for number in range(120)]
    data = load("pairs", path=write(tsv(pairs + pairs[:7])), unit="characters", test_fraction=0.2,
                validation_fraction=0.1)
    sources = [{source for source, _ in texts(data, part)} for part in data.splits()]
    assert list(map(len, sources)) == [28, 4, 8]
    assert not sources[0] & sources[2]
    assert not sources[0] & sources[1]
    assert sorted(pair for part in data.splits() for pair in texts(data, part)) == sorted(pairs)
    assert data.notes == ("7 pairs that come again are left out",)


def test_a_new_file(write):
    data = load("pairs", path=write(tsv(), "de.tsv"), test_fraction=0.0, validation_fraction=0.0)
    again = preprocessing_from_state(*data.preprocessing.to_state())
    x, y = read_rows(write(tsv()), again)
    assert again.decode_source(x) == [source for source, _ in LINES]
    assert again.decode(y) == [target for _, target in LINES]
    x, y = read_rows(write("Go you.\nstrange see?\n", "new.txt"), again, with_targets=False)
    assert (again.decode_source(x), y) == (["Go you.", "<unknown> see?"], None)
    with pytest.raises(DataError, match=r"new\.txt, line 1: 'I I I I I I I' has 7 words; the network takes from 1 to"):
        read_rows(write("I I I I I I I\n", "new.txt"), again, with_targets=False)
    with pytest.raises(DataError, match=r"new\.txt, line 1 has no tab: 'Go!'"):
        read_rows(write("Go!\n", "new.txt"), again)


@pytest.mark.parametrize(("content", "message"), [
    ("a\tb\nno tab here\n", r"t\.csv, line 2 has no tab: 'no tab here'; a line is a source, a tab and a target"),
    ("a\tb\nc\t\n", "line 2 has no tab: 'c'"),
    ("a\tb\nc\t \td\n", "line 2 has nothing behind the tab"),
    ("", "is empty"),
])
def test_what_is_refused(write, content, message):
    with pytest.raises(DataError, match=message):
        load("pairs", path=write(content))


# --- toys ------------------------------------------------------------------------------------------------------------


def everything(data):
    return [pair for part in data.splits() for pair in texts(data, part)]


def test_addition():
    data = load("addition", rows=3000)
    pairs = everything(data)
    assert len(pairs) == 3000
    terms = [tuple(map(int, source.split("+"))) for source, _ in pairs]
    assert all(one + two == int(total) for (one, two), (_, total) in zip(terms, pairs, strict=True))
    assert (data.input_shape, data.train.y.shape[1], data.tokens, data.outputs) == ((7,), 5, 14, 13)
    assert len({tuple(sorted(pair)) for pair in terms}) == 3000  # exchanged terms are the same sum
    digits = np.array([[len(str(term)) for term in pair] for pair in terms])
    assert all(0.2 < np.mean(digits == count) < 0.5 for count in (1, 2, 3))
    assert 0.4 < np.mean([one > two for one, two in terms if one != two]) < 0.6


def test_addition_of_all_there_is():
    assert len(everything(load("addition", rows=5000, digits=1))) == 49  # nine tenths of 55


def test_reversal():
    pairs = everything(load("reversal", rows=2000, length=6, letters=5))
    assert all(source == target[::-1] and set(source) <= set("abcde") for source, target in pairs)
    assert len(set(pairs)) == 2000
    assert {len(source) for source, _ in pairs} == set(range(1, 7))


def test_dates():
    data = load("dates", rows=2000)
    pairs = everything(data)
    assert len(dict(pairs)) == 2000
    forms = ("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%A, %d %B %Y", "%a, %d %b %Y", "%A, %B %d, %Y",
             "%d.%m.%Y", "%m/%d/%Y", "%Y %B %d")
    used = set()
    for source, target in pairs:
        read = []
        for form in forms:
            try:
                read.append((form, datetime.datetime.strptime(source, form).date()))
            except ValueError:
                continue
        assert target in {day.isoformat() for _, day in read}, source
        used |= {form for form, day in read}
        for form, day in read:
            if "%A" in form or "%a" in form:
                assert source.lower().startswith(day.strftime("%A").lower()[:3])
    assert used == set(forms)


@pytest.mark.parametrize(("name", "options", "message"), [
    ("addition", {"digits": 0}, "digits goes from 1 to 9, not 0"),
    ("addition", {"rows": 3}, "rows goes from 10 to 10,000,000, not 3"),
    ("reversal", {"letters": 27}, "letters goes from 2 to 26, not 27"),
    ("reversal", {"length": 0}, "length goes from 1 to 100, not 0"),
    ("dates", {"test_fraction": 1.5}, "test_fraction is a share of at least 0 and below 1, not 1.5"),
])
def test_options_out_of_range(name, options, message):
    with pytest.raises(DataError, match=message):
        load(name, **options)


@pytest.mark.parametrize("name", ["addition", "reversal", "dates"])
def test_the_seed_decides(name):
    one, same, other = (everything(load(name, rows=200, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert set(one) != set(other)
