"""Plugins: found through entry points, loaded one by one when they are needed, looked up by kind and name.

Whatever a plugin does wrong stays with it: it is reported (`report`, `nbdl plugins`) and everything else works.
`NBDL_PLUGINS` (only these), `NBDL_DISABLE_PLUGINS` (not these) and `disable` take names of distributions or modules,
with commas in between; the built-in ones (distribution `nbdl`, modules `nbdl_losses`, ...) are no exception.
"""

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pluggy

import nbdl.hookspecs as hookspecs
from nbdl.errors import PluginError, UnknownNameError, suggest
from nbdl.hookspecs import KINDS, PROJECT
from nbdl.plugin_index import PluginIndex
from nbdl.plugin_sources import (
    Plugin,
    PluginReport,
    Problem,
    Registered,
    collisions,
    installed_plugins,
    matching,
    told_apart,
)

__all__ = [
    "KINDS",
    "Plugin",
    "PluginReport",
    "PluginSet",
    "Problem",
    "Registered",
    "all",
    "call",
    "command_apps",
    "disable",
    "isolated_plugins",
    "lookup",
    "names",
    "register_plugin",
    "report",
]

HOOKS = {name for name in vars(hookspecs) if name.startswith("nbdl_")}
NAME = re.compile(r"[a-z][a-z0-9_]*")


