"""Commands run in this process: what they print, and with which exit code they end."""

import errno
import json

import pytest
import typer
from nbdl_cli import plugin_commands
from nbdl_cli.main import app, guarded

from nbdl import errors
from nbdl.hookspecs import KINDS, hookimpl
from nbdl.kernels.cpu import warm
from nbdl.plugins import isolated_plugins


def huber(prediction, target, delta: float = 1.0, reduction: str | None = None, *, key=max):
    """Huber loss.

    It is robust.

    Args:
        delta: where the square turns into a line.
    """


class Sample:
    @hookimpl
    def nbdl_losses(self, register):
        register("huber", huber)

    @hookimpl
    def nbdl_metrics(self, register):
        register("huber", lambda: 0)

    @hookimpl
    def nbdl_optimizers(self, register):
        register("sgd", lambda lr=0.1: 0)


@pytest.fixture(autouse=True)
def plugins():
    plugin_commands._offered.cache_clear()
    with isolated_plugins() as own:
        own.register_plugin(Sample(), "sample", package="sample-package")
        yield own
    plugin_commands._offered.cache_clear()


# --- help ----------------------------------------------------------------------------------------------------------


def commands(group=None, path=()):
    """Walk all commands."""
    group = group or typer.main.get_command(app)
    for name in group.commands:
        command = group.commands[name]
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=lambda value: str(value)[:40])
def test_every_command_has_help_with_examples(invoke, path, command):
    result = invoke(*path, "--help")
    assert result.exit_code == 0
    assert command.help.strip()
    assert "Examples:\n" in result.output
    assert f"    nbdl {path[0]}" in result.output


def test_no_arguments_show_the_help(invoke):
    result = invoke()
    assert result.exit_code == 2
    assert "models" in result.output


def test_version(invoke):
    result = invoke("--version")
    assert (result.exit_code, result.output.split()[0]) == (0, "nbdl")


# --- listing and showing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"benchmarks"}))
def test_every_kind_is_listed(invoke, kind):
    result = invoke(kind)
    assert result.exit_code == 0
    assert "huber" in result.output or f"There are no {kind}" in result.output or kind == "optimizers"


def test_a_list_for_people_and_for_programs(invoke):
    result = invoke("losses")
    line = next(line for line in result.output.splitlines() if line.startswith("huber"))
    assert line.split() == ["huber", "sample-package", "delta=1.0", "reduction=none", "key=max", "Huber", "loss"]
    (entry,) = json.loads(invoke("losses", "--json").output)
    assert (entry["name"], entry["package"], entry["module"]) == ("huber", "sample-package", "sample")
    assert entry["options"][0] == {
        "name": "delta",
        "type": "float",
        "required": False,
        "default": 1.0,
        "doc": "where the square turns into a line.",
    }


def test_two_of_one_name_are_told_apart_in_the_list(invoke, plugins):
    plugins.register_plugin(Sample(), "other")
    output = invoke("losses").output
    assert "sample-package:huber" in output
    assert "other:huber" in output


def test_show(invoke):
    output = invoke("show", "loss:huber").output
    assert output.startswith("huber: loss from sample-package (sample)\n\nHuber loss.\n\nIt is robust.\n\noption")
    assert output.count("where the square turns into a line.") == 1
    for name in ("losses:huber", "sample-package:huber", "huber"):
        assert "huber: loss from sample-package" in invoke("show", name).output
    assert "huber: metric from" in invoke("show", "huber").output
    assert "huber: metric from" not in invoke("show", "loss:huber").output
    assert json.loads(invoke("show", "loss:huber", "--json").output)[0]["doc"] == huber.__doc__
    assert "It has no options." in invoke("show", "metric:huber").output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hubr", "there is no model, loss, optimizer, ... 'hubr'; did you mean 'huber'?"),
        ("optimizer:huber", "there is no optimizer 'huber'; there is sgd"),
        ("other:huber", "there is no model, loss, optimizer, ... 'other:huber'; did you mean 'huber'?"),
    ],
)
def test_show_what_is_not_there(invoke, name, message):
    result = invoke("show", name)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")
    assert result.stdout == ""


