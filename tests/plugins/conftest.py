"""Plugins to test with: objects in the test, and packages installed in a folder of the test's own."""

import sys
import textwrap

import pytest

import nbdl.plugins
from nbdl.hookspecs import hookimpl


@pytest.fixture
def plugin():
    """Return a function that makes a plugin which registers these factories under one hook."""

    def make(hook="nbdl_losses", **factories):
        def implementation(self, register):
            for name, factory in factories.items():
                register(name, factory)

        return type("Sample", (), {hook: hookimpl(implementation)})()

    return make


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a plugin package where this process and its children find it.

    The process's plugins are looked for anew afterwards, with an index of the test's own.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("NBDL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(nbdl.plugins, "_current", None)

    before = set(sys.modules)

    def write(module, source, *, package=None, version="1.0"):
        package = package or module
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"{package}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[nbdl]\n{module} = {module}\n")
        nbdl.plugins._current = None
        return site / f"{module}.py"

    yield write
    for module in set(sys.modules) - before:
        if getattr(sys.modules[module], "__file__", None) and str(site) in str(sys.modules[module].__file__):
            del sys.modules[module]
