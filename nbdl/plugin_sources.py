"""What is known about one plugin: where it comes from, what it offers, and what it did wrong."""

import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import Distribution, EntryPoint, entry_points
from inspect import isclass
from typing import Any, Literal

from pluggy import PluginValidationError

from nbdl.docstrings import summary_line
from nbdl.hookspecs import KINDS, PROJECT
from nbdl.options import Options, read_options

State = Literal["found", "loaded", "broken", "disabled", "missing"]


@dataclass(frozen=True)
class Problem:
    """What a plugin did wrong: the cause in one line, and the traceback if there was one."""

    cause: str
    traceback: str = ""


@dataclass(frozen=True)
class Registered:
    """Something that a plugin offers.

    Args:
        name: what it is looked up by.
        kind: one of `nbdl.plugins.KINDS`.
        package: the distribution that it comes from; the built-in ones come from `nbdl`.
        module: the plugin's module.
        version: the distribution's version.
        factory: what was registered.
        options: its options, read from its signature.
        summary: the first line of its docstring.
    """

    name: str
    kind: str
    package: str
    module: str
    version: str
    factory: Callable[..., Any]
    options: Options
    summary: str

    @property
    def label(self) -> str:
        """What messages call it, e.g. `loss 'huber'`."""
        return f"{KINDS[self.kind].singular} {self.name!r}"

    def comes_from(self, name: str) -> bool:
        """Whether `name` is its distribution or its module."""
        return same_name(name, self.package) or same_name(name, self.module)

    def make(self, **options: Any) -> Any:
        """Make one with these options: an instance of a class, a model, ..., or the function with its options bound.

        What nbdl fills in (`outputs` of a model, `data_dir` and `seed` of a data set) is passed the same way, and is
        left out where the factory doesn't ask for it.

        Raises:
            OptionError: an option that doesn't exist, is missing, or has the wrong type.
        """
        kind = KINDS[self.kind]
        supplied = {name: options.pop(name) for name in kind.supplied if name in options}
        asked = _supplied_to(self.factory, supplied)
        checked = self.options.check(options, self.label)
        if kind.arguments and not isclass(self.factory):
            return partial(self.factory, **checked) if checked else self.factory
        self.options.resolve(options, self.label)
        return self.factory(**asked, **checked)


def _supplied_to(factory: Callable[..., Any], supplied: Mapping[str, Any]) -> dict[str, Any]:
    everything = read_options(factory)
    return {name: value for name, value in supplied.items() if everything.open or name in everything.names}


@dataclass(frozen=True)
class PluginReport:
    """The state of a plugin, as `nbdl plugins` shows it.

    Args:
        module: its module.
        package: its distribution.
        version: the distribution's version.
        state: `loaded`, `broken` (nothing of it is usable), `disabled`, or `missing` (asked for, not installed).
        hooks: the hooks it implements.
        offers: the names that it offers, by kind.
        problems: what went wrong. A loaded plugin may have some: one registration refused, one hook failed.
    """

    module: str
    package: str
    version: str
    state: State
    hooks: tuple[str, ...] = ()
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(eq=False)
class Plugin:
    """A plugin on its way from an entry point to something loaded.

    Args:
        module: the module that the entry point names.
        package: its distribution.
        version: the distribution's version.
        load: imports it and returns the object with the hooks.
        entry: the entry point's name.
        stamp: changes when the installed plugin does; empty where that can't be known.
    """

    module: str
    package: str
    version: str
    load: Callable[[], Any]
    entry: str = ""
    stamp: str = ""
    state: State = "found"
    object: Any = None
    hooks: frozenset[str] = frozenset()
    offers: dict[str, dict[str, Registered]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.package}/{self.entry or self.module}"

    def is_called(self, name: str) -> bool:
        """Whether `name` is its distribution, its module or its entry point."""
        return any(same_name(name, own) for own in (self.package, self.module, self.entry))

    @contextmanager
    def blame(self, what: str, *, fatal: bool = False) -> Iterator[None]:
        """Note an exception of the plugin's code as its problem instead of letting it out.

        `SystemExit` counts: a plugin that calls `sys.exit` while it is imported must not end the program.
        """
        try:
            yield
        except (Exception, SystemExit) as error:
            lines = str(error).split("\n")
            said = " ".join(lines) if isinstance(error, PluginValidationError) else lines[0]
            self.problems.append(Problem(f"{what}: {type(error).__name__}: {said}", traceback.format_exc()))
            if fatal:
                self.state = "broken"

    def registered(self, kind: str, name: str, factory: Callable[..., Any]) -> Registered:
        """Check a factory against the contract of its kind.

        Raises:
            OptionError: its signature doesn't fit.
        """
        contract = KINDS[kind]
        arguments = 0 if isclass(factory) else len(contract.arguments)
        options = read_options(factory, arguments=arguments, supplied=contract.supplied, needs=contract.needs)
        summary = summary_line(getattr(factory, "__doc__", None) or "")
        return Registered(name, kind, self.package, self.module, self.version, factory, options, summary)

    def report(self, more: Iterable[Problem] = ()) -> PluginReport:
        """Return the state as something that doesn't change any more, with problems that it has with others."""
        offers = {kind: tuple(sorted(offered)) for kind, offered in self.offers.items() if offered}
        return PluginReport(
            *(self.module, self.package, self.version, self.state),
            *(tuple(sorted(self.hooks)), offers, (*self.problems, *more)),
        )


