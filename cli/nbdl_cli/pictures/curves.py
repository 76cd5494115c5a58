"""Learning curves: what was measured after each epoch, of one run or of several."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nbdl.errors import NbdlError, RunError
from nbdl.train import RunFolder
from nbdl_cli.figures import COLORS, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

IN_UNITS = ("mae", "rmse")
MARKED = 30  # up to this many epochs each gets a mark
PARTS = (("", "-", "training"), ("val_", "--", "validation"))
Rows = list[dict[str, float]]


def draw_curves(subject: "Subject") -> "Figure":
    """Draw what a run measured, an axis for each number, training solid and validation dashed.

    Raises:
        RunError: it hasn't finished an epoch; its table can't be read.
    """
    return draw_comparison([subject.path], _units(subject))


def _units(subject: "Subject") -> dict[str, str]:
    """What numbers are measured in, as far as the run says it: the loss, and errors in the units of the data."""
    units = {}
    with suppress(NbdlError, KeyError):  # a network with a step of its own has no loss
        units["loss"] = f"({subject.config['loss']['name']})".replace("_", " ")
    with suppress(NbdlError):
        facts = subject.facts
        if facts.task == "regression" and facts.outputs == 1 and subject.net.task is None:
            units |= dict.fromkeys(IN_UNITS, f"in {subject.unit}" if subject.unit else f"of {subject.targets[0]}")
    return units


def draw_comparison(runs: Sequence[Path], units: Mapping[str, str] | None = None) -> "Figure":
    """Draw what several runs measured, each in a colour of its own.

    Args:
        runs: their folders.
        units: what stands behind the names of numbers.

    Raises:
        RunError: no run, or one that hasn't finished an epoch.
    """
    tables = {name: RunFolder.open(run).metrics.rows() for name, run in zip(_labels(runs), runs, strict=True)}
    for run, rows in zip(runs, tables.values(), strict=True):
        if not rows:
            raise RunError(f"{run} has finished no epoch yet, so there is nothing to draw")
    names = _measured(tables)
    columns = 1 if len(names) == 1 else 2
    height = -(-len(names) // columns)
    figure = new_figure(4.8 if columns == 1 else 7, 0.7 + 2.5 * height + 0.2 * (len(tables) > 1) * len(tables))
    drawn = [_draw_number(figure.add_subplot(height, columns, place + 1), name, tables, units or {})
             for place, name in enumerate(names)]
    if len(tables) > 1:
        # One legend below: in every axis names of runs would cover the curves. Training in a column, validation in one.
        lines = {str(line.get_label()): line for axes in drawn for line in axes.lines}
        labels = sorted(lines, key=lambda label: label.endswith(PARTS[1][2]))
        figure.legend([lines[label] for label in labels], labels, loc="outside lower center", ncols=2)
    figure.suptitle(next(iter(tables)) if len(tables) == 1 else "Comparison of runs")
    return figure


def _labels(runs: Sequence[Path]) -> list[str]:
    """Short names that tell runs apart."""
    short = [run.resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]


def _measured(tables: dict[str, Rows]) -> list[str]:
    """What was measured in any run, on training or validation rows."""
    names = [name for rows in tables.values() for row in rows for name in row if name != "epoch"]
    return list(dict.fromkeys(name.removeprefix("val_") for name in names))


def _draw_number(axes: "Axes", name: str, tables: dict[str, Rows], units: Mapping[str, str]) -> "Axes":
    from matplotlib.ticker import MaxNLocator

    for number, (run, rows) in enumerate(tables.items()):
        for prefix, style, part in PARTS:
            points = [(row["epoch"] + 1, row[prefix + name]) for row in rows if prefix + name in row]
            if points:
                # One run: two colours; several: a colour each, so that the style alone tells the parts apart.
                color = COLORS[(number if len(tables) > 1 else style == "--") % len(COLORS)]
                label = part if len(tables) == 1 else f"{shortened(run, 40)}, {part}"
                mark = "o" if len(points) <= MARKED else None
                axes.plot(*zip(*points, strict=True), style, color=color, label=label, marker=mark, markersize=3)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{name} {units[name]}" if name in units else name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()
    if len(tables) == 1:
        axes.legend()
    return axes
