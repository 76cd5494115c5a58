"""Whole plugin packages: in the library, in `nbdl train` and in `nbdl plugins`; broken ones and rivals beside them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nbdl.plugins
from nbdl import nn
from nbdl.errors import PluginError
from nbdl.ir.primitives import TABLE

KIT = '''
    """A loss, an optimizer, a model with an operation of its own, and a data set."""
    import numpy as np
    import nbdl
    from nbdl import hookimpl, nn
    from nbdl.data import Dataset, Split
    from nbdl.optim import Optimizer

    def _bump(x):
        return x / (1 + x * x)

    bump = nbdl.op(
        "bump", cpu=_bump, derivative=lambda inputs, output, g: [g * (1 - inputs[0] ** 2) / (1 + inputs[0] ** 2) ** 2]
    )

    def charbonnier(prediction, target, epsilon: float = 0.1):
        """sqrt(error**2 + epsilon**2), mean over all elements."""
        return nbdl.mean(nbdl.sqrt((prediction - target.reshape(prediction.shape)) ** 2 + epsilon**2))

    class SignDescent(Optimizer):
        """Steps of one length along the sign of the gradient."""

        def __init__(self, lr: float = 0.01):
            super().__init__(lr)

        def update(self, parameter, gradient, slots, step):
            return parameter - self.learning_rate(step) * nbdl.sign(gradient), slots

    def bumps(*, outputs: int, hidden: int = 16):
        """A hidden layer of bumps."""
        return nn.Sequential(nn.Dense(hidden), bump, nn.Dense(outputs))

    def waves(*, data_dir=None, seed=0, rows: int = 200):
        """A sum of a sine and a line."""
        x = np.random.default_rng(seed).normal(size=(rows + 50, 2)).astype(np.float32)
        y = np.sin(x[:, :1]) + x[:, 1:]
        parts = Split(x[:rows], y[:rows]), Split(x[rows:], y[rows:])
        return Dataset(name="waves", task="regression", train=parts[0], test=parts[1], features=["a", "b"])

    @hookimpl
    def nbdl_losses(register):
        register("charbonnier", charbonnier)

    @hookimpl
    def nbdl_optimizers(register):
        register("sign_descent", SignDescent)

    @hookimpl
    def nbdl_models(register):
        register("bumps", bumps)

    @hookimpl
    def nbdl_datasets(register):
        register("waves", waves)
'''
RIVAL = '''
    import nbdl
    from nbdl import hookimpl

    def charbonnier(prediction, target):
        """The rival's."""
        return nbdl.mean(nbdl.abs(prediction - target.reshape(prediction.shape)))

    @hookimpl
    def nbdl_losses(register):
        register("charbonnier", charbonnier)
