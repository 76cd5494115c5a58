"""Convolutions and pooling on a simulated card."""

from __future__ import annotations

import pytest

from tests.codegen.test_images import CASES
from tests.gpu.runner import check


@pytest.mark.parametrize("name", CASES)
def test_images(name: str) -> None:
    check(CASES[name], runs=(3,))
