"""Plugins that pip has installed: found, selected, left out, remembered; broken ones harm nobody."""

import os
import subprocess
import sys
import textwrap
import time

import pytest

from nbdl import plugins
from nbdl.errors import PluginError, UnknownNameError
from nbdl.plugin_index import PluginIndex
from nbdl.plugins import lookup, names

GOOD = """
    from nbdl.hookspecs import hookimpl

    def {name}(prediction, target): "A loss."

    @hookimpl
    def nbdl_losses(register):
        register("{name}", {name})
"""


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import a_module_that_is_not_there", "can't be imported: ModuleNotFoundError: No module named 'a_module_that"),
        ("raise ValueError('two\\nlines')", "can't be imported: ValueError: two"),
        ("def f(:", "can't be imported: SyntaxError"),
        ("import sys; sys.exit(3)", "can't be imported: SystemExit: 3"),
        (GOOD.format(name="x").replace("(register)", "(app)"), "breaks a hook's contract: PluginValidationError"),
        (GOOD.format(name="x").replace('register("x"', '1 / 0, ("x"'), "its hook nbdl_losses failed: ZeroDivision"),
    ],
)
def test_a_broken_plugin_is_reported_and_breaks_nothing(install, source, cause):
    install("broken_plugin", source, package="broken-package", version="0.3")
    install("good_plugin", GOOD.format(name="fine"))
    assert "fine" in names("losses")
    report = next(report for report in plugins.report() if report.module == "broken_plugin")
    assert (report.package, report.version) == ("broken-package", "0.3")
    assert report.state == ("loaded" if "failed" in cause else "broken")
    assert len(report.problems) == 1
    assert report.problems[0].cause.startswith(cause)
    assert "\n" not in report.problems[0].cause
    assert "Traceback" in report.problems[0].traceback
    with pytest.raises(UnknownNameError, match=r"not working: .*broken_plugin.*; `nbdl plugins` says why"):
        lookup("losses", "fien_")


def test_two_distributions_claim_one_name(install):
    install("first_plugin", GOOD.format(name="fine"), package="first-package")
    install("second_plugin", GOOD.format(name="fine"), package="second-package")
    with pytest.raises(PluginError, match=r"first-package .* and second-package"):
        lookup("losses", "fine")
    assert lookup("losses", "second_plugin:fine").package == "second-package"


@pytest.mark.parametrize("name", ["good-package", "good_plugin", "Good_Package"])
def test_selection_by_environment(install, monkeypatch, name):
    install("good_plugin", GOOD.format(name="fine"), package="good-package")
    install("other_plugin", GOOD.format(name="other"))
    monkeypatch.setenv("NBDL_PLUGINS", f"{name}, absent")
    plugins._current = None
    assert names("losses") == ["fine"]
    assert names("datasets") == []  # the built-in ones are no exception
    states = {report.module: report.state for report in plugins.report()}
    assert states["good_plugin"] == "loaded"
    assert states["other_plugin"] == states["nbdl_datasets"] == "disabled"
    assert states["absent"] == "missing"
    monkeypatch.delenv("NBDL_PLUGINS")
    monkeypatch.setenv("NBDL_DISABLE_PLUGINS", f"{name},absent")
    plugins._current = None
    assert "fine" not in names("losses")
    assert "other" in names("losses")
    with pytest.raises(UnknownNameError, match="disabled: good_plugin"):
        lookup("losses", "fine_")


def test_a_disabled_plugin_is_not_imported(install, monkeypatch):
    install("slow_plugin", "raise SystemError('imported')")
    monkeypatch.setenv("NBDL_DISABLE_PLUGINS", "slow_plugin")
    plugins._current = None
    assert [report.problems for report in plugins.report() if report.module == "slow_plugin"] == [()]


def test_disabling_from_the_program(install):
    install("good_plugin", GOOD.format(name="fine"))
    assert "fine" in names("losses")
    plugins.disable("good-plugin")
    assert "fine" not in names("losses")
    with pytest.raises(PluginError, match="no plugin 'god_plugin' to leave out; did you mean 'good_plugin'"):
        plugins.disable("god_plugin")


def test_the_index_spares_imports(install):
    """Once it is known what a plugin implements, it is imported only for that."""
    file = install("good_plugin", GOOD.format(name="fine"))
    install("other_plugin", GOOD.format(name="other").replace("losses", "activations"))
    names("losses")
    for module in ("good_plugin", "other_plugin"):
        assert _imported_by(module, "nbdl.plugins.command_apps(object)") == "False"
    assert _imported_by("good_plugin", "nbdl.plugins.names('losses')") == "True"
    assert _imported_by("other_plugin", "nbdl.plugins.names('losses')") == "False"
    # A name that isn't found where the index says: everything is asked.
    assert _imported_by("other_plugin", "nbdl.plugins.lookup('losses', 'x')") == "True"
    # The plugin was edited: what is known doesn't count any more.
    os.utime(file, (time.time() + 5, time.time() + 5))
    assert _imported_by("good_plugin", "nbdl.plugins.command_apps(object)") == "True"
    assert _imported_by("good_plugin", "nbdl.plugins.command_apps(object)") == "False"


def test_a_damaged_index_is_ignored(install, tmp_path):
    install("good_plugin", GOOD.format(name="fine"))
    names("losses")
    (index,) = (tmp_path / "cache").glob("plugins-*.json")
    for content in ("{", "[]", '{"format": 1, "plugins": {"good_plugin/good_plugin": 3}}', '{"format": 99}'):
        index.write_text(content)
        assert _imported_by("good_plugin", "nbdl.plugins.command_apps(object)") == "True"


def _imported_by(module, statement):
    program = f"""
        import contextlib, sys
        import nbdl.plugins
        with contextlib.suppress(LookupError):
            {statement}
        print({module!r} in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_plugin_may_look_something_up_while_it_is_imported(install):
    """What it implements isn't known at that moment; afterwards it is."""
    install(
        "curious_plugin",
        """
        import nbdl
        import nbdl.plugins

        nbdl.plugins.names("losses")
        nbdl.plugins.names("activations")

        def fine(x): ...

        @nbdl.hookimpl
        def nbdl_activations(register):
            register("fine", fine)
        """,
    )
    names("losses")
    assert "fine" in names("activations")


def test_who_implements_a_hook_is_looked_up_once(install, monkeypatch):
    """A call at the end of each epoch must not ask the file system about every plugin."""
    install("good_plugin", GOOD.format(name="fine"))
    names("losses")
    plugins._current = None  # the index knows it now, and so it isn't imported
    asked = []
    hooks = PluginIndex.hooks
    monkeypatch.setattr(PluginIndex, "hooks", lambda *given: asked.append(given[1]) or hooks(*given))
    plugins.call("nbdl_epoch_end", run=None, epoch=0, logs={})
    assert "good_plugin/good_plugin" in asked
    asked.clear()
    plugins.call("nbdl_epoch_end", run=None, epoch=1, logs={})
    assert asked == []
    assert "fine" in names("losses")
