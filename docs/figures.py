"""Put what was measured, by `nbdl bench` and bench/trainings.py, into the pages: `python docs/figures.py`."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbdl_cli.measurements import MEASUREMENTS

HERE = Path(__file__).parent
LINK = "../bench/results"
PAGES = {HERE / "performance.md": LINK, HERE / "families.md": LINK, HERE.parent / "README.md": "bench/results"}
"""The pages, and how they link to the results."""
RESULTS = HERE.parent / "bench" / "results"
PLACE = re.compile(r"(<!-- (\w+) from ([\w.-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def filled(text: str, results: Path = RESULTS, link: str = LINK) -> str:
    """Return the page with a table in each place, from the file in `results` that the place names."""

    def fill(place: re.Match[str]) -> str:
        begin, name, file, end = place.groups()
        return f"{begin}\n{section(name, results / file, link)}\n\n{end}"

    return PLACE.sub(fill, text)


def section(measurement: str, path: Path, link: str) -> str:
    """What a file says about a measurement: a table, a picture if there is one, and where it was measured."""
    if not path.exists():
        return f"Not measured yet: `bench/results/{path.name}` isn't there."
    data = json.loads(path.read_text(encoding="utf-8"))
    where, when = f"{data['cores']} cores of an {data['processor']}", data["date"][:10]
    file = f"all figures: [{path.name}]({link}/{path.name}). {packages(data)}."
    if measurement == "trainings":
        return f"{trainings(data['trainings'])}\n\nMeasured on {where}, {when}; {file}"
    parts = [markdown(MEASUREMENTS[measurement], data["results"][measurement])]
    if path.with_suffix(".png").exists():
        parts.append(f"![{MEASUREMENTS[measurement].title}]({link}/{path.with_suffix('.png').name})")
    speed = f"{data['gflops_a_core']:.0f} GFLOP/s each"
    parts.append(f"Measured on {where} ({speed}), {data['rounds']} rounds, {when}; {file}")
    return "\n\n".join(parts)


def packages(data: dict[str, Any]) -> str:
    """With what it was measured."""
    return ", ".join(f"{name} {version}" for name, version in data["versions"].items() if version)


def trainings(results: dict[str, Any]) -> str:
    """What came out of each training, as a table in Markdown."""
    rows = []
    for each in results.values():
        found = ", ".join(f"{name.replace('_', ' ')} {each[name]:.4g}" for name in each["bounded"])
        rows.append([f"`{each['command']}`", found, f"{each['seconds']:.0f}"])
    return table(["command", "what came out", "seconds"], rows)


def markdown(measurement: Any, results: dict[str, Any]) -> str:
    """The summary of a measurement as a table in Markdown."""
    return table(*measurement.summary(results))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their columns, in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    for page, link in PAGES.items():
        page.write_text(filled(page.read_text(encoding="utf-8"), link=link), encoding="utf-8")
