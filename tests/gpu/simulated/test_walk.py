"""Everything that is registered, on a simulated card; large models with `-m slow` only."""

from __future__ import annotations

import pytest

from nbdl.plugins import Registered
from tests.gpu import walk
from tests.gpu.registered import (  # noqa: F401 - pytest collects them here
    test_activation,
    test_layer,
    test_loss,
    test_optimizer,
)
from tests.gpu.walk import registered

QUICK = {"linear", "logistic", "mlp", "autoencoder", "vae", "gan"}


@pytest.mark.parametrize(
    "thing",
    [pytest.param(each, marks=[] if each.name in QUICK else [pytest.mark.slow]) for each in registered("models")],
    ids=lambda each: each.name,
)
def test_model(thing: Registered) -> None:
    walk.run(*walk.model_program(thing, walk.rows_for(thing)[0]), steps=1)
