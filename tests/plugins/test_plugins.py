"""Plugins: registration, lookup, and what happens when one misbehaves."""


import pytest

from nbdl import hookspecs, plugins
from nbdl.errors import NbdlError, OptionError, PluginError, UnknownNameError
from nbdl.hookspecs import KINDS, hookimpl
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


def test_errors_are_of_one_tree():
    assert issubclass(UnknownNameError, NbdlError)
