"""What a network makes of one or two features: the regression line, the regions of classes and their boundaries."""

from typing import TYPE_CHECKING

import numpy as np

from nbdl.data import Split
from nbdl_cli.figures import BLACK, BLUE, COLORS, GRAY, MARKS, RED, new_figure, number_text, percent, some
from nbdl_cli.pictures.predictions import in_units, rmse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

ON_LINE = 400  # places at which a line is worked out
ON_SIDE = 300  # places along each side of a plane
MOST_POINTS = 2000
MOST_TARGETS = 4
STRAIGHT = 1e-4  # share of its height by which a line may leave a straight one: float32 has seven digits


# --- one feature ------------------------------------------------------------------------------------------------------


def draw_line(subject: "Subject") -> "Figure":
    """Draw what is predicted for each value of the only feature, over the data: an axis a target."""
    name, mean, scale = subject.feature(0)
    seen, unseen = subject.dataset.train, subject.rows
    both = np.concatenate([seen.values[:, 0], unseen.values[:, 0]])
    margin = 0.04 * (float(both.max() - both.min()) or 1.0)
    x = np.linspace(both.min() - margin, both.max() + margin, ON_LINE, dtype=np.float32)
    back = subject.facts.preprocessing.inverse_target
    y = np.asarray(back(_at(subject, x[:, None]).reshape(ON_LINE, -1)), np.float64)
    true, predicted = in_units(subject)
    names = subject.targets[:MOST_TARGETS]
    columns = min(len(names), 2)
    lines = -(-len(names) // columns)
    figure = new_figure(5.4 if columns == 1 else 7, 0.5 + (3.6 if columns == 1 else 2.8) * lines)
    errors: list[str] = []
    for place, target in enumerate(names):
        axes = figure.add_subplot(lines, columns, place + 1)
        for rows, color, label in ((seen, GRAY, "training rows"), (unseen, BLUE, f"{subject.part} rows")):
            chosen = some(len(rows), MOST_POINTS)
            height = np.asarray(back(rows.y[chosen]), np.float64)[:, place]
            axes.plot(rows.values[chosen, 0] * scale + mean, height, "o", color=color, markersize=3.5, alpha=0.7,
                      markeredgewidth=0, label=label)
        places = x * scale + mean
        axes.plot(places, y[:, place], "-", color=RED, linewidth=1.8, label=_formula(places, y[:, place]))
        errors.append(f"RMSE {number_text(rmse(predicted[:, place], true[:, place]))}")
        if len(names) > 1:
            axes.set_title(errors[-1])
        axes.set_xlabel(name)
        axes.set_ylabel(target)
        axes.grid()
        axes.legend()
    figure.suptitle(subject.title(errors[0] if len(names) == 1 else ""))
    return figure


def _at(subject: "Subject", x: np.ndarray) -> np.ndarray:
    """What the network says at places, `(n, features)`."""
    return subject.predict(Split(x, np.zeros((len(x), *subject.facts.target_shape), np.float32)))


def _formula(x: np.ndarray, y: np.ndarray) -> str:
    """Describe a line: by its formula if it is straight."""
    slope, start = np.polyfit(x, y, 1)
    height = float(y.max() - y.min())
    if height == 0 or np.abs(slope * x + start - y).max() > STRAIGHT * height:
        return "prediction"
    return f"prediction: {number_text(slope)} x {'-' if start < 0 else '+'} {number_text(abs(start))}"


# --- two features -----------------------------------------------------------------------------------------------------


def draw_boundaries(subject: "Subject") -> "Figure":
    """Draw which class is predicted at each place of a plane, stronger where it is surer, and the rows over it."""
    from matplotlib.lines import Line2D

    (first, *_), (second, *_) = axes_names = [subject.feature(place) for place in (0, 1)]
    seen, unseen = subject.dataset.train, subject.rows
    both = np.concatenate([seen.values, unseen.values])
    margin = 0.06 * np.maximum(both.max(axis=0) - both.min(axis=0), 1e-6)
    low, high = both.min(axis=0) - margin, both.max(axis=0) + margin
    grid = np.meshgrid(*(np.linspace(low[each], high[each], ON_SIDE, dtype=np.float32) for each in (0, 1)))
    shares = subject.shares(_at(subject, np.stack([each.ravel() for each in grid], axis=1)))[1]
    regions = shares.reshape(ON_SIDE, ON_SIDE, -1)
    figure = new_figure(6.4, 5.2)
    axes = figure.add_subplot()
    to_units = np.array([[mean, scale] for _, mean, scale in axes_names])
    ends = np.stack([low, high]) * to_units[:, 1] + to_units[:, 0]
    axes.imshow(_painted(regions), extent=(ends[0, 0], ends[1, 0], ends[0, 1], ends[1, 1]), origin="lower",
                aspect="auto", interpolation="bilinear")
    _draw_edges(axes, regions, ends)
    wrong = subject.decisions != unseen.y
    _scatter(axes, seen.take(some(len(seen), MOST_POINTS)), to_units, small=True)
    _scatter(axes, unseen.take(some(len(unseen), MOST_POINTS)), to_units, small=False)
    if wrong.any():
        x, y = (unseen.values[wrong] * to_units[:, 1] + to_units[:, 0]).T
        axes.plot(x, y, "o", markersize=10, markerfacecolor="none", markeredgecolor=BLACK, linestyle="none")
    handles = [
        Line2D([], [], linestyle="none", color=COLORS[k % len(COLORS)], marker=MARKS[k % len(MARKS)], label=label)
        for k, label in enumerate(subject.classes)
    ]
    handles.append(Line2D([], [], linestyle="none", color=BLACK, marker="o", markerfacecolor="none", markersize=10,
                          label="wrong"))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    axes.set_xlabel(first)
    axes.set_ylabel(second)
    right = percent(float(1 - wrong.mean()))
    figure.suptitle(f"{subject.title(f'{right} right')}\nlarge: {subject.part} rows; small: training rows")
    return figure


def _painted(regions: np.ndarray) -> np.ndarray:
    """The colour of the likeliest class at each place, paler where it is less sure."""
    from matplotlib.colors import to_rgb

    colors = np.array([to_rgb(COLORS[k % len(COLORS)]) for k in range(regions.shape[-1])])
    spread = regions.max(axis=-1) - regions.mean(axis=-1)
    strength = 0.12 + 0.28 * spread / (float(spread.max()) or 1.0)
    return 1 - strength[..., None] * (1 - colors[regions.argmax(axis=-1)])


def _draw_edges(axes: "Axes", regions: np.ndarray, ends: np.ndarray) -> None:
    """The lines where the likeliest class changes."""
    x, y = (np.linspace(ends[0, each], ends[1, each], ON_SIDE) for each in (0, 1))
    for number in range(regions.shape[-1]):
        others = np.delete(regions, number, axis=-1).max(axis=-1)
        lead = regions[..., number] - others
        if lead.min() < 0 < lead.max():
            axes.contour(x, y, lead, levels=[0.0], colors=[BLACK], linewidths=0.8)


def _scatter(axes: "Axes", rows: Split, to_units: np.ndarray, *, small: bool) -> None:
    x, y = (rows.values * to_units[:, 1] + to_units[:, 0]).T
    for number in np.unique(rows.y):
        chosen = rows.y == number
        axes.plot(x[chosen], y[chosen], linestyle="none", color=COLORS[number % len(COLORS)],
                  marker=MARKS[number % len(MARKS)], markersize=2.5 if small else 5.5, alpha=0.5 if small else 1,
                  markeredgewidth=0 if small else 0.6, markeredgecolor="white")
