"""The report of `nbdl bench`: where it was measured, tables, files, pictures."""

import json
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from nbdl.atomic import atomic_write
from nbdl.machine import cores, processor, versions
from nbdl.tensor_files import writing
from nbdl_cli.measurements import MEASUREMENTS, steps
from nbdl_cli.measurements.measurement import Figures
from nbdl_cli.output import print_table

PEER_PACKAGES = ("torch", "jax", "keras", "onnxruntime")


def about(rounds: int) -> Figures:
    """Where and with what everything was measured."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": cores(),
        "gflops_a_core": round(steps.peak() / 1e9, 1),
        "versions": versions() | {name: _version(name) for name in PEER_PACKAGES},
        "rounds": rounds,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def print_report(data: Figures) -> None:
    """Print the figures for people: the tables of each measurement."""
    for name, results in data["results"].items():
        if results:
            typer.echo(f"\n{MEASUREMENTS[name].title}")
        for table in MEASUREMENTS[name].tables if results else ():
            print_table(*table(results))
    reasons = {
        f"{peer} is left out: {reason}"
        for results in data["results"].values()
        for figures in results.values()
        for peer, reason in figures.get("left_out", {}).items()
    }
    for reason in sorted(reasons):
        typer.echo(reason, err=True)


def write(path: Path, data: Figures) -> None:
    """Write the figures to a file."""
    with writing(path), atomic_write(path) as file:
        file.write((json.dumps(data, indent=2) + "\n").encode())


def draw(path: Path, data: Figures) -> None:
    """Draw the measurements that have a picture: into this file, or if there are several, files named after them."""
    from nbdl_cli.figures import drawing, new_figure, save_figure

    drawn = {name: MEASUREMENTS[name].draw for name, results in data["results"].items() if results}
    drawn = {name: function for name, function in drawn.items() if function is not None}
    for name, function in drawn.items():
        results = data["results"][name]
        with drawing():
            figure = new_figure(min(3 + 0.8 * len(results), 9), 4.5)
            axes = figure.add_subplot()
            function(axes, results)
            axes.set_title(f"{data['processor']}, {data['cores']} cores, {data['date'][:10]}")
            save_figure(figure, path if len(drawn) == 1 else path.with_stem(f"{path.stem}-{name}"))