class PluginSet:
    """Plugins that are looked up together; a process has one, and tests make their own.

    Args:
        plugins: what was found; each is loaded when it is first needed.
        index: remembers between processes which hooks a plugin implements; `None` does without.
    """

    def __init__(self, plugins: Iterable[Plugin] = (), index: PluginIndex | None = None) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._index = index
        self._lock = threading.RLock()
        self._plugins = list(plugins)
        self._missing: list[str] = []
        self._implementing: dict[str, list[Plugin]] = {}  # by hook, until something changes: files are looked at for it
        self._select(os.environ.get("NBDL_PLUGINS"), os.environ.get("NBDL_DISABLE_PLUGINS"))

    # --- which plugins take part -----------------------------------------------------------------------------------

    def _select(self, only: str | None, without: str | None) -> None:
        for name in _split(without):
            self._block(name)
        wanted = _split(only)
        if not wanted:
            return
        self._missing = [name for name in wanted if not any(plugin.is_called(name) for plugin in self._plugins)]
        for plugin in self._plugins:
            if not any(plugin.is_called(name) for name in wanted):
                plugin.state = "disabled"

    def _block(self, name: str) -> bool:
        found = [plugin for plugin in self._plugins if plugin.is_called(name)]
        self._implementing.clear()
        for plugin in found:
            if plugin.state == "loaded":
                self._manager.set_blocked(plugin.key)
            plugin.state = "disabled"
        return bool(found)

    def disable(self, *given: str) -> None:
        """Leave out plugins, by distribution or module name.

        Raises:
            PluginError: no plugin has that name.
        """
        with self._lock:
            for name in given:
                if not self._block(name):
                    known = [known for plugin in self._plugins for known in (plugin.package, plugin.module)]
                    raise PluginError(f"there is no plugin {name!r} to leave out; {suggest(name, known)}")

    def register_plugin(self, plugin: object, name: str | None = None, package: str | None = None) -> None:
        """Add a plugin that isn't installed: a module, or an object with hooks. For tests and notebooks.

        A plugin added again under the same name takes the place of the former one, so a notebook's cell can be
        run twice.

        Args:
            plugin: what has the hooks.
            name: its name, instead of the module's or class's.
            package: the distribution that it appears to come from; by default its name.

        Raises:
            PluginError: it breaks the contract. Here its author is at hand, so nothing is put off to the report.
        """
        name = str(name or getattr(plugin, "__name__", type(plugin).__name__))
        package = package or name
        with self._lock:
            for former in [known for known in self._plugins if (known.package, known.module) == (package, name)]:
                self._block(former.module)
                self._plugins.remove(former)
            added = Plugin(name, package, "", load=lambda: plugin)
            self._manager.unblock(added.key)
            self._plugins.append(added)
            self._load(added)
            for kind in KINDS:
                self._collect(added, kind)
            if added.problems:
                self._block(name)
                self._plugins.remove(added)
                self._manager.unblock(added.key)
                raise PluginError(f"plugin {name!r}: " + "; ".join(problem.cause for problem in added.problems))

    # --- loading ---------------------------------------------------------------------------------------------------

    def _load(self, plugin: Plugin) -> None:
        if plugin.state != "found":
            return
        plugin.state = "loaded"
        with plugin.blame("can't be imported", fatal=True):
            plugin.object = plugin.load()
        if plugin.state != "loaded":
            return
        with plugin.blame("breaks a hook's contract", fatal=True):
            self._manager.register(plugin.object, name=plugin.key)
        if plugin.state != "loaded":
            return
        marked = {name for name in dir(plugin.object) if self._manager.parse_hookimpl_opts(plugin.object, name)}
        for unknown in sorted(marked - HOOKS):
            plugin.problems.append(Problem(f"there is no hook {unknown!r}; {suggest(unknown, HOOKS)}"))
        plugin.hooks = frozenset(marked & HOOKS)
        self._implementing.clear()
        if not plugin.hooks:
            plugin.problems.append(Problem("it implements no hook; mark its functions with `nbdl.hookimpl`"))
        file = getattr(plugin.object, "__file__", None)
        if self._index is not None and plugin.stamp and file:
            self._index.remember(plugin.key, plugin.stamp, plugin.hooks, file)

    def _with_hook(self, hook: str, *, everything: bool = False) -> list[Plugin]:
        """Load the plugins that may implement a hook and return those that do."""
        if everything or hook not in self._implementing:
            for plugin in self._plugins:
                if plugin.state == "found":
                    known = self._index.hooks(plugin.key, plugin.stamp) if self._index and plugin.stamp else None
                    if everything or known is None or hook in known:
                        self._load(plugin)
            if self._index is not None:
                self._index.save()
            self._implementing[hook] = [each for each in self._plugins if each.state == "loaded" and hook in each.hooks]
        return self._implementing[hook]

    def _run_hook(self, plugin: Plugin, hook: str, **arguments: Any) -> bool:
        """Call one hook of one plugin; what goes wrong is noted with the plugin."""
        others = [other.object for other in self._plugins if other is not plugin and other.object is not None]
        with plugin.blame(f"its hook {hook} failed"):
            self._manager.subset_hook_caller(hook, remove_plugins=others)(**arguments)
            return True
        return False

    def _collect(self, plugin: Plugin, kind: str) -> None:
        if kind in plugin.offers or plugin.state != "loaded" or KINDS[kind].hook not in plugin.hooks:
            return
        # Noted before the call: a hook that looks something up itself must not come back here.
        offered = plugin.offers[kind] = {}

        def register(name: str, factory: Callable[..., Any]) -> None:
            reason = ""
            if not isinstance(name, str) or not NAME.fullmatch(name):
                reason = "a name is a lower-case identifier such as 'my_loss'"
            elif name in offered:
                reason = "it has registered that name before"
            elif not callable(factory):
                reason = f"its factory is {factory!r}, which can't be called"
            if not reason:
                try:
                    offered[name] = plugin.registered(kind, name, factory)
                except Exception as error:
                    reason = str(error) or type(error).__name__
            if reason:
                plugin.problems.append(Problem(f"{KINDS[kind].singular} {name!r} is refused: {reason}"))

        self._run_hook(plugin, KINDS[kind].hook, register=register)

    def _offered(self, kind: str, *, everything: bool = False) -> list[Registered]:
        if kind not in KINDS:
            raise UnknownNameError(f"there is no kind of plugin {kind!r}; {suggest(kind, KINDS)}")
        with self._lock:
            plugins = self._with_hook(KINDS[kind].hook, everything=everything)
            for plugin in plugins:
                self._collect(plugin, kind)
            return [registered for plugin in plugins for registered in plugin.offers.get(kind, {}).values()]

    # --- asking ----------------------------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Registered]:
        """Return everything of a kind, sorted by name; a name that two packages offer is there twice."""
        return sorted(self._offered(kind), key=lambda registered: (registered.name, registered.package))

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted; one that two packages offer as `package:name`."""
        by_name: dict[str, list[Registered]] = {}
        for registered in self.all(kind):
            by_name.setdefault(registered.name, []).append(registered)
        return [name for bare, same in by_name.items() for name in ([bare] if len(same) == 1 else told_apart(same))]

    def lookup(self, kind: str, name: str) -> Registered:
        """Return what is registered under a name, or under `package:name` (a distribution or a module).

        A bare name is nbdl's own if nbdl has one: what is installed beside it changes no run.

        Raises:
            UnknownNameError: nobody offers it; near names are suggested.
            PluginError: two other packages offer it, and the name doesn't say which.
        """
        for everything in (False, True):
            found = matching(self._offered(kind, everything=everything), name)
            if found:
                break
        else:
            raise UnknownNameError(self._unknown(kind, name))
        if len(found) > 1:
            choices = " or ".join(map(repr, told_apart(found)))
            packages = " and ".join(f"{registered.package} ({registered.module})" for registered in found)
            raise PluginError(
                f"the {KINDS[kind].singular} {name!r} is offered by {packages}; say which with {choices}"
            )
        return found[0]

    def _unknown(self, kind: str, name: str) -> str:
        offered = self.all(kind)
        message = f"there is no {KINDS[kind].singular} {name!r}"
        if ":" in name:
            package, _, bare = name.partition(":")
            others = told_apart([registered for registered in offered if registered.name == bare])
            if others:
                return f"{message}: {package!r} offers none of that name; {bare!r} is in " + ", ".join(others)
        message += f"; {suggest(name, [registered.name for registered in offered])}"
        broken = [plugin.module for plugin in self._plugins if plugin.problems]
        absent = [plugin.module for plugin in self._plugins if plugin.state == "disabled"]
        if broken:
            message += f" (not working: {', '.join(broken)}; `nbdl plugins` says why)"
        if absent:
            message += f" (disabled: {', '.join(absent)})"
        return message

    def report(self) -> list[PluginReport]:
        """Load everything and return the state of each plugin."""
        with self._lock:
            offered = [registered for kind in KINDS for registered in self._offered(kind, everything=True)]
            missing = [PluginReport(name, name, "", "missing", problems=(NOT_INSTALLED,)) for name in self._missing]
            return [plugin.report(collisions(plugin, offered)) for plugin in self._plugins] + missing

    def packages(self) -> dict[str, str]:
        """Return the versions of the packages that bring plugins in use, nbdl's own aside; nothing is loaded for it."""
        with self._lock:
            found = [each for each in self._plugins if each.package != PROJECT and each.state in ("found", "loaded")]
            return {plugin.package: plugin.version for plugin in found}

    # --- hooks that aren't registrations -----------------------------------------------------------------------------

    def command_apps(self, new_app: Callable[[], Any]) -> list[tuple[Plugin, Any]]:
        """Have each plugin that adds commands add them to an app of its own, made by `new_app`."""
        with self._lock:
            pairs = [(plugin, new_app()) for plugin in self._with_hook("nbdl_commands")]
            return [(plugin, app) for plugin, app in pairs if self._run_hook(plugin, "nbdl_commands", app=app)]

    def is_implemented(self, hook: str) -> bool:
        """Whether `call` would call anybody."""
        with self._lock:
            return bool(self._with_hook(hook))

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a life-cycle hook of every plugin. One that fails gets a warning and isn't called again."""
        with self._lock:
            for plugin in self._with_hook(hook):
                if not self._run_hook(plugin, hook, **arguments):
                    plugin.hooks -= {hook}
                    self._implementing.clear()
                    cause = plugin.problems[-1].cause
                    warnings.warn(
                        f"plugin {plugin.module} ({plugin.package}): {cause}; the run goes on without it",
                        RuntimeWarning,
                        stacklevel=3,
                    )


