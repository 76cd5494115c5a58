"""Tests on a simulated card. They run in a process of their own (`tests/gpu/test_simulated.py`), as the simulator takes
the place of the card wherever Numba is imported; this folder alone: NUMBA_ENABLE_CUDASIM=1 pytest tests/gpu/simulated
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
collect_ignore_glob = [] if SIMULATED else ["test_*.py"]

if SIMULATED:
    from tests.gpu.simulated import blocks

    blocks.use()


@pytest.fixture(autouse=True)
def as_on_a_card() -> Iterator[None]:
    """A card doesn't warn of overflow, nor of divisions by zero."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