'''
TRAIN = ("train", "bumps", "--data", "waves", "--optimizer", "sign_descent", "--epochs", "2", "--seed", "0")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a command in this process, in an empty folder, and checks its exit code."""
    from nbdl_cli.main import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NBDL_DEBUG", raising=False)

    def invoke(*arguments, code=0):
        result = CliRunner().invoke(app, [str(each) for each in arguments], prog_name="nbdl")
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def kit(install):
    """A package `sample-kit` with the module `sample_kit`."""
    yield install("sample_kit", KIT, package="sample-kit", version="0.3")
    TABLE.pop("bump", None)


def reported(run, package):
    reports = [each for each in json.loads(run("plugins", "--json").stdout) if each["package"] == package]
    assert len(reports) == 1
    return reports[0]


def test_a_package_trains_from_the_command_line(run, kit):
    run(*TRAIN, "--loss", "charbonnier", "--set", "loss.epsilon=0.2", "--set", "model.hidden=8", "--out", "run")
    config = tomllib.loads(Path("run/config.toml").read_text())
    assert config["model"] == {"name": "sample-kit:bumps", "hidden": 8}
    assert config["loss"] == {"name": "sample-kit:charbonnier", "epsilon": 0.2}
    assert config["data"]["name"] == "sample-kit:waves"
    assert config["optimizer"]["name"] == "sample-kit:sign_descent"
    assert 'plugin_kernel("sample_kit", "_bump")' in Path("run/source.py").read_text()
    assert json.loads(Path("run/environment.json").read_text())["plugins"] == {"sample-kit": "0.3"}
    assert json.loads(run("evaluate", "run", "--json").stdout)["rows"] == 50
    report = reported(run, "sample-kit")
    assert (report["state"], report["version"], report["problems"]) == ("loaded", "0.3", [])
    assert report["offers"]["models"] == ["bumps"]


def test_a_package_in_the_library(kit):
    data = nbdl.plugins.lookup("datasets", "waves").make(seed=0, rows=100)
    net = nbdl.plugins.lookup("models", "bumps").make(outputs=1, hidden=8)
    net.compile({"name": "sign_descent", "lr": 0.02}, {"name": "sample-kit:charbonnier", "epsilon": 0.3})
    losses = net.fit(data, epochs=10, seed=0, verbose=False)["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert nbdl.losses.charbonnier(nbdl.ones((3, 1)), nbdl.ones(3)).item() == pytest.approx(0.1)
    assert isinstance(nbdl.optim.sign_descent(), nbdl.optim.Optimizer)


def test_one_that_raises_on_import_is_reported_and_breaks_nothing(run, kit, install):
    install("broken_kit", "import a_module_that_is_not_there", package="broken-kit", version="2.0")
    report = reported(run, "broken-kit")
    assert (report["state"], report["version"], report["offers"]) == ("broken", "2.0", {})
    assert "No module named 'a_module_that_is_not_there'" in report["problems"][0]["cause"]
    shown = run("plugins").stdout
    assert "broken_kit (broken-kit 2.0): can't be imported: ModuleNotFoundError" in shown
    assert "sample_kit" in shown
    nn.Sequential(nn.Dense(1)).compile("sign_descent", "charbonnier")


def test_two_that_claim_one_name_are_told_apart(run, kit, install):
    run(*TRAIN, "--loss", "charbonnier", "--out", "before")
    install("rival_kit", RIVAL, package="rival-kit")
    which = "say which with 'rival-kit:charbonnier' or 'sample-kit:charbonnier'"
    failed = run(*TRAIN, "--loss", "charbonnier", "--out", "refused", code=2)
    assert which in " ".join(failed.stderr.split())
    with pytest.raises(PluginError, match=which):
        nn.Sequential(nn.Dense(1)).compile("sgd", "charbonnier")
    run(*TRAIN, "--loss", "rival-kit:charbonnier", "--out", "rival")
    assert tomllib.loads(Path("rival/config.toml").read_text())["loss"] == {"name": "rival-kit:charbonnier"}
    ours, theirs = (json.loads(run("evaluate", folder, "--json").stdout) for folder in ("before", "rival"))
    assert theirs["loss"] == pytest.approx(theirs["mae"], rel=1e-5)
    assert not np.isclose(ours["loss"], ours["mae"], rtol=1e-3)


USURPER = """
    from nbdl import hookimpl

    def taken(*arguments, **options):
        raise AssertionError("nobody asked for this one")

    @hookimpl
    def nbdl_models(register):
        register("mlp", taken)

    @hookimpl
    def nbdl_optimizers(register):
        register("adam", taken)

    @hookimpl
    def nbdl_activations(register):
        register("relu", taken)

    @hookimpl
    def nbdl_callbacks(register):
        register("best_weights", taken)
        register("progress", taken)
"""


def test_one_that_offers_names_of_nbdl_changes_no_run(run, install):
    small = ("--data", "iris", "--epochs", "1", "--set", "model.hidden=[4]")
    run("train", "mlp", *small, "--out", "before")
    install("usurper_kit", USURPER, package="usurper-kit")
    run("evaluate", "before")
    run("inspect", "before")
    run("train", "--resume", "before", "--epochs", "2")
    run("train", "nbdl:mlp", *small, "--out", "after")
    after = tomllib.loads(Path("after/config.toml").read_text())
    assert (after["model"]["name"], after["optimizer"]["name"]) == ("mlp", "adam")
    causes = [problem["cause"] for problem in reported(run, "usurper-kit")["problems"]]
    assert (
        "model 'mlp' is offered by nbdl too: the bare name is nbdl's own, and this one is 'usurper-kit:mlp'" in causes
    )
    assert len(causes) == 5
    assert nbdl.plugins.lookup("models", "usurper-kit:mlp").package == "usurper-kit"
