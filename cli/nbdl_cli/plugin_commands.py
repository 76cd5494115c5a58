"""Commands that plugins add."""

from collections.abc import Collection
from functools import cache
from typing import Any

import typer

from nbdl.errors import PluginError
from nbdl.plugin_sources import Plugin
from nbdl.plugins import Problem, command_apps

Command = Any


@cache
def _offered(own: frozenset[str]) -> dict[str, list[tuple[Plugin, Command]]]:
    """Return the plugins' commands by name, several for a name that several use; nbdl's own names can't be taken."""
    offered: dict[str, list[tuple[Plugin, Command]]] = {}
    for plugin, app in command_apps(typer.Typer):
        with plugin.blame("its commands can't be used"):
            for name, command in typer.main.get_group(app).commands.items():
                if name in own:
                    plugin.problems.append(Problem(f"command {name!r} is refused: nbdl has one of that name"))
                else:
                    offered.setdefault(name, []).append((plugin, command))
    return offered


def plugin_command_names(own: Collection[str]) -> list[str]:
    """Return the names of the plugins' commands, sorted; one that two plugins use as `package:name`."""
    return sorted(
        name if len(same) == 1 else f"{plugin.package}:{name}"
        for name, same in _offered(frozenset(own)).items()
        for plugin, _ in same
    )


def plugin_command(name: str, own: Collection[str]) -> Command | None:
    """Return a plugin's command by name or `package:name`; `None` if there is none.

    Raises:
        PluginError: two plugins use the name.
    """
    package, _, bare = name.rpartition(":")
    same = _offered(frozenset(own)).get(bare, [])
    if package:
        same = [(plugin, command) for plugin, command in same if plugin.is_called(package)]
    if len(same) > 1:
        choices = " or ".join(f"'{plugin.package}:{bare}'" for plugin, _ in same)
        packages = " and ".join(plugin.package for plugin, _ in same)
        raise PluginError(f"the command {bare!r} is offered by {packages}; say which with {choices}")
    return same[0][1] if same else None
