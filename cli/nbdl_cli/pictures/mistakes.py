"""Misclassified examples: the images or sequences about which a network is wrong, the surest mistakes first."""

from typing import TYPE_CHECKING

import numpy as np

from nbdl.errors import DataError
from nbdl_cli.figures import BLACK, COLORS, RED, new_figure, number_text, percent, shortened, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

LINES = 5
COLUMNS = {"image": 6, "sequence": 3}
HEIGHTS = {"image": 1.45, "sequence": 1.75}
TOLD_APART = 3  # up to this many channels a sequence is drawn as lines
STRONG = 0.99  # share of the values that are drawn in colours of their own, not in the strongest
SHORT = 14  # characters of a class beside a narrow axis
VERY_SHORT = 5  # characters of a class that leave room for a number


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
    kind = "image" if subject.image_shape else "sequence"
    shown = surest[: LINES * COLUMNS[kind]]
    lines = -(-len(shown) // COLUMNS[kind])
    figure = new_figure(7, 0.7 + HEIGHTS[kind] * lines)
    places = list(figure.subplots(lines, COLUMNS[kind], squeeze=False).flat)
    for axes in places[len(shown) :]:
        axes.set_visible(False)
    numbers = [percent(share) if meaning == "probability" else number_text(share) for share in shares.max(axis=1)]
    draw = _draw_images if kind == "image" else _draw_sequences
    draw(subject, figure, places[: len(shown)], shown, numbers)
    several = f"the {len(shown)} surest of {len(wrong):,}" if len(shown) < len(wrong) else f"all {len(wrong)}"
    how = "above: true class; below: predicted class" if kind == "image" else "true class → predicted class"
    figure.suptitle(f"{subject.title()}, {several} mistakes\n{how}, {meaning}")
    return figure


def _draw_images(
    subject: "Subject", figure: "Figure", places: "list[Axes]", rows: np.ndarray, numbers: list[str]
) -> None:
    names = [shortened(name, SHORT) for name in subject.classes]
    behind = ", " if max(map(len, names)) <= VERY_SHORT else "\n"
    for axes, image, row in zip(places, subject.images(subject.rows.values[rows]), rows, strict=True):
        show_image(axes, image, cmap="gray", vmin=0, vmax=1)
        axes.set_title(names[subject.rows.y[row]], fontsize=8, color=BLACK, pad=2)
        predicted = names[subject.decisions[row]]
        axes.set_xlabel(f"{predicted}{behind}{numbers[row]}", fontsize=8, color=RED, labelpad=2)


def _draw_sequences(
    subject: "Subject", figure: "Figure", places: "list[Axes]", rows: np.ndarray, numbers: list[str]
) -> None:
    """Lines for a few channels, scaled as the network sees them, else a colour for each value."""
    lengths = subject.rows.lengths
    channels = subject.rows.values.shape[2]
    strong = float(np.quantile(np.abs(subject.rows.values[rows]), STRONG)) or 1.0
    for axes, row in zip(places, rows, strict=True):
        values = subject.rows.values[row][: None if lengths is None else lengths[row]]
        if channels <= TOLD_APART:
            for channel, line in enumerate(values.T):
                axes.plot(np.arange(1, len(line) + 1), line, color=COLORS[channel], label=f"channel {channel + 1}")
        else:
            image = axes.imshow(values.T, cmap="RdBu_r", vmin=-strong, vmax=strong, aspect="auto",
                                extent=(0.5, len(values) + 0.5, channels + 0.5, 0.5))
        true, predicted = (shortened(subject.classes[each[row]], SHORT) for each in (subject.rows.y, subject.decisions))
        axes.set_title(f"{true} → {predicted}, {numbers[row]}", fontsize=8, pad=3)
        axes.tick_params(labelsize=6)
        axes.margins(x=0)
        axes.locator_params(axis="x", integer=True, nbins=6)
    figure.supxlabel("step", fontsize=9)
    if channels > TOLD_APART:
        figure.supylabel("channel", fontsize=9)
        figure.colorbar(image, ax=places, label="scaled value", shrink=0.5, aspect=40, extend="both")
        return
    figure.supylabel("scaled value", fontsize=9)
    if channels > 1:
        figure.legend(*places[0].get_legend_handles_labels(), loc="outside lower center", ncols=channels)
