"""Put the loops that nbdl generates now into how-it-works.md: `python docs/refresh.py`."""

import re
from pathlib import Path

PAGE = Path(__file__).parent / "how-it-works.md"
SHOWN = re.compile(r"^```text\n(@\w+\ndef (\w+)\(.*?)^```$", re.MULTILINE | re.DOTALL)


def refreshed(text: str) -> str:
    """Return the page with the functions of the program that its first Python block makes."""
    block = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block, "the page begins with a program"
    names: dict[str, str] = {}
    exec(block[1], names)
    return SHOWN.sub(lambda shown: f"```text\n{function(names['source'], shown[2])}\n```", text)


def function(source: str, name: str) -> str:
    """Return the text of a function of a generated program."""
    found = re.search(rf"^@\w+\ndef {name}\(.*?(?=\n\n\n|\Z)", source, re.MULTILINE | re.DOTALL)
    assert found, f"the generated program has no function {name}; show another in how-it-works.md"
    return found[0].rstrip()


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
