"""Imports go one way: the table of rooms in ARCHITECTURE.md is the order, and this is what holds the code to it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists())

# Imports against the order: inside of functions (or for type checkers) only, and each for a reason.
EXCEPTIONS = {
    ("nbdl.nn.trainable", "train"): "net.fit(...) and its like are doors to the trainer, which stands above modules",
    ("nbdl.tensor", "products"): "x @ y is the function of that name, which makes tensors",
    ("nbdl.tensor", "numpy_functions"): "np.sin(x) is the function of that name, which makes tensors",
}
NEEDS_NUMBA = {"kernels", "codegen"}
INSIDES = {"codegen", "kernels", "passes", "lazy"}
ONLY_DEFERRED = ("matplotlib", "sklearn")  # slow to import, and needed by few


class Import(NamedTuple):
    """`module` imports `target`; `deferred` if inside of a function or for type checkers only."""

    module: str
    target: str
    deferred: bool


def modules(folder: Path, package: str) -> dict[str, Path]:
    """Files of a package by the names of their modules."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


NBDL = modules(ROOT / "nbdl", "nbdl")


def imports_of(name: str, source: str) -> Iterator[Import]:
    """Everything that a module imports; `from nbdl import functions` counts as the module nbdl.functions."""

    def visit(node: ast.AST, deferred: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            later = deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            later = later or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
            if isinstance(child, ast.Import):
                yield from (Import(name, alias.name, later) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{name} has a relative import"
                for alias in child.names:
                    longer = f"{child.module}.{alias.name}"
                    yield Import(name, longer if longer in NBDL else str(child.module), later)
            yield from visit(child, later)

    return visit(ast.parse(source), False)


def room(module: str) -> str:
    """The room of a module of nbdl: nbdl.train.fitting is in train, nbdl.tensor in tensor."""
    return module.split(".")[1] if "." in module else "__init__"


def order() -> list[str]:
    """The rooms in the order of the table in ARCHITECTURE.md, row by row, in a row from left to right."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = re.search(r"^\| room \|.*?\n\|[- |]+\|\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert table, "ARCHITECTURE.md has no table of rooms"
    names = [name for row in table[1].splitlines() for name in re.findall(r"`([\w/.]+)`", row.split("|")[1])]
    return [name.removesuffix(".py").removesuffix("/") for name in names]


@cache
def all_imports() -> list[Import]:
    return [each for name, path in NBDL.items() for each in imports_of(name, path.read_text(encoding="utf-8"))]


def test_every_room_stands_in_the_table_once():
    rooms = order()
    assert len(rooms) == len(set(rooms))
    there = {room(name) for name in NBDL}
    assert there - set(rooms) == set(), "not in ARCHITECTURE.md's table"
    assert set(rooms) - there == set(), "in ARCHITECTURE.md's table, but nowhere in nbdl/"


def against(imports: list[Import], rooms: list[str]) -> list[Import]:
    """The imports that go against the order."""
    place = {name: number for number, name in enumerate(rooms)}
    inside = [
        each for each in imports if each.target.split(".")[0] == "nbdl" and room(each.module) != room(each.target)
    ]
    known = [each for each in inside if {room(each.module), room(each.target)} <= place.keys()]
    return [each for each in known if place[room(each.target)] > place[room(each.module)]]


def test_imports_go_one_way():
    wrong = against(all_imports(), order())
    forbidden = [each for each in wrong if not each.deferred or (each.module, room(each.target)) not in EXCEPTIONS]
    assert not forbidden, "\n".join(f"{each.module} imports {each.target}" for each in forbidden)


def test_every_exception_is_needed():
    used = {(each.module, room(each.target)) for each in against(all_imports(), order())}
    assert EXCEPTIONS.keys() == used


def test_an_import_against_the_order_is_found():
    """The check itself can fail."""
    source = "from nbdl import tensor\ndef f():\n    from nbdl.train.run import Run\n"
    source += "if TYPE_CHECKING:\n    import nbdl.nn.module"
    found = list(imports_of("nbdl.ir.graph", source))
    assert [(each.target, each.deferred) for each in against(found, order())] == [
        ("nbdl.tensor", False),
        ("nbdl.train.run", True),
        ("nbdl.nn.module", True),
    ]


def test_numba_is_imported_in_few_places():
    users = {room(each.module) for each in all_imports() if each.target.split(".")[0] in ("numba", "llvmlite")}
    assert users <= NEEDS_NUMBA


@pytest.mark.parametrize("package", ONLY_DEFERRED)
def test_slow_packages_are_imported_when_they_are_needed(package):
    folders = {"nbdl": ROOT / "nbdl", "nbdl_cli": ROOT / "cli" / "nbdl_cli"}
    folders |= {name: ROOT / "plugins" / name for name in PLUGINS}
    for name, folder in folders.items():
        for module, path in modules(folder, name).items():
            for each in imports_of(module, path.read_text(encoding="utf-8")):
                assert each.deferred or each.target.split(".")[0] != package, f"{module} imports {package} at its top"


def test_nbdl_knows_neither_plugins_nor_the_command_line():
    for each in all_imports():
        assert not each.target.startswith("nbdl_"), f"{each.module} imports {each.target}"
        assert each.target.split(".")[0] not in ("tests", "bench", "torch", "jax")


@pytest.mark.parametrize("name", PLUGINS)
def test_built_in_plugins_use_what_anyone_s_may(name):
    """No plugin leans on another, on the command line, or on the compiler's insides."""
    for module, path in modules(ROOT / "plugins" / name, name).items():
        for each in imports_of(module, path.read_text(encoding="utf-8")):
            top = each.target.split(".")[0]
            assert top == name or not top.startswith("nbdl_"), f"{module} imports {each.target}"
            assert top != "nbdl" or room(each.target) not in INSIDES, f"{module} imports {each.target}"
