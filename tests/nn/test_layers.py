"""The plain layers: what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nbdl
from nbdl import nn
from nbdl.errors import OptionError


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Dense("3"), "units of Dense must be a whole number of at least 1, not '3'"),
        (lambda: nn.Dense(2.5), "a whole number of at least 1, not 2.5"),
        (lambda: nn.Dense(None), "a whole number of at least 1, not None"),
        (lambda: nn.Dense(True), "a whole number of at least 1, not True"),
        (lambda: nn.Dropout("half"), "the dropout rate must be at least 0 and less than 1, not 'half'"),
        (lambda: nn.Dense(3, activation=5), "an activation is a name, a mapping with a name, or a function, not 5"),
        (lambda: nn.Sequential([nn.Dense(1)]), r"one by one, Sequential\(a, b\): 'list' is neither a layer nor"),
        (lambda: nn.Sequential().add([nn.Dense(1)]), "'list' is neither a layer nor a function"),
        (lambda: nn.Sequential(nn.Dense(1), None), "'NoneType' is neither a layer nor a function"),
        (lambda: nn.Sequential(nn.Dense), r"Dense is a class; Sequential takes a layer made of it: Dense\(\.\.\.\)"),
        (lambda: nbdl.set_seed("a"), "seed must be a whole number of at least 0, not 'a'"),
        (lambda: nbdl.set_seed(-1), "seed must be a whole number of at least 0, not -1"),
    ],
)
def test_options_that_are_refused(make: Callable[[], Any], words: str):
    with pytest.raises(OptionError, match=words):
        make()


def test_functions_and_names_are_layers_wherever_they_come_from():
    net = nn.Sequential("relu")
    net.add(nbdl.exp)
    assert net([[-1.0, 0.0]]).tolist() == [[1.0, 1.0]]
    assert [type(layer) for layer in net] == [nn.Activation, nn.Activation]


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert nn.Dense(np.int64(3))(np.ones((2, 4), np.float32)).shape == (2, 3)
