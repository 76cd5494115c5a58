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
        (lambda: nbdl.set_seed("a"), "seed must be a whole number of at least 0, not 'a'"),
        (lambda: nbdl.set_seed(-1), "seed must be a whole number of at least 0, not -1"),
    ],
)
def test_options_that_are_refused(make: Callable[[], Any], words: str):
    with pytest.raises(OptionError, match=words):
        make()


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert nn.Dense(np.int64(3))(np.ones((2, 4), np.float32)).shape == (2, 3)
