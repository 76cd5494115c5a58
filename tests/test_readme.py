"""What README.md and docs/ say is true: code runs, commands and their options exist, links lead to files."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from nbdl import hookspecs
from nbdl.plugins import isolated_plugins

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def named(path):
    return path.name


def blocks(page, language):
    """The texts of a page's blocks in a language, with the number of the line on which each begins."""
    page_text = page.read_text(encoding="utf-8")
    found = [match for match in BLOCK.finditer(page_text) if match[1] == language]
    return [(match[2], page_text.count("\n", 0, match.start(2)) + 1) for match in found]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_python_blocks_run_in_their_order(page, tmp_path, monkeypatch):
    """A page's blocks are one module; once they define hooks, the module is a plugin."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType(f"page_{page.stem.replace('-', '_').lower()}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with isolated_plugins(installed=True) as plugins:
        for text, line in blocks(page, "python"):
            # Line numbers are those of the page, so that tracebacks point there and `inspect` finds functions' sources.
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), vars(module))
            if any(name.startswith("nbdl_") for name in vars(module)):
                plugins.register_plugin(module)


def test_every_hook_is_documented():
    page = ROOT.joinpath("docs", "plugins.md").read_text(encoding="utf-8")
    for hook in [name for name in vars(hookspecs) if name.startswith("nbdl_")]:
        assert f"def {hook}(" in page, f"docs/plugins.md has no example of {hook}"


def test_the_loops_that_are_shown_are_those_that_are_generated():
    page = ROOT / "docs" / "how-it-works.md"
    refresh = runpy.run_path(str(ROOT / "docs" / "refresh.py"))
    text = page.read_text(encoding="utf-8")
    assert len(refresh["SHOWN"].findall(text)) == 2
    assert refresh["refreshed"](text) == text, "python docs/refresh.py brings the page up to date"


def commands_of(page):
    for text, _ in blocks(page, "sh"):
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["nbdl"] or (words and words[-1].startswith("nbdl ")):
                yield line, words


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_their_options_exist(page):
    from nbdl_cli.main import app

    group = get_command(app)
    context = group.make_context("nbdl", [], resilient_parsing=True)
    for line, (_, *words) in commands_of(page):
        command = group.get_command(context, words[0])
        assert command is not None, f"there is no command for: {line}"
        if hasattr(command, "get_command"):
            command = command.get_command(context, words[1])
            assert command is not None, f"there is no command for: {line}"
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        unknown = {word for word in words if word.startswith("--")} - known
        assert not unknown, f"{line}: no option {unknown}"


def test_the_two_commands_of_the_first_screen():
    first = ROOT.joinpath("README.md").read_text(encoding="utf-8").splitlines()[:20]
    create, install, train = re.fullmatch(
        r"(.+?) && (.+?) && (.+)", next(line for line in first if "nbdl train" in line)
    ).groups()
    assert create == "python3 -m venv .venv"
    assert install == ".venv/bin/pip install -q ."
    assert train.startswith(".venv/bin/nbdl train mlp --data ")
    (test,) = [line for line in first if "pytest" in line]
    assert test.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest")
    found = subprocess.run(
        ["grep", "-m1", "^python3 -m venv .*pytest", "README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == test  # as .ci/run looks for it


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"], ids=named)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    for link in links:
        assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link} leads nowhere"


def test_there_is_something_to_test():
    assert len(PAGES) >= 4
    assert all(blocks(page, "python") or blocks(page, "sh") for page in PAGES)