def test_plugins(invoke, plugins):
    output = invoke("plugins").output
    assert "losses: huber; optimizers: sgd; metrics: huber" in output
    (entry,) = json.loads(invoke("plugins", "--json").output)
    assert (entry["module"], entry["state"], entry["offers"]["losses"]) == ("sample", "loaded", ["huber"])


def test_a_plugin_is_left_out(invoke):
    assert "huber" in invoke("losses").output
    result = invoke("--no-plugin", "Sample_Package", "losses")
    assert result.exit_code == 0
    assert "huber" not in result.output
    result = invoke("--no-plugin", "smaple", "losses")
    assert result.exit_code == 2
    assert "there is no plugin 'smaple' to leave out; did you mean 'sample'" in result.stderr


# --- commands of plugins -------------------------------------------------------------------------------------------


class WithCommand:
    @hookimpl
    def nbdl_commands(self, app):
        @app.command()
        def hello(name: str, loud: bool = False):
            """Say hello."""
            typer.echo(f"HELLO {name}" if loud else f"Hello {name}")

        @app.command()
        def losses():
            """Take a name that nbdl has."""


def test_a_plugin_adds_a_command(invoke, plugins):
    plugins.register_plugin(WithCommand(), "greeter")
    assert "hello         Say hello." in invoke("--help").output
    assert invoke("hello", "you", "--loud").output == "HELLO you\n"
    assert invoke("greeter:hello", "you").output == "Hello you\n"
    assert "--loud" in invoke("hello", "--help").output


def test_a_plugin_that_wants_the_name_of_a_command_of_nbdl(invoke, plugins):
    plugins.register_plugin(WithCommand(), "greeter")
    assert "command 'losses' is refused: nbdl has one of that name" in invoke("plugins").output
    assert "Huber" in invoke("losses").output


def test_two_plugins_with_one_command(invoke, plugins):
    plugins.register_plugin(WithCommand(), "greeter")
    plugins.register_plugin(WithCommand(), "greeter2")
    result = invoke("hello", "you")
    assert result.exit_code == 2
    assert "offered by greeter and greeter2; say which with 'greeter:hello' or 'greeter2:hello'" in result.stderr
    assert invoke("greeter2:hello", "you").output == "Hello you\n"
    assert "greeter2:hello" in invoke("--help").output


def test_a_plugin_whose_commands_are_broken(invoke, plugins):
    class Broken:
        @hookimpl
        def nbdl_commands(self, app):
            @app.command()
            def bad(thing: list[list[int]]): ...

    plugins.register_plugin(Broken(), "broken")
    plugins.register_plugin(WithCommand(), "greeter")
    assert "broken (broken): its commands can't be used" in invoke("plugins").output
    assert invoke("hello", "you").exit_code == 0


# --- errors --------------------------------------------------------------------------------------------------------


def test_an_unknown_command_and_an_unknown_option(invoke):
    result = invoke("modles")
    assert result.exit_code == 2
    assert "there is no command 'modles'; did you mean 'models'?" in result.stderr
    assert invoke("models", "--jsn").exit_code == 2


