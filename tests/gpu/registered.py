"""Tests of all that is registered but for models, which take long on a simulated card: on whatever card there is."""

from __future__ import annotations

import pytest

from nbdl.plugins import Registered
from tests.gpu import walk
from tests.gpu.layers import layer_program, trained_alone
from tests.gpu.walk import registered


@pytest.mark.parametrize("thing", registered("activations"), ids=lambda each: each.name)
def test_activation(thing: Registered) -> None:
    walk.run(*walk.activation_program(thing))


@pytest.mark.parametrize("thing", trained_alone(), ids=lambda each: each.name)
def test_layer(thing: Registered) -> None:
    walk.run(*layer_program(thing), steps=1)


@pytest.mark.parametrize("thing", registered("losses"), ids=lambda each: each.name)
def test_loss(thing: Registered) -> None:
    for program in walk.loss_programs(thing):
        walk.run(*program)


@pytest.mark.parametrize("thing", registered("optimizers"), ids=lambda each: each.name)
def test_optimizer(thing: Registered) -> None:
    walk.run(*walk.optimizer_program(thing))
