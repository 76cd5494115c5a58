"""Labelled sequences: what a .ts file says, lengths, scaling, and files that are cut off."""

import numpy as np
import pytest

from nbdl.data import load, preprocessing_from_state, read_rows
from nbdl.data.ts_file import read_ts
from nbdl.errors import DataError

HEAD = "#about\n@problemName Sounds\n@timeStamps false\n@dimensions 2\n@classLabel true low high\n\n@data\n"


def sequence(length, label, seed):
    values = np.random.default_rng(seed).normal(3, 2, (2, length)).round(4)
    return ":".join([*(",".join(map(str, channel)) for channel in values), label])


def content(lengths=(4, 7, 5, 6, 4, 7), head=HEAD):
    return head + "\n".join(sequence(length, ("low", "high")[seed % 2], seed)
                            for seed, length in enumerate(lengths)) + "\n"


def test_what_a_file_says(write):
    found = read_ts(write(content(), "a.ts"))
    assert (found.name, found.classes, found.channels) == ("Sounds", ("low", "high"), 2)
    assert [len(each) for each in found.sequences] == [4, 7, 5, 6, 4, 7]
    assert (found.labels[:2], found.lines[:2]) == (["low", "high"], [8, 9])
    np.testing.assert_array_equal(found.sequences[2].T, np.random.default_rng(2).normal(3, 2, (2, 5)).round(4))


def test_lengths_of_their_own(write):
    train, test = write(content(), "S_TRAIN.ts"), write(content((9, 3)), "S_TEST.ts")
    data = load(train)
    values, lengths = data.train.x
    assert (values.shape, lengths.tolist()) == ((6, 9, 2), [4, 7, 5, 6, 4, 7])
    assert (data.test.lengths.tolist(), data.test.y.tolist()) == ([9, 3], [0, 1])
    steps = np.concatenate(read_ts(train).sequences)
    there = np.arange(9) < lengths[:, None]
    np.testing.assert_allclose(values[there], ((steps - steps.mean(axis=0)) / steps.std(axis=0)), rtol=1e-5, atol=1e-6)
    assert not values[~there].any()
    again = preprocessing_from_state(*data.preprocessing.to_state())
    x, y = read_rows(test, again)
    np.testing.assert_array_equal(x[0], data.test.values)
    np.testing.assert_array_equal(x[1], data.test.lengths)
    np.testing.assert_array_equal(y, data.test.y)
    with pytest.raises(DataError, match=r"new\.ts, line 8: the sequence has 10 steps; the network takes at most 9"):
        read_rows(write(content((10,)), "new.ts"), again)


def test_one_length(write):
    data = load(write(content((5,) * 20), "a.ts"), validation_fraction=0.2)
    assert data.train.lengths is None
    assert [len(part) for part in data.splits().values()] == [12, 4, 4]
    assert [np.bincount(part.y).tolist() for part in data.splits().values()] == [[6, 6], [2, 2], [2, 2]]
    with pytest.raises(DataError, match="the sequence has 4 steps; the network takes 5"):
        read_rows(write(content((4,)), "new.ts"), data.preprocessing)


def test_new_sequences_without_labels(write):
    data = load(write(content(), "a.ts"))
    bare = content((4, 4)).replace("@classLabel true low high", "@classLabel false")
    bare = bare.replace(":low", "").replace(":high", "")
    x, y = read_rows(write(bare, "bare.ts"), data.preprocessing)
    assert (len(x[0]), y) == (2, None)
    unknown = write(content((4, 4)).replace(":low", ":?"), "unknown.ts")
    assert read_rows(unknown, data.preprocessing, with_targets=False)[1] is None
    with pytest.raises(DataError, match=r"line 8: label '\?' is none of the 2 classes"):
        read_rows(unknown, data.preprocessing)


def test_a_missing_value_is_the_mean(write):
    data = load(write(content().replace("@data\n", "@data\n1,2,?,4:5,6,7,8:low\n"), "a.ts"), test_fraction=0)
    row = data.train.values[data.train.values[:, 2, 0] == 0]
    assert row.shape[0] == 1


@pytest.mark.parametrize(("text", "message"), [
    (HEAD.replace("@data\n", ""), "has no line @data, behind which"),
    (HEAD, "has no sequences behind @data"),
    ("", "is empty"),
    (content()[:-14], r"line 13: the label '.*' is none of the 2 classes \(low, high\); the line may be cut off"),
    (HEAD + "1,2,3:4,5,6:low\n1,2,3:high\n", "line 9: the sequence has 1 channels and not 2; the line may be cut off"),
    (HEAD + "1,2,3:4,5:low\n", "line 8: its channels have 2 to 3 values"),
    (HEAD + "1,2,3:4,-,6:low\n", "line 8, channel 2: '-' is no number; the line may be cut off"),
    (HEAD + "1,2,3:4,,6:low\n", "line 8, channel 2: '' is no number"),
    (HEAD + "1,inf,3:4,5,6:low\n", "line 8, channel 1: a value is infinite"),
    (HEAD.replace("timeStamps false", "timeStamps true") + "x", "has time stamps"),
    (HEAD.replace("true low high", "true low") + "1:2:low\n", "@classLabel names 1 classes; telling them"),
    (HEAD.replace("true low high", "false") + "1,2:3,4\n", "has no class labels"),
])
def test_what_is_refused(write, text, message):
    with pytest.raises(DataError, match=message):
        load(write(text, "a.ts"))


def test_other_channels_in_the_test_file(write):
    write(content().replace("@dimensions 2", "@dimensions 1").replace(":", ",").replace(",low", ":low").replace(
        ",high", ":high"), "S_TEST.ts")
    with pytest.raises(DataError, match=r"S_TEST\.ts has sequences of 1 channels; the training data had 2"):
        load(write(content(), "S_TRAIN.ts"))


@pytest.mark.data
@pytest.mark.parametrize(("name", "shape", "classes", "rows", "lengths"), [
    ("japanese_vowels", (29, 12), 9, (270, 370), [7, 26]),
    ("italy_power", (24, 1), 2, (67, 1029), None),
    ("gunpoint", (150, 1), 2, (50, 150), None),
    ("basic_motions", (100, 6), 4, (40, 40), None),
])
def test_the_real_ones(real_data, name, shape, classes, rows, lengths):
    data = load(name, data_dir=real_data)
    assert (data.input_shape, data.outputs, (len(data.train), len(data.test))) == (shape, classes, rows)
    assert data.describe().get("lengths") == lengths
    assert len(load(name, data_dir=real_data, validation_fraction=0.2).validation) == round(0.2 * rows[0])
