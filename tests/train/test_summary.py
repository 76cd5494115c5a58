"""The table of layers: shapes, parameters, operations, bytes."""

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import OptionError, ShapeError
from nbdl.train.summary import summary

X = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)


def cells(table):
    """Rows by name: kind, output, parameters, operations, bytes."""
    lines = [line.split("  ") for line in str(table).splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines[1:-1]]
    return {row[0]: row[1:] for row in rows}


def test_shapes_parameters_operations_and_bytes():
    net = nn.Sequential(nn.Flatten(), nn.Dense(8, activation="relu"), nn.Dropout(0.5), nn.Dense(3, use_bias=False))
    table = cells(net.summary((2, 5)))
    assert table == {
        "flatten_1": ["Flatten", "(n, 10)", "0", "0", "0"],
        # 2 * 10 * 8 in the product, 8 for the bias, 8 comparisons and 8 choices for relu
        "dense_1": ["Dense", "(n, 8)", "88", "184", "352"],
        "dropout_1": ["Dropout", "(n, 8)", "0", "0", "0"],
        "dense_2": ["Dense", "(n, 3)", "24", "48", "96"],
        "total": ["112", "232", "448"],
    }


def test_rows_and_shapes_and_what_was_built_say_the_same():
    net = nn.Sequential(nn.Dense(4), nn.Dense(2))
    expected = str(net.summary((5,)))
    assert str(net.summary(X)) == expected
    net.predict(X)
    assert str(net.summary()) == expected


def test_the_first_fit_makes_the_parameters_as_if_there_had_been_no_summary():
    def trained(look):
        nbdl.set_seed(0)
        net = nn.Sequential(nn.Dense(4), nn.Dropout(0.2), nn.Dense(1))
        if look:
            net.summary((5,))
        net.compile("sgd", "mse")
        net.fit(X, X[:, 0], seed=5, verbose=False)
        return net.state_dict()

    plain, looked = trained(False), trained(True)
    for name, array in plain.items():
        np.testing.assert_array_equal(looked[name], array)


def test_a_prompt_shows_the_table():
    table = nn.Sequential(nn.Dense(4)).summary((5,))
    assert repr(table) == str(table)
    assert repr(table).startswith("layer")


def test_a_shared_layer_counts_once_and_works_twice():
    shared = nn.Dense(5)
    table = cells(nn.Sequential(shared, shared).summary(X))
    assert table["total"] == ["30", str(2 * (2 * 25 + 5)), "120"]


class Net(nn.Module):
    def __init__(self):
        self.left = nn.Dense(4)
        self.right = nn.Sequential(nn.Dense(4), nn.Dense(4))
        self.running = nn.Parameter(np.zeros(4, np.float32), trainable=False)

    def forward(self, x, other):
        return self.left(x) + self.right(other) + self.running


def test_a_network_of_ones_own_with_two_inputs():
    net = Net()
    net((X), (X))
    text = str(net.summary())
    table = cells(text)
    assert list(table) == ["left", "right.dense_1", "right.dense_2", "net", "total"]
    assert table["net"] == ["Net", "(n, 4)", "4", "8", "16"]
    assert text.endswith("68 parameters are trained, 4 are not")
    assert table["total"][0] == "72"


class Pair(nn.Module):
    """Like a GAN: the network is never called itself."""

    def __init__(self):
        self.generator = nn.Sequential(nn.Dense(3))
        self.judge = nn.Dense(1)


def test_parts_that_are_called_one_by_one():
    net = Pair()
    net.judge(net.generator(X))
    assert cells(net.summary()) == {
        "generator.dense_1": ["Dense", "(n, 3)", "18", "33", "72"],
        "judge": ["Dense", "(n, 1)", "4", "7", "16"],
        "total": ["22", "40", "88"],
    }


def test_parameters_that_the_forward_pass_does_not_use():
    net = Net()
    net(X, X)
    net.forward = lambda x: net.left(x)
    table = cells(net.summary(X))
    assert list(table) == ["left", "net", "the rest", "total"]
    assert table["the rest"] == ["Net", "not called", "44", "0", "176"]
    assert table["total"][0] == "72"


def test_nothing_known_yet():
    with pytest.raises(OptionError, match=r"has seen no data yet: give rows.*net\.summary\(\(784,\)\)"):
        nn.Sequential(nn.Dense(3)).summary()


def test_rows_that_do_not_fit():
    net = nn.Sequential(nn.Dense(4), nn.Dense(2))
    net.predict(X)
    with pytest.raises(ShapeError, match=r"in layer dense_1 \(input \(n, 7\)\)"):
        net.summary((7,))


def test_looking_leaves_training_mode_as_it_is():
    net = nn.Sequential(nn.Dropout(0.5), nn.Dense(2))
    net(X)
    net[0].training = False
    summary(net)
    assert [module.training for module in net.modules()] == [True, False, True]
