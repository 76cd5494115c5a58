"""Misclassified examples: the images or sequences about which a network is wrong, the surest mistakes first."""

from typing import TYPE_CHECKING

import numpy as np

from nbdl.errors import DataError
from nbdl_cli.figures import BLACK, COLORS, GRAY, RED, new_figure, percent, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

IMAGES = (5, 6)  # lines and columns
SEQUENCES = (4, 3)
TOLD_APART = 3  # up to this many channels each has a colour


def draw_mistakes(subject: "Subject") -> "Figure":
    """Draw rows that training hasn't seen and that are put into a wrong class: above the true one, below the other.

    Raises:
        DataError: there are none.
    """
    truth = subject.rows.y
    meaning, shares = subject.shares(subject.predicted)
    wrong = np.flatnonzero(subject.decisions != truth)
    if not wrong.size:
        raise DataError(f"all {len(truth):,} {subject.part} rows are right")
    sureness = shares[wrong, subject.decisions[wrong]]
    surest = wrong[np.argsort(-sureness, kind="stable")]
    images = subject.image_shape is not None
    lines, columns = IMAGES if images else SEQUENCES
    shown = surest[: lines * columns]
    figure, places = _panels(len(shown), columns, 1.38 if images else 2.0)
    for axes, row in zip(places, shown, strict=False):
        if images:
            show_image(axes, subject.images(subject.rows.values[row : row + 1])[0], cmap="gray", vmin=0, vmax=1)
        else:
            _draw_sequence(axes, subject, int(row))
        _name(axes, subject, int(row), meaning, float(shares[row, subject.decisions[row]]))
    for axes in places[len(shown) :]:
        axes.set_visible(False)
    several = f"the {len(shown)} surest of {len(wrong):,}" if len(shown) < len(wrong) else f"all {len(wrong)}"
    figure.suptitle(f"{subject.title()}, {several} mistakes\nabove: true class; below: predicted class, {meaning}")
    return figure


def _panels(count: int, columns: int, height: float) -> "tuple[Figure, list[Axes]]":
    lines = -(-count // columns)
    figure = new_figure(7, 0.6 + height * lines)
    return figure, list(figure.subplots(lines, columns, squeeze=False).flat)


def _name(axes: "Axes", subject: "Subject", row: int, meaning: str, share: float) -> None:
    predicted = subject.classes[subject.decisions[row]]
    number = percent(share) if meaning == "probability" else f"{share:.3g}"
    axes.set_title(subject.classes[subject.rows.y[row]], fontsize=8, color=BLACK, pad=2)
    axes.set_xlabel(f"{predicted}, {number}", fontsize=8, color=RED, labelpad=2)


def _draw_sequence(axes: "Axes", subject: "Subject", row: int) -> None:
    """A line for each channel, standardised as the network sees it, as long as the row is."""
    lengths = subject.rows.lengths
    values = subject.rows.values[row][: None if lengths is None else lengths[row]]
    few = values.shape[1] <= TOLD_APART
    for channel, line in enumerate(values.T):
        color, width = (COLORS[channel], 1.0) if few else (GRAY, 0.5)
        axes.plot(np.arange(1, len(line) + 1), line, color=color, linewidth=width)
    axes.tick_params(labelsize=6)
    axes.margins(x=0)
