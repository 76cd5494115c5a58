"""Predicted against true values."""

from typing import TYPE_CHECKING

import numpy as np

from nbdl_cli.figures import BLUE, RED, new_figure, number_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

MOST_POINTS = 5000
MOST_TARGETS = 6


def draw_predictions(subject: "Subject") -> "Figure":
    """Draw predicted against true values, in the units of the data, on rows unseen in training: an axis a target."""
    true, predicted = in_units(subject)
    names = subject.targets[:MOST_TARGETS]
    columns = min(len(names), 2)
    lines = -(-len(names) // columns)
    figure = new_figure(4.6 if columns == 1 else 7, 0.5 + (4.1 if columns == 1 else 3.0) * lines)
    for place, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, place + 1)
        _draw_target(axes, name, true[:, place], predicted[:, place])
        errors = _errors(true[:, place], predicted[:, place])
        if len(names) > 1:
            axes.set_title(errors)
    figure.suptitle(subject.title(errors if len(names) == 1 else ""))
    return figure


def in_units(subject: "Subject") -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted values in the units of the data, `(rows, targets)`."""
    back = subject.facts.preprocessing.inverse_target
    predicted = subject.predicted.reshape(len(subject.predicted), -1)
    return np.asarray(back(subject.rows.y), np.float64), np.asarray(back(predicted), np.float64)


def rmse(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return the root of the mean squared difference."""
    return float(np.sqrt(np.mean(np.square(predicted - true))))


def _errors(true: np.ndarray, predicted: np.ndarray) -> str:
    spread = float(np.square(true - true.mean()).sum())
    share = f", R² {1 - float(np.square(predicted - true).sum()) / spread:.3f}" if spread else ""
    return f"RMSE {number_text(rmse(predicted, true))}{share}"


def _draw_target(axes: "Axes", name: str, true: np.ndarray, predicted: np.ndarray) -> None:
    step = -(-len(true) // MOST_POINTS)
    alpha = 0.25 if len(true) > 500 else 0.7
    axes.plot(true[::step], predicted[::step], "o", color=BLUE, markersize=3.5, alpha=alpha, markeredgewidth=0)
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    axes.plot(ends, ends, "-", color=RED, linewidth=1, label="predicted = true")
    axes.set_xlabel(f"true {name}")
    axes.set_ylabel(f"predicted {name}")
    margin = 0.05 * (ends[1] - ends[0]) or 1.0
    axes.set(xlim=(ends[0] - margin, ends[1] + margin), ylim=(ends[0] - margin, ends[1] + margin), aspect="equal")
    axes.locator_params(nbins=6)
    axes.grid()
    axes.legend()