def full_disk():
    try:
        raise OSError(errno.ENOSPC, "full")
    except OSError as cause:
        raise errors.RunError("the disk is full") from cause


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("work", "code", "message"),
    [
        (lambda: fail(errors.OptionError("a")), 2, "Error: a\n"),
        (lambda: fail(errors.UnknownNameError("a")), 2, "Error: a\n"),
        (lambda: fail(errors.DataError("a")), 2, "Error: a\n"),
        (lambda: fail(errors.ShapeError("a")), 2, "Error: a\n"),
        (lambda: fail(errors.PluginError("a")), 2, "Error: a\n"),
        (lambda: fail(errors.RunError("a")), 2, "Error: a\n"),
        (full_disk, 1, "Error: the disk is full\n"),
        (lambda: fail(errors.NumericsError("a")), 1, "Error: a\n"),
        (lambda: fail(MemoryError()), 1, "Error: there is not enough memory; try a smaller model, a smaller --batch-"),
        (lambda: fail(MemoryError("24 GiB")), 1, "Error: there is not enough memory (24 GiB); try a smaller model"),
        (lambda: fail(errors.InterruptedTraining("saved")), 130, "saved\n"),
        (lambda: fail(KeyboardInterrupt()), 130, "Interrupted.\n"),
    ],
)
def test_errors_end_as_a_message_and_a_code(work, code, message, capsys, monkeypatch):
    monkeypatch.delenv("NBDL_DEBUG", raising=False)
    with pytest.raises(typer.Exit) as caught:
        guarded(work)
    assert caught.value.exit_code == code
    captured = capsys.readouterr()
    assert captured.err.startswith(message)
    assert captured.out == ""


def test_debugging_keeps_the_traceback(monkeypatch):
    monkeypatch.setenv("NBDL_DEBUG", "1")
    with pytest.raises(errors.OptionError):
        guarded(lambda: fail(errors.OptionError("a")))


# --- doctor, cache -------------------------------------------------------------------------------------------------


def test_doctor(invoke):
    result = invoke("doctor", "--json")
    found = json.loads(result.output)
    assert (result.exit_code, found["ok"], found["problems"]) == (0, True, [])
    assert found["compiler"] == "works"
    assert found["processor"]["cores"] >= 1
    assert found["processor"]["vector_bits"] in (128, 256, 512)
    assert found["cuda"]["verdict"]
    output = invoke("doctor").output
    assert found["versions"]["numba"] in output
    assert "Everything nbdl needs is there." in output


def test_doctor_names_what_is_missing(invoke, monkeypatch):
    from nbdl_cli import checks

    installed = {"python": "3.11", **dict.fromkeys(checks.NEEDED, "1"), "numba": ""}
    monkeypatch.setattr(checks, "versions", lambda: installed)
    monkeypatch.setattr(checks, "_compiler", lambda: "ModuleNotFoundError: numba")
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "numba isn't installed: pip install numba" in result.output
    assert "Numba can't compile: ModuleNotFoundError: numba" in result.output


def test_cache(invoke, tmp_path, monkeypatch):
    folder = tmp_path / "new" / "cache"
    monkeypatch.setenv("NBDL_CACHE_DIR", str(folder))
    assert json.loads(invoke("cache", "info", "--json").output)["folder"] == str(folder)
    (folder / "programs").mkdir()
    (folder / "programs" / "a.py").write_text("x" * 2000)
    found = json.loads(invoke("cache", "info", "--json").output)
    assert found["parts"]["programs"] == {"files": 1, "bytes": 2000}
    assert "programs" in invoke("cache").output
    assert invoke("cache", "clear").exit_code == 0
    assert [entry.name for entry in folder.iterdir()] == ["CACHEDIR.TAG"]


def test_the_cache_is_warmed_for_the_numbers_that_are_asked_for(invoke, monkeypatch):
    asked = []
    monkeypatch.setattr(warm, "compile_library", lambda scalars, report: asked.append(scalars))
    result = invoke("cache", "warm")
    assert "kernels in" in result.output
    invoke("cache", "warm", "--dtype", "float64", "--dtype", "float32")
    assert asked == [["float32"], ["float64", "float32"]]
    assert invoke("cache", "warm", "--dtype", "int8").exit_code == 2


def test_a_folder_that_nbdl_did_not_make_is_not_emptied(invoke, tmp_path, monkeypatch):
    (tmp_path / "thesis.tex").write_text("years of work")
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path))
    result = invoke("cache", "clear")
    assert result.exit_code == 2
    assert "wasn't made by nbdl" in result.stderr
    assert (tmp_path / "thesis.tex").exists()
