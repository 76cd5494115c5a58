"""The examples in docstrings run and give what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest

from nbdl import plugins

KINDS = ("models", "activations", "losses", "optimizers", "schedules", "metrics", "callbacks", "initializers")
BUILT_IN = {each.factory.__module__ for kind in KINDS for each in plugins.all(kind) if each.package == "nbdl"}
CORE = {"nbdl.testing", "nbdl.tensor", "nbdl.resolve", "nbdl.train.metric", "nbdl.ir.shapes", "nbdl.nn.layers"}
CORE |= {"nbdl.sampling", "nbdl.recurrence"}
LAYERS = ("attention", "blocks", "embedding", "masks", "normalization", "positions", "recurrent")
CORE |= {f"nbdl.nn.{name}" for name in LAYERS}


@pytest.mark.parametrize("name", sorted(BUILT_IN | CORE))
def test_examples(name: str):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert not failed