# --- names that several offer -----------------------------------------------------------------------------------------


def matching(offered: Iterable[Registered], name: str) -> list[Registered]:
    """Return what a name, or `package:name`, means; a bare name that nbdl has is nbdl's own."""
    package, _, bare = name.rpartition(":")
    found = [each for each in offered if each.name == bare and (not package or each.comes_from(package))]
    own = [each for each in found if each.package == PROJECT]
    return own if own and not package else found


def told_apart(same: Sequence[Registered]) -> list[str]:
    """Return full names for things of one name: by distribution, or by module if one distribution has several."""
    packages = [registered.package for registered in same]
    return [f"{r.package if packages.count(r.package) == 1 else r.module}:{r.name}" for r in same]


def collisions(plugin: Plugin, offered: Sequence[Registered]) -> Iterator[Problem]:
    """Say which names of a plugin others offer as well, and what its own are called then."""
    if plugin.package == PROJECT or plugin.state != "loaded":
        return
    for registered in (each for names in plugin.offers.values() for each in names.values()):
        same = [each for each in offered if (each.kind, each.name) == (registered.kind, registered.name)]
        others = [each for each in same if each is not registered]
        if others:
            packages = " and ".join(sorted({each.package for each in others}))
            bare = "the bare name is nbdl's own, and " if any(each.package == PROJECT for each in others) else ""
            full = told_apart(same)[same.index(registered)]
            yield Problem(f"{registered.label} is offered by {packages} too: {bare}this one is {full!r}")


# --- what is installed ------------------------------------------------------------------------------------------------


def same_name(first: str, second: str) -> bool:
    """Whether two names of distributions or modules are the same: `My-Plugin` is `my_plugin`."""
    return bool(first) and _normalised(first) == _normalised(second)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_plugins() -> list[Plugin]:
    """Find the plugins installed in this environment, without importing them; the built-in ones come first."""
    # Reading a distribution's metadata takes milliseconds, and nbdl alone has many entry points.
    about = cache(_about_distribution)
    found = [_from_entry_point(entry_point, *about(entry_point.dist)) for entry_point in entry_points(group=PROJECT)]
    return sorted(found, key=lambda plugin: (plugin.package != PROJECT, plugin.package, plugin.module))


def _about_distribution(distribution: Distribution | None) -> tuple[str, str, str]:
    if distribution is None:
        return "unknown", "", ""
    return distribution.name, distribution.version, _metadata_time(distribution)


def _from_entry_point(entry_point: EntryPoint, name: str, version: str, time: str) -> Plugin:
    stamp = f"{entry_point.value} {version} {time}" if time else ""
    return Plugin(entry_point.module, name, version, entry_point.load, entry_point.name, stamp)


def _metadata_time(distribution: Distribution) -> str:
    """Return when the distribution was installed; empty where it doesn't live in files."""
    folder = getattr(distribution, "_path", None)
    try:
        return str(os.stat(folder).st_mtime_ns) if folder is not None else ""
    except (OSError, TypeError, ValueError):
        return ""
