"""The installed `nbdl`, as a person runs it, and a plugin package as a person installs it."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from nbdl_cli import main


def test_the_command_runs(nbdl):
    done = nbdl("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nbdl [OPTIONS] COMMAND" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shwo"], "there is no command 'shwo'; did you mean 'show'?"),
        (["show", "adamm"], "did you mean 'adam'"),
        (["show"], "Missing argument"),
        (["plugins", "new", "My Plugin"], "'My Plugin' can't be a package's name"),
        (["plugins", "new", "class"], "a module can't be called 'class', which is a word of Python"),
        (["plugins", "new", "numpy"], "a module 'numpy' is installed already"),
        (["--no-plugin", "absent", "models"], "there is no plugin 'absent' to leave out"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(nbdl, arguments, message):
    done = nbdl(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debugging_shows_the_traceback(nbdl, monkeypatch):
    monkeypatch.setenv("NBDL_DEBUG", "1")
    assert "Traceback" in nbdl("show", "adamm").stderr


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a function that installs a plugin by hand where the command finds it."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def install(module, source):
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[nbdl]\n{module} = {module}\n")

    return install


def test_a_broken_plugin_is_reported_and_breaks_nothing(nbdl, site):
    site("broken_plugin", "import a_module_that_is_not_there")
    done = nbdl("plugins")
    assert done.returncode == 0
    assert "broken_plugin (broken_plugin 1.0): can't be imported: ModuleNotFoundError" in done.stdout
    assert "Traceback" not in done.stdout
    assert "Traceback" in nbdl("plugins", "--verbose").stdout
    assert nbdl("optimizers").returncode == nbdl("--help").returncode == 0


COMMAND = """
    import time
    from nbdl.hookspecs import hookimpl
    {top}

    @hookimpl
    def nbdl_{hook}:
        {body}
"""


def test_a_plugin_without_commands_is_not_imported_for_the_help(nbdl, site, tmp_path):
    body, imports = "register('slow', lambda prediction, target: 0)", tmp_path / "imports"
    top = f"open({str(imports)!r}, 'a').write('.')"
    site("slow_plugin", COMMAND.format(top=top, hook="losses(register)", body=body))
    nbdl("--help")  # finds out, once, that it adds no commands
    imports.write_text("")
    assert nbdl("--help").returncode == 0
    assert imports.read_text() == ""
    assert "slow" in nbdl("losses").stdout
    assert imports.read_text() == "."


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_ctrl_c_ends_with_130(nbdl_path, site):
    body = "app.command()(lambda: (print('ready', flush=True), time.sleep(60)))"
    site("sleeper", COMMAND.format(top="", hook="commands(app)", body=body.replace("command()", "command('sleep')")))
    process = subprocess.Popen([nbdl_path, "sleep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == "Interrupted.\n"


def test_a_bug_is_told_apart_from_a_mistake(nbdl, site):
    site("buggy", COMMAND.format(top="", hook="commands(app)", body="app.command('divide')(lambda: print(1 / 0))"))
    done = nbdl("divide")
    assert done.returncode == 1
    assert "the plugin buggy (buggy 1.0) failed in <lambda>" in done.stderr
    assert "ZeroDivisionError: division by zero\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bug_of_nbdl_is_said_to_be_one(monkeypatch, capsys):
    monkeypatch.setattr(main, "app", lambda: 1 / 0)
    with pytest.raises(SystemExit, match="1"):
        main.main()
    assert "this is a bug in nbdl or in a plugin: ZeroDivisionError" in capsys.readouterr().err


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Write a new plugin package and install it with pip into a folder."""
    from nbdl_cli.new_plugin import write_plugin

    source = write_plugin("fresh-plugin", tmp_path_factory.mktemp("source"))
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No module named pip" in done.stderr:
        pytest.skip("pip isn't installed in this environment")
    assert done.returncode == 0, done.stderr
    return source, target


def test_a_new_plugin_installs_and_is_found(nbdl, package, monkeypatch):
    _, target = package
    monkeypatch.setenv("PYTHONPATH", str(target))
    reports = json.loads(nbdl("plugins", "--json").stdout)
    (report,) = [report for report in reports if report["package"] == "fresh-plugin"]
    assert (report["state"], report["problems"]) == ("loaded", [])
    assert report["offers"] == {
        "models": ["fresh_plugin_net"],
        "losses": ["fresh_plugin_margin"],
        "optimizers": ["fresh_plugin_sign"],
        "datasets": ["fresh_plugin_rings"],
    }
    (shown,) = json.loads(nbdl("show", "fresh_plugin_net", "--json").stdout)
    assert [option["name"] for option in shown["options"]] == ["hidden", "activation"]


def test_a_new_plugin_trains(nbdl, package, monkeypatch, tmp_path):
    _, target = package
    monkeypatch.setenv("PYTHONPATH", str(target))
    kinds = ("--data", "fresh_plugin_rings", "--loss", "fresh_plugin_margin", "--optimizer", "fresh_plugin_sign")
    done = nbdl("train", "fresh_plugin_net", *kinds, "--epochs", "20", "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["test"]["accuracy"] > 0.9
    assert json.loads(nbdl("evaluate", tmp_path / "run", "--json").stdout)["rows"] == 200


def test_a_new_plugin_passes_its_own_tests(package):
    source, _ = package
    environment = os.environ | {"PYTHONPATH": str(source / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=source)
    assert done.returncode == 0, done.stdout


def test_a_new_plugin_is_clean(package):
    source, _ = package
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", str(source)]
    done = subprocess.run(ruff, capture_output=True, text=True, cwd=source)
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff isn't installed in this environment")
    assert done.returncode == 0, done.stdout


def test_a_new_plugin_does_not_overwrite(tmp_path, nbdl):
    assert nbdl("plugins", "new", "mine", "--dir", tmp_path).returncode == 0
    done = nbdl("plugins", "new", "mine", "--dir", tmp_path)
    assert done.returncode == 2
    assert "exists already" in done.stderr
