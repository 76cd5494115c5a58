"""Write a plugin package to start from: complete, installable, tested."""

import re
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template

from nbdl.errors import OptionError, RunError
from nbdl.tensor_files import writing
from nbdl_cli import plugin_template

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def write_plugin(name: str, folder: Path) -> Path:
    """Write the package `name` to a new folder of that name in `folder`, and return that folder.

    Raises:
        OptionError: the name can't be that of a package and a module.
        RunError: there is something already, or the folder can't be written.
    """
    if not NAME.fullmatch(name):
        raise OptionError(f"{name!r} can't be a package's name; use lower-case letters, digits and hyphens: my-plugin")
    module = name.replace("-", "_")
    if iskeyword(module):
        raise OptionError(f"a module can't be called {module!r}, which is a word of Python; choose another name")
    if find_spec(module) is not None:
        raise OptionError(f"a module {module!r} is installed already; choose another name")
    target = folder.expanduser() / name
    if target.exists():
        raise RunError(f"{target} exists already; choose another name or --dir")
    for path, text in files(name, module).items():
        with writing(target / path):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, encoding="utf-8")
    return target


def files(name: str, module: str) -> dict[str, str]:
    """Return the package's files: text by path."""
    words = {"name": name, "module": module}
    return {
        "pyproject.toml": Template(plugin_template.PYPROJECT).substitute(words),
        "README.md": Template(plugin_template.README).substitute(words),
        f"src/{module}/__init__.py": Template(plugin_template.MODULE).substitute(words),
        "tests/test_plugin.py": Template(plugin_template.TESTS).substitute(words),
    }
