"""Plugins: registration, lookup, selection, and what happens when one misbehaves."""

import os
import subprocess
import sys
import textwrap
import time

import pytest

from nbdl import hookspecs, plugins
from nbdl.errors import NbdlError, OptionError, PluginError, UnknownNameError
from nbdl.hookspecs import KINDS, hookimpl
from nbdl.plugin_index import PluginIndex
from nbdl.plugins import isolated_plugins, lookup, names, register_plugin


def huber(prediction, target, delta: float = 1.0):
    """Huber loss. It is robust."""
    return (prediction - target) * delta


def mlp(*, outputs: int, hidden: list[int] = (64,)):
    return outputs, hidden


# --- the hooks -----------------------------------------------------------------------------------------------------


def test_every_kind_has_a_documented_hook():
    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("nbdl_")}
    assert {kind.hook for kind in KINDS.values()} <= set(hooks)
    assert all(hook.__doc__ for hook in hooks.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_registered_and_made(plugin, kind):
    contract = KINDS[kind]
    parameters = [*contract.arguments, "scale: int = 2", *(f"{name}=None" for name in contract.supplied)]
    space = {}
    exec(f"def factory({', '.join(parameters)}): return scale", space)
    with isolated_plugins(plugin(contract.hook, thing=space["factory"])):
        assert names(kind) == ["thing"]
        made = lookup(kind, "thing").make(scale=3, **dict.fromkeys(contract.supplied, 0))
        assert (made(*contract.arguments) if contract.arguments else made) == 3


# --- lookup --------------------------------------------------------------------------------------------------------


def test_what_is_registered(plugin):
    with isolated_plugins() as own:
        own.register_plugin(plugin(huber=huber), "my_losses", package="my-package")
        found = lookup("losses", "huber")
        assert (found.name, found.kind, found.package, found.module) == ("huber", "losses", "my-package", "my_losses")
        assert found.summary == "Huber loss. It is robust"
        assert found.options.names == ("delta",)
        assert found.make() is huber
        assert found.make(delta=2)(5, 3) == 4.0
        for package in ("my-package", "my_package", "My.Package", "my_losses"):
            assert lookup("losses", f"{package}:huber") is found


def test_a_class_is_instantiated_a_function_is_bound(plugin):
    class Loss:
        def __init__(self, delta: float = 1.0):
            self.delta = delta

    with isolated_plugins(plugin(cls=Loss)):
        assert lookup("losses", "cls").make(delta=3).delta == 3.0


def test_supplied_parameters_reach_those_who_ask(plugin):
    with isolated_plugins(plugin("nbdl_datasets", blobs=lambda seed, rows=3: (seed, rows), fixed=lambda rows=3: rows)):
        assert lookup("datasets", "blobs").options.names == ("rows",)
        assert lookup("datasets", "blobs").make(seed=7, data_dir=None, rows=5) == (7, 5)
        assert lookup("datasets", "fixed").make(seed=7, data_dir=None) == 3


def test_options_are_checked_when_made(plugin):
    with isolated_plugins(plugin("nbdl_models", mlp=mlp)):
        assert lookup("models", "mlp").make(outputs=3, hidden=(8,)) == (3, [8])
        with pytest.raises(OptionError, match="model 'mlp' has no option 'hiden'; did you mean 'hidden'"):
            lookup("models", "mlp").make(outputs=3, hiden=[8])


def test_unknown_names_get_suggestions(plugin):
    with isolated_plugins(plugin(huber=huber)):
        with pytest.raises(UnknownNameError, match=r"^there is no loss 'hubr'; did you mean 'huber'\?$"):
            lookup("losses", "hubr")
        with pytest.raises(UnknownNameError, match="there is no loss 'other:huber': 'other' offers none of that name"):
            lookup("losses", "other:huber")
        with pytest.raises(UnknownNameError, match="there is no model 'huber'; there is none"):
            lookup("models", "huber")
        with pytest.raises(UnknownNameError, match="no kind of plugin 'loss'; did you mean 'losses'"):
            lookup("loss", "huber")


def test_two_packages_with_one_name(plugin):
    with isolated_plugins() as own:
        own.register_plugin(plugin(huber=huber), "first")
        own.register_plugin(plugin(huber=mean_huber), "second", package="second-package")
        with pytest.raises(
            PluginError,
            match=r"offered by first \(first\) and second-package \(second\); say which with "
            r"'first:huber' or 'second-package:huber'",
        ):
            lookup("losses", "huber")
        assert lookup("losses", "second-package:huber").factory is mean_huber
        assert lookup("losses", "second:huber").factory is mean_huber
        assert names("losses") == ["first:huber", "second-package:huber"]
        own.disable("first")
        assert lookup("losses", "huber").factory is mean_huber


def mean_huber(prediction, target): ...


def test_two_modules_of_one_package_with_one_name(plugin):
    with isolated_plugins() as own:
        for module in ("one", "two"):
            own.register_plugin(plugin(huber=huber), module, package="both")
        with pytest.raises(PluginError, match="say which with 'one:huber' or 'two:huber'"):
            lookup("losses", "huber")


# --- registration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "factory", "reason"),
    [
        ("Huber", huber, "lower-case identifier"),
        ("my-loss", huber, "lower-case identifier"),
        ("", huber, "lower-case identifier"),
        (3, huber, "lower-case identifier"),
        ("huber", 3, "its factory is 3, which can't be called"),
        ("huber", lambda prediction: 0, "takes 1 positional argument, and nbdl passes 2"),
        ("huber", lambda p, t, rate=1, /: 0, "positional-only"),
    ],
)
def test_a_bad_registration_is_refused_and_the_others_stay(name, factory, reason):
    class Sample:
        @hookimpl
        def nbdl_losses(self, register):
            register(name, factory)
            register("good", huber)

    own = plugins.PluginSet([plugins.Plugin("sample", "sample", "1.0", Sample)])
    assert own.names("losses") == ["good"]
    (report,) = own.report()
    assert report.state == "loaded"
    assert report.offers == {"losses": ("good",)}
    assert len(report.problems) == 1
    assert reason in report.problems[0].cause
    # Whoever registers an object by hand is its author, and hears of it at once.
    with pytest.raises(PluginError, match=r"plugin 'Sample': loss .* is refused"), isolated_plugins(Sample()):
        pass


