"""The programs of the seed documents, where these are there: their code blocks, with only the import lines changed."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "seeds"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
IMPORT = re.compile(r"^(\s*(?:import|from)\s+)(torch|tensorflow|keras)(?=[.\s])", re.MULTILINE)
PLAIN = re.compile(r"^(import )(nbdl\.compat\.(\w+))$", re.MULTILINE)


def blocks(words: str) -> list[str]:
    """The Python blocks of the document that has these words in a block, with our import lines; skips without it."""
    if not FOLDER.is_dir():
        pytest.skip(f"the seed documents are not at {FOLDER}")
    for document in sorted(FOLDER.glob("*.txt")):
        found = BLOCK.findall(document.read_text(encoding="utf-8"))
        if any(words in each for each in found):
            return [swapped(each) for each in found]
    raise AssertionError(f"no seed document has a block with {words!r}")


def block(words: str) -> str:
    """The one block that has these words."""
    (found,) = [each for each in blocks(words) if words in each]
    return found


def swapped(source: str) -> str:
    """The program with our import lines: `import torch` becomes `import nbdl.compat.torch as torch`."""
    return PLAIN.sub(r"\1\2 as \3", IMPORT.sub(r"\1nbdl.compat.\2", source))


def run(source: str, **given):
    """Run a program with variables that it leaves to its reader, and return what it has made."""
    names = dict(given)
    exec(compile(source, "a seed program", "exec"), names)
    return names
