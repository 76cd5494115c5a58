"""Convolutions and pooling on a simulated card; what is large for the sake of a CPU's kernels with `-m slow` only."""

from __future__ import annotations

import pytest

from tests.codegen.test_images import CASES
from tests.gpu.runner import check

FOR_WINOGRAD = {"many_channels", "channels_whose_points_need_room_of_their_own"}
"""Of a size from which a CPU's convolution goes by points; on a card it is a convolution like any other."""


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[pytest.mark.slow] if each in FOR_WINOGRAD else []) for each in CASES]
)
def test_images(name: str) -> None:
    check(CASES[name], runs=(3,))
