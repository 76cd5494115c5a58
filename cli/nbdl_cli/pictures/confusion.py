"""The confusion matrix: which classes are taken for which."""

from typing import TYPE_CHECKING

import numpy as np

from nbdl_cli.figures import new_figure, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nbdl_cli.pictures.subject import Subject

WRITTEN = 15  # up to this many classes the counts are written into the matrix
TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)
FAINT = "#b0b0b0"
NAMED = 45  # up to this many classes their names fit beside it


def draw_confusion(subject: "Subject") -> "Figure":
    """Draw how often each true class (a row) was predicted as each class (a column), on rows unseen in training.

    Source: Stehman, Selecting and Interpreting Measures of Thematic Classification Accuracy (1997).
    """
    from matplotlib.colors import PowerNorm

    classes = subject.classes
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (subject.rows.y, subject.decisions), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.2, 2.2 + 0.4 * len(classes)), 6.2)
    figure = new_figure(side + 0.8, side)
    axes = figure.add_subplot()
    # Shares of a few percent are the mistakes that one looks for: the root makes them visible.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8, ticks=TICKS)
    axes.spines[:].set_visible(True)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    size = 8 if len(classes) <= WRITTEN else 6
    if len(classes) <= NAMED:
        turned = max(map(len, classes)) > 3
        axes.set_xticks(range(len(classes)), classes, rotation=45 * turned, ha="right" if turned else "center",
                        rotation_mode="anchor" if turned else "default", fontsize=size)
        axes.set_yticks(range(len(classes)), classes, fontsize=size)
    if len(classes) <= WRITTEN:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.4 else "black" if count else FAINT
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=color, fontsize=size)
    right = np.trace(counts) / max(counts.sum(), 1)
    figure.suptitle(subject.title(f"{percent(right)} right"))
    return figure