NOT_INSTALLED = Problem("NBDL_PLUGINS asks for it, and no such plugin is installed")


def _split(names: str | None) -> list[str]:
    return [name.strip() for name in (names or "").split(",") if name.strip()]


# --- the plugins of this process -------------------------------------------------------------------------------------

_current: PluginSet | None = None
_current_lock = threading.Lock()


def _plugins() -> PluginSet:
    global _current
    with _current_lock:
        if _current is None:
            _current = PluginSet(installed_plugins(), PluginIndex())
        return _current


def lookup(kind: str, name: str) -> Registered:
    """Return what is registered under `name` or `package:name`; see `PluginSet.lookup`."""
    return _plugins().lookup(kind, name)


def names(kind: str) -> list[str]:
    """Return the names of a kind, sorted; see `PluginSet.names`."""
    return _plugins().names(kind)


def all(kind: str) -> list[Registered]:
    """Return everything of a kind; see `PluginSet.all`."""
    return _plugins().all(kind)


def report() -> list[PluginReport]:
    """Return the state of every plugin; see `PluginSet.report`."""
    return _plugins().report()


def packages() -> dict[str, str]:
    """Return the versions of the packages that bring plugins; see `PluginSet.packages`."""
    return _plugins().packages()


def disable(*given: str) -> None:
    """Leave out plugins by distribution or module name; see `PluginSet.disable`."""
    _plugins().disable(*given)


def register_plugin(plugin: object, name: str | None = None, package: str | None = None) -> None:
    """Add a plugin that isn't installed; see `PluginSet.register_plugin`."""
    _plugins().register_plugin(plugin, name, package)


def command_apps(new_app: Callable[[], Any]) -> list[tuple[Plugin, Any]]:
    """Let plugins add commands; see `PluginSet.command_apps`."""
    return _plugins().command_apps(new_app)


def is_implemented(hook: str) -> bool:
    """Whether a plugin implements a life-cycle hook."""
    return _plugins().is_implemented(hook)


def call(hook: str, **arguments: Any) -> None:
    """Call a life-cycle hook of every plugin; see `PluginSet.call`."""
    _plugins().call(hook, **arguments)


@contextmanager
def isolated_plugins(*plugins: object, installed: bool = False) -> Iterator[PluginSet]:
    """Replace this process's plugins for the length of a `with` block: only these, or these besides the installed.

    >>> with isolated_plugins():
    ...     names("losses")
    []
    """
    global _current
    former = _current
    _current = PluginSet(installed_plugins() if installed else ())
    try:
        for plugin in plugins:
            register_plugin(plugin)
        yield _current
    finally:
        _current = former