def test_a_name_registered_twice_by_one_plugin(plugin):
    class Sample:
        @hookimpl
        def nbdl_losses(self, register):
            register("huber", huber)
            register("huber", mean_huber)

    with pytest.raises(PluginError, match="it has registered that name before"), isolated_plugins(Sample()):
        pass


def test_a_model_without_outputs_is_refused(plugin):
    with (
        pytest.raises(PluginError, match="it has no parameter 'outputs'"),
        isolated_plugins(plugin("nbdl_models", net=lambda hidden=3: 0)),
    ):
        pass


def test_a_misspelt_hook_is_named():
    class Sample:
        @hookimpl
        def nbdl_loses(self, register): ...

    with pytest.raises(PluginError, match="did you mean 'nbdl_losses'"), isolated_plugins(Sample()):
        pass


def test_an_object_without_hooks():
    with pytest.raises(PluginError, match=r"implements no hook; mark its functions with `nbdl\.hookimpl`"):
        register_plugin(object(), name="nothing")
    assert not [report for report in plugins.report() if report.module == "nothing"]


def test_registering_again_replaces(plugin):
    with isolated_plugins():
        register_plugin(plugin(huber=huber), "cell")
        register_plugin(plugin(huber=mean_huber), "cell")
        assert lookup("losses", "huber").factory is mean_huber


def test_isolation_ends_with_the_block(plugin):
    before = plugins._plugins()
    with pytest.raises(KeyError), isolated_plugins(plugin(huber=huber)):
        raise KeyError
    assert plugins._plugins() is before


# --- installed plugins ---------------------------------------------------------------------------------------------

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


# --- life cycle ----------------------------------------------------------------------------------------------------


def test_life_cycle_hooks_are_called_and_a_failing_one_is_left_out():
    seen = []

    class Good:
        @hookimpl
        def nbdl_run_start(self, run):
            seen.append(("start", run))

        @hookimpl
        def nbdl_epoch_end(self, epoch):  # only the arguments it wants
            seen.append(("epoch", epoch))

    class Bad:
        @hookimpl
        def nbdl_epoch_end(self, run, epoch, logs):
            seen.append(("bad", epoch))
            raise ValueError("no room")

    with isolated_plugins(Bad(), Good()) as own:
        own.call("nbdl_run_start", run="r")
        with pytest.warns(RuntimeWarning, match=r"plugin Bad .* nbdl_epoch_end failed: ValueError: no room"):
            own.call("nbdl_epoch_end", run="r", epoch=0, logs={})
        own.call("nbdl_epoch_end", run="r", epoch=1, logs={})
    assert seen == [("start", "r"), ("bad", 0), ("epoch", 0), ("epoch", 1)]


def test_a_life_cycle_hook_is_heard_by_plugins_that_come_and_go():
    class Sample:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def nbdl_epoch_end(self, epoch):
            seen.append((self.name, epoch))

    seen = []
    with isolated_plugins() as own:
        own.call("nbdl_epoch_end", run=None, epoch=0, logs={})
        for name in ("first", "second"):
            own.register_plugin(Sample(name), name)
        own.call("nbdl_epoch_end", run=None, epoch=1, logs={})
        own.disable("first")
        own.call("nbdl_epoch_end", run=None, epoch=2, logs={})
        own.register_plugin(Sample("third"), "second")  # a notebook's cell that was run again
        own.call("nbdl_epoch_end", run=None, epoch=3, logs={})
    assert seen == [("first", 1), ("second", 1), ("second", 2), ("third", 3)]


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


def test_ctrl_c_in_a_hook_is_no_plugin_error():
    class Sample:
        @hookimpl
        def nbdl_run_start(self, run):
            raise KeyboardInterrupt

    with isolated_plugins(Sample()) as own, pytest.raises(KeyboardInterrupt):
        own.call("nbdl_run_start", run=None)


def test_errors_are_of_one_tree():
    assert issubclass(UnknownNameError, NbdlError)
