"""The files of a new plugin package, with `$name` (my-plugin) and `$module` (my_plugin) to be filled in."""

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$name"
version = "0.1.0"
description = "A plugin of nbdl"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["nbdl"]

[project.optional-dependencies]
test = ["pytest>=8"]

# This is how nbdl finds the plugin: the group `nbdl`, any name, and the module with the hooks.
[project.entry-points.nbdl]
$module = "$module"

[tool.setuptools.packages.find]
where = ["src"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

README = """\
# $name

A plugin of nbdl: a loss, an optimizer, a model and a data set.

```
pip install -e ".[test]"
pytest
nbdl plugins
nbdl show ${module}_net
nbdl train ${module}_net --data ${module}_rings --loss ${module}_margin --optimizer ${module}_sign --epochs 20
```

Everything is in `src/$module/__init__.py`. The options of a thing are the keyword parameters of its signature; give
them with `--set model.hidden=[64]`, `--set loss.margin=2`, `--set optimizer.lr=0.01`, `--set data.noise=0.2`.
"""

MODULE = '''\
"""A plugin of nbdl: a loss, an optimizer, a model and a data set. Keep what you need."""

from pathlib import Path

import nbdl
import numpy as np
from nbdl import Tensor, hookimpl, nn
from nbdl.data import Dataset, Split
from nbdl.optim import Optimizer, Slots


def margin_loss(prediction: Tensor, target: Tensor, margin: float = 1.0) -> Tensor:
    """Squared hinge loss over several classes, mean over all rows.

    mean(sum(max(0, margin - (score of the class - other scores))^2))

    Args:
        prediction: scores, (rows, classes).
        target: class numbers, (rows,).
        margin: by how much the right class has to lead.
    """
    classes = nbdl.arange(prediction.shape[-1])
    chosen = nbdl.expand_dims(target, -1) == classes
    right = nbdl.sum(nbdl.where(chosen, prediction, 0.0), axis=-1, keepdims=True)
    excess = nbdl.maximum(margin - (right - prediction), 0.0)
    return nbdl.mean(nbdl.sum(nbdl.where(chosen, 0.0, excess * excess), axis=-1))


class Sign(Optimizer):
    """Gradient descent by the sign of an averaged gradient.

    m = momentum * m + (1 - momentum) * gradient;  parameter -= lr * sign(m)

    Args:
        lr: learning rate.
        momentum: how much of the average is kept.
    """

    def __init__(self, lr: float = 1e-3, *, momentum: float = 0.9) -> None:
        super().__init__(lr)
        self.momentum = momentum

    def init(self, parameter: Tensor) -> Slots:
        return {"m": nbdl.zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, slots: Slots, step: Tensor) -> tuple[Tensor, Slots]:
        m = self.momentum * slots["m"] + (1 - self.momentum) * gradient
        return parameter - self.learning_rate(step) * nbdl.sign(m), {"m": m}


def net(*, outputs: int, hidden: list[int] = [32, 32], activation: str = "tanh") -> nn.Module:  # noqa: B006
    """Dense layers one after another.

    Args:
        outputs: number of classes or targets; it comes from the data.
        hidden: units of each hidden layer.
        activation: what follows each hidden layer.
    """
    layers = [nn.Dense(units, activation=activation) for units in hidden]
    return nn.Sequential(*layers, nn.Dense(outputs))


def rings(*, data_dir: Path | None = None, seed: int = 0, rows: int = 1000, noise: float = 0.1) -> Dataset:
    """Two rings, one inside the other, to be told apart.

    Args:
        data_dir: where a data set may keep its files; this one has none.
        seed: what the points are drawn from.
        rows: number of points; a fifth of them is for testing.
        noise: how far the points are off the rings.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    angle = rng.uniform(0, 2 * np.pi, rows)
    radius = 1.0 + label + rng.normal(0, noise, rows)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    cut = max(rows // 5, 1)
    return Dataset(
        "$module rings",
        "classification",
        Split(points[cut:], label[cut:]),
        test=Split(points[:cut], label[:cut]),
        features=("x", "y"),
        classes=("inner", "outer"),
    )


@hookimpl
def nbdl_losses(register):
    register("${module}_margin", margin_loss)


@hookimpl
def nbdl_optimizers(register):
    register("${module}_sign", Sign)


@hookimpl
def nbdl_models(register):
    register("${module}_net", net)


@hookimpl
def nbdl_datasets(register):
    register("${module}_rings", rings)
'''

TESTS = '''\
"""Tests of the plugin: nbdl's contracts for what it registers, and what it promises itself."""

import numpy as np
import pytest
from nbdl import Tensor
from nbdl.plugins import isolated_plugins, lookup
from nbdl.testing import check_documented, check_loss, check_model, check_optimizer

import $module

SCORES = np.array([[3.0, 0.0, 1.2], [0.0, 3.0, 2.7], [0.4, 0.3, 0.1]], np.float32)
KINDS = {"losses": "margin", "optimizers": "sign", "models": "net", "datasets": "rings"}


@pytest.fixture(autouse=True)
def plugin():
    with isolated_plugins($module, installed=True):
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_registered_and_documented(kind):
    found = lookup(kind, f"${module}_{KINDS[kind]}")
    check_documented(found.factory, options=found.options, source=False)


def test_loss_keeps_the_contract():
    check_loss($module.margin_loss, SCORES, np.array([1, 1, 2]))


def test_loss_is_zero_when_the_right_class_leads():
    loss, target = $module.margin_loss, Tensor(np.array([0, 1]))
    assert float(loss(Tensor(SCORES[:2, :2]), target)) == 0.0
    # The wrong class leads by 3, so the right one lacks 4 to a lead of 1: 4^2 in each row.
    assert float(loss(Tensor(SCORES[:2, 1::-1].copy()), target)) == 16.0


def test_optimizer_keeps_the_contract():
    check_optimizer(lambda: $module.Sign(lr=0.01))


def test_model_keeps_the_contract():
    check_model($module.net, features=(2,), outputs=2)


def test_rings_are_told_apart_by_the_radius():
    data = lookup("datasets", "${module}_rings").make(seed=0, data_dir=None, rows=400)
    assert data.classes == ("inner", "outer")
    assert (len(data.train), len(data.test)) == (320, 80)
    outside = np.hypot(data.test.x[:, 0], data.test.x[:, 1]) > 1.5
    assert np.mean(outside == data.test.y) > 0.95
'''
