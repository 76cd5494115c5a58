"""JSON: every command answers in it, and nothing else comes to stdout."""

import json

import pytest
import typer
from nbdl_cli.main import app

from nbdl import nn
from nbdl.hookspecs import hookimpl
from nbdl.kernels.cpu import warm
from nbdl.plugins import isolated_plugins


def commands(group, path=()):
    for name, command in group.commands.items():
        yield pytest.param(command, id=" ".join((*path, name)))
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(app))))
def test_every_command_can_answer_in_json(command):
    assert any("--json" in parameter.opts for parameter in command.params)


class Talkative:
    @hookimpl
    def nbdl_models(self, register):
        def loud(*, outputs: int):
            print("a model is made")
            return nn.Sequential(nn.Flatten(), nn.Dense(outputs))

        register("loud", loud)

    @hookimpl
    def nbdl_epoch_end(self, run, epoch, logs):
        print("an epoch is over")


def test_what_plugins_print_does_not_spoil_it(done, work):
    with isolated_plugins(Talkative(), installed=True):
        trained = done("train", "loud", "--data", "iris", "--epochs", "1", "--out", "run", "--json")
        assert json.loads(trained.stdout)["epochs"] == 1
        assert "a model is made\n" in trained.stderr
        assert "an epoch is over\n" in trained.stderr
        assert json.loads(done("evaluate", "run", "--json").stdout)["rows"] == 30
        (work / "rows.csv").write_text("1,2,3,4\n")
        assert len(json.loads(done("predict", "run", "rows.csv", "--json").stdout)) == 1
        assert "a model is made\n" in done("evaluate", "run").stdout  # where nobody reads it as JSON


def test_inspect(done, runs):
    found = json.loads(done("inspect", runs / "iris", "--json", "--graph", "--memory", "--source").stdout)
    assert (found["program"], found["batch_size"], found["workers"]) == ("training", 16, 1)
    assert [layer["parameters"] for layer in found["layers"] if layer["kind"] == "Dense"] == [40, 27]
    assert found["graph"] == done("inspect", runs / "iris", "--graph").stdout.rstrip("\n")
    assert found["source"] == done("inspect", runs / "iris", "--source").stdout
    assert found["memory"]["totals"]["all"] > max(each["bytes"] for each in found["memory"]["buffers"]) > 0
    assert set(json.loads(done("inspect", "mlp", "--json").stdout)) == {"program", "batch_size", "workers", "layers"}


def test_cache(done, tmp_path, monkeypatch):
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(warm, "compile_library", lambda scalars, report: report("one"))
    warmed = json.loads(done("cache", "warm", "--json").stdout)
    assert (warmed["folder"], warmed["kernels"] > 1) == (str(tmp_path / "cache"), True)
    (tmp_path / "cache" / "a.py").write_text("x" * 2000)
    assert json.loads(done("cache", "--json").stdout) == json.loads(done("cache", "info", "--json").stdout)
    assert json.loads(done("cache", "clear", "--json").stdout)["bytes"] >= 2000


def test_a_new_plugin(done, work):
    made = json.loads(done("plugins", "new", "my-plugin", "--json").stdout)
    assert made["folder"] == "my-plugin"
    assert "src/my_plugin/__init__.py" in made["files"]
    assert all((work / "my-plugin" / file).is_file() for file in made["files"])
